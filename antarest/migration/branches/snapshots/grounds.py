"""Where the revisions of a snapshot run: scratch databases of each engine."""

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
_ZONE = "Asia/Kathmandu"  # A time without a zone is another moment there.
_DATES = "ISO, DMY"  # 01/02/2020 is another day there.


class Ground(Protocol):
    """Makes scratch databases of one engine."""

    @property
    def engine(self) -> EngineName:
        """The engine."""

    @property
    def homes(self) -> Sequence[str]:
        """The current schemas that a second database may have.

        The first one shows whether the revisions respect the search path. The last one is that of the first database.
        """

    def database(self, home: str = "") -> AbstractContextManager[Connection]:
        """Make a database for the block. The connection has no transaction.

        Args:
            home: its current schema. If it is given, the settings of the database differ from those of the first one.
        """

    def version(self, connection: Connection) -> str:
        """The version on which a snapshot is proved here."""

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """The statements that make a database again."""


class SqliteGround:
    """SQLite of this Python."""

    engine: EngineName = "sqlite"
    homes = ("",)

    @contextmanager
    def database(self, home: str = "") -> Iterator[Connection]:  # noqa: ARG002 - there are no schemas
        """Make a database in a file."""
        with scratch_database("sqlite") as url, moving(url) as connection:
            yield connection

    def version(self, connection: Connection) -> str:  # noqa: ARG002 - it is the library
        """The version of the library."""
        return sqlite3.sqlite_version

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """Read them from the schema of the file."""
        found = tuple(sqlite.statements(connection, exclude))
        connection.rollback()
        return found


@dataclass(frozen=True)
class PostgresGround:
    """A scratch PostgreSQL server."""

    server: ScratchServer
    engine: EngineName = "postgresql"
    homes: Sequence[str] = (_ELSEWHERE, _HOME)

    @contextmanager
    def database(self, home: str = "") -> Iterator[Connection]:
        """Make a database on the server."""
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
        """The major version of the server."""
        return str((connection.dialect.server_version_info or ("",))[0])

    def statements(self, connection: Connection, exclude: Sequence[str]) -> tuple[str, ...]:
        """Take them from pg_dump."""
        return dumped(connection, exclude, _HOME)
