"""Makes the databases of a proof. Copying a database is faster than running its revisions again."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from ..database.connection import moving_engine
from ..database.driver_errors import translate_errors
from ..database.waits import undisturbed
from ..scratch.databases import EngineName, create_database


@dataclass(frozen=True)
class DatabaseLocation:
    """The folder or server where the databases of one engine are made.

    Attributes:
        engine: the engine.
        url: on PostgreSQL, a database of the server, to which CREATE DATABASE is sent; on SQLite, a file in the folder.
        prefix: on PostgreSQL, the beginning of the names of the databases.
        kept: the place of the databases that are kept after the proof: on SQLite a folder, on PostgreSQL the beginning
            of their names. Empty if no database is kept.
    """

    engine: EngineName
    url: URL
    prefix: str = ""
    kept: str = ""

    def drop_all(self) -> None:
        """Drop all remaining PostgreSQL databases. SQLite files are deleted by the code that created their folder."""
        if self.engine == "postgresql":
            with _maintenance_engine(self.url).connect() as connection:
                found = connection.execute(
                    text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": self.prefix}
                )
                for name in found.scalars().all():
                    connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


_ROLE = re.compile(
    r"\s*(?P<verb>CREATE|DROP)\s+(?:ROLE|USER|GROUP)\s+(?:IF\s+EXISTS\s+)?(?:\"(?P<quoted>[^\"]+)\"|(?P<plain>\w+))",
    re.IGNORECASE,
)
_EXISTS = "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s"
_IS_USED_HERE = """
    SELECT FROM pg_catalog.pg_shdepend AS d JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid
    JOIN pg_catalog.pg_database AS b ON b.oid = d.dbid WHERE b.datname = current_database() AND r.rolname = %s
"""


class Clones:
    """Creates and copies databases in a location. The caller must call `close`, and then delete the databases."""

    def __init__(self, location: DatabaseLocation) -> None:
        self.engine: EngineName = location.engine
        self._location = location
        self._numbers = itertools.count()
        self._database = str(location.url.database)
        self._engine = moving_engine(location.url, lambda: self._database)
        self.settings: list[str] = []
        """The statements that each new connection executes first."""
        self._alembics_engine = create_engine(location.url, poolclass=NullPool)
        event.listen(self._alembics_engine, "do_connect", self._choose_file)
        for engine in (self._engine, self._alembics_engine):
            event.listen(engine, "connect", self._set)
        self._roles: dict[str, set[str]] = {}  # the roles that revisions have made, by database
        self._made: set[str] = set()  # the roles of all databases
        if self.engine == "postgresql":
            event.listen(self._engine, "before_cursor_execute", self._pretend, retval=True)

    def close(self) -> None:
        """Close the connection to the server. If revisions have created roles, drop all databases and these roles."""
        if self._made:
            self._location.drop_all()  # A role with rights in a database cannot be dropped.
            for role in self._made:
                self._maintenance.execute(text(f'DROP ROLE IF EXISTS "{role}"'))
        if "_maintenance" in self.__dict__:
            self._maintenance.close()

    @cached_property
    def _maintenance(self) -> Connection:
        """The connection that creates and drops PostgreSQL databases. Opening one for each database would be slow."""
        return _maintenance_engine(self._location.url).connect()

    @contextmanager
    def connected(self, url: URL, *, as_alembic: bool = False) -> Iterator[Connection]:
        """Open a connection that can run revisions.

        Args:
            url: the URL of the database.
            as_alembic: whether SQLite's driver decides when a transaction begins, as with plain Alembic. If so, a
                revision can also write through a second connection.
        """
        outer, self._database = self._database, str(url.database)
        engine = self._alembics_engine if as_alembic and self.engine == "sqlite" else self._engine
        try:
            with translate_errors(url), engine.connect() as connection:
                yield connection
        finally:
            self._database = outer

    def _pretend(self, connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> Any:
        """Replace a statement about a role, so that each database seems to have its own roles.

        In fact, all databases of a server share the roles. A role is created for the first database that needs it, and
        exists until the end of the proof.
        """
        found = _ROLE.match(statement)
        if found is None:
            return statement, parameters
        name = found["plain"].lower() if found["plain"] else found["quoted"]
        own = self._roles.setdefault(self._database, set())
        makes = found["verb"].upper() == "CREATE"
        cursor = connection.connection.cursor()
        cursor.execute(_EXISTS if makes else _IS_USED_HERE, (name,))
        is_so = cursor.fetchone() is not None
        cursor.close()
        if makes:
            is_pretended = is_so and name in self._made - own
            own.add(name)
            self._made.update(() if is_so else (name,))
        elif is_pretended := name in own and not is_so:
            own.discard(name)
        return ("SELECT 1", ()) if is_pretended else (statement, parameters)

    def _set(self, driver: Any, _record: object) -> None:
        if settings := [*self._limits, *self.settings]:
            with closing(driver.cursor()) as cursor:
                cursor.execute("; ".join(settings))
            driver.commit()

    @cached_property
    def _limits(self) -> list[str]:
        """The statements that switch off the time limits which the server has for this role (PostgreSQL)."""
        if self.engine == "sqlite":
            return []
        wanted = undisturbed(self._maintenance).items()
        return [f"SET {name} = {off}" for name, off in wanted if self._maintenance.scalar(text(f"SHOW {name}")) != off]

    def set_again(self, connection: Connection) -> None:
        """Execute the statements in `settings` again, because the end of a run resets the settings of a connection."""
        self._set(connection.connection.driver_connection, None)

    def _choose_file(self, _dialect: object, _record: object, arguments: list[object], _named: object) -> None:
        if arguments:
            arguments[0] = self._database

    def new(self) -> URL:
        """Create an empty database, and return its URL."""
        return self._make(None)

    def copy(self, other: URL) -> URL:
        """Copy a database, and return the URL of the copy. No session is allowed to be connected to the original."""
        return self._make(other)

    def drop(self, url: URL) -> None:
        """Drop a database."""
        if self.engine == "sqlite":
            Path(str(url.database)).unlink(missing_ok=True)
        else:
            with suppress(SQLAlchemyError):
                self._maintenance.execute(text(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'))

    def keep(self, url: URL, name: str) -> URL | None:
        """Rename a database, so that the proof does not delete it. No session is allowed to be connected to it.

        Returns:
            The new URL of the database; None if the location keeps no databases.
        """
        if not self._location.kept:
            return None
        if self.engine == "sqlite":
            return url.set(database=shutil.move(str(url.database), f"{self._location.kept}/{name}.db"))
        kept = f"{self._location.kept}{name}"
        self._maintenance.execute(text(f'ALTER DATABASE "{url.database}" RENAME TO "{kept}"'))
        return url.set(database=kept)

    def _make(self, template: URL | None) -> URL:
        number, url = next(self._numbers), self._location.url
        if self.engine == "sqlite":
            file = Path(str(url.database)).with_name(f"{number}.db")
            if template:
                shutil.copyfile(str(template.database), file)
            return url.set(database=str(file))
        name = f"{self._location.prefix}{number}"
        source = str(template.database) if template else "template0"
        self._roles[name] = {*self._roles.get(source, ())}
        create_database(self._maintenance, name, source)
        return url.set(database=name)


def _maintenance_engine(url: URL) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
