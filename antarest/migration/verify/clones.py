"""The databases of a proof: copies of each other, so that no revision is run twice to get somewhere."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from antarest.core.config import DbConfig
from antarest.migration.connection import moving
from antarest.migration.scratch import EngineName


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
            with _maintenance(self.url) as connection:
                found = connection.execute(
                    text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": self.prefix}
                )
                for name in found.scalars().all():
                    connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


class Clones:
    """Makes databases in a place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._numbers = itertools.count()

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
            with suppress(SQLAlchemyError), _maintenance(self._place.url) as connection:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'))

    def keep(self, url: URL, name: str) -> URL | None:
        """Let a database that nobody is connected to outlive the place, under a name; None where it cannot."""
        if not self._place.kept:
            return None
        if self._place.engine == "sqlite":
            return url.set(database=shutil.move(str(url.database), f"{self._place.kept}/{name}.db"))
        kept = f"{self._place.kept}{name}"
        with _maintenance(self._place.url) as connection:
            connection.execute(text(f'ALTER DATABASE "{url.database}" RENAME TO "{kept}"'))
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
        with _maintenance(self._place.url) as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'))
        return self._place.url.set(database=name)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection to migrate on, and to look."""
    with moving(DbConfig(url)) as connection:
        yield connection


@contextmanager
def _maintenance(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
