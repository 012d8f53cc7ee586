"""Creates the scratch databases in which the revisions of a snapshot run, on each engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from ...database.connection import moving
from ...scratch.databases import EngineName, scratch_database
from ...scratch.servers import ScratchServer
from ...snapshot import sqlite
from .dump import dumped

_HOME = "public"
_ELSEWHERE = "antarest_elsewhere"
_ZONE = "Asia/Kathmandu"  # In this zone, a time without a zone means another time.
_DATES = "ISO, DMY"  # With this setting, 01/02/2020 means another day.


class Ground(Protocol):
    """Makes scratch databases of one engine."""

    @property
    def engine(self) -> EngineName:
        """The engine of the databases."""

    @property
    def homes(self) -> Sequence[str]:
        """The names of the schemas to use as the current schema of a second database, in this order.

        The revisions run in two databases, to see whether both get the same content. In the first database, the current
        schema is always the last schema of this list. The second database begins with the first schema of the list. If
        the databases differ, a new second database is created with the next schema. If only the last schema leads to
        equal databases, the revisions contain its name, and do not follow the search path.
        """

    def database(self, home: str = "") -> AbstractContextManager[Connection]:
        """Create a database that exists inside the `with` block, and connect to it, without a transaction.

        Args:
            home: the current schema of the database. If it is given, the database also has an unusual time zone.
        """

    def version(self, connection: Connection) -> str:
        """Return the version of the engine, as a snapshot records it."""

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """Return the statements that create a copy of a database.

        Args:
            connection: a connection to the database.
            exclude: the tables to leave out.
        """


class SqliteGround:
    """Creates scratch databases with the SQLite library of this Python."""

    engine: EngineName = "sqlite"
    homes = ("",)

    @contextmanager
    def database(self, home: str = "") -> Iterator[Connection]:  # noqa: ARG002 - there are no schemas
        """Create a database in a file, and connect to it."""
        with scratch_database("sqlite") as url, moving(url) as connection:
            yield connection

    def version(self, connection: Connection) -> str:  # noqa: ARG002 - it is the library
        """Return the version of the SQLite library."""
        return sqlite3.sqlite_version

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """Return the statements that create a copy of a database, read from its `sqlite_master` table and its rows."""
        found = tuple(sqlite.statements(connection, exclude))
        connection.rollback()
        return found


@dataclass(frozen=True)
class PostgresGround:
    """Creates scratch databases on a PostgreSQL server."""

    server: ScratchServer
    engine: EngineName = "postgresql"
    homes: Sequence[str] = (_ELSEWHERE, _HOME)

    @contextmanager
    def database(self, home: str = "") -> Iterator[Connection]:
        """Create a database on the server, and connect to it."""
        with self.server.new() as url:
            if home:
                with moving(url) as connection, connection.begin():
                    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {home}")
                    for setting in (
                        f"search_path = {home}, {_HOME}",
                        f"timezone = '{_ZONE}'",
                        f"datestyle = '{_DATES}'",
                    ):
                        connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" SET {setting}')
            with self.server.connected(url) as connection:
                yield connection

    def version(self, connection: Connection) -> str:
        """Return the major version of the server."""
        return str((connection.dialect.server_version_info or ("",))[0])

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """Return the statements that create a copy of a database, taken from the output of `pg_dump`."""
        return dumped(connection, exclude, _HOME, self.server.lacking, self.server.extensions)
