"""The databases of a proof: copies of each other, so that no revision is run twice to get somewhere."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from ..database.connection import moving_engine
from ..database.driver_errors import translate_errors
from ..scratch.databases import EngineName


@dataclass(frozen=True)
class Place:
    """Where the databases of one engine are made.

    Attributes:
        engine: which engine.
        url: the maintenance database of PostgreSQL; a file in the folder, for SQLite.
        prefix: what the names of PostgreSQL's databases begin with.
        kept: where databases are kept that somebody wants to look at: a folder, or the beginning of a name; empty
            where none can be, since the server ends with the proof.
    """

    engine: EngineName
    url: URL
    prefix: str = ""
    kept: str = ""

    def tidy(self) -> None:
        """Drop what is left of PostgreSQL's databases; a folder is its owner's business."""
        if self.engine == "postgresql":
            with _maintenance_engine(self.url).connect() as connection:
                found = connection.execute(
                    text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": self.prefix}
                )
                for name in found.scalars().all():
                    connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


class Clones:
    """Makes databases in a place. Close it when they are not needed any more."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._numbers = itertools.count()
        self._database = str(place.url.database)
        self._engine = moving_engine(place.url, lambda: self._database)

    def close(self) -> None:
        """Leave the server; the databases are the business of the place."""
        if "_maintenance" in self.__dict__:
            self._maintenance.close()

    @cached_property
    def _maintenance(self) -> Connection:
        """One connection for all databases of PostgreSQL: connecting takes as long as copying one."""
        return _maintenance_engine(self._place.url).connect()

    @contextmanager
    def connected(self, url: URL) -> Iterator[Connection]:
        """A connection to migrate on, and to look."""
        outer, self._database = self._database, str(url.database)
        try:
            with translate_errors(url), self._engine.connect() as connection:
                yield connection
        finally:
            self._database = outer

    def new(self) -> URL:
        """An empty database."""
        return self._make(None)

    def of(self, other: URL) -> URL:
        """A copy of a database that nobody is connected to."""
        return self._make(other)

    def drop(self, url: URL) -> None:
        """Drop a database."""
        if self._place.engine == "sqlite":
            Path(str(url.database)).unlink(missing_ok=True)
        else:
            with suppress(SQLAlchemyError):
                self._maintenance.execute(text(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'))

    def keep(self, url: URL, name: str) -> URL | None:
        """Let a database that nobody is connected to outlive the place, under a name; None where it cannot."""
        if not self._place.kept:
            return None
        if self._place.engine == "sqlite":
            return url.set(database=shutil.move(str(url.database), f"{self._place.kept}/{name}.db"))
        kept = f"{self._place.kept}{name}"
        self._maintenance.execute(text(f'ALTER DATABASE "{url.database}" RENAME TO "{kept}"'))
        return url.set(database=kept)

    def _make(self, template: URL | None) -> URL:
        number = next(self._numbers)
        if self._place.engine == "sqlite":
            file = Path(str(self._place.url.database)).with_name(f"{number}.db")
            if template:
                shutil.copyfile(str(template.database), file)
            return self._place.url.set(database=str(file))
        name = f"{self._place.prefix}{number}"
        source = template.database if template else "template0"
        self._maintenance.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'))
        return self._place.url.set(database=name)


def _maintenance_engine(url: URL) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
