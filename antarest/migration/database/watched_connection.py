"""Connections that tell a watcher of each statement, and of the end of their transaction, before it happens.

SQLAlchemy's events do not hear a revision that takes the driver's own connection or cursor. These classes do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, Self, cast

from sqlalchemy import Connection

from .pool_limit import begins_within


class Watcher:
    """Hears what runs on a connection. A subclass overrides the methods that it needs."""

    def before(self, statement: str) -> None:
        """A statement is about to run."""

    def after(self, statement: str) -> None:
        """A statement has run."""

    def on_commit(self) -> None:
        """The driver is about to commit."""

    def on_rollback(self) -> None:
        """The driver is about to roll back."""


class WatchedConnection:
    """What the connections of both drivers have in common.

    Attributes:
        watcher: who is told; nobody when it is None.
    """

    watcher: Watcher | None = None

    @contextmanager
    def telling(self, statement: str) -> Iterator[None]:
        """Tell of a statement that runs inside the block. What the watcher itself runs is not told."""
        watcher, self.watcher = self.watcher, None
        try:
            if watcher:
                watcher.before(statement)
            yield
            if watcher:
                watcher.after(statement)
        finally:
            self.watcher = watcher


def is_in_transaction(connection: Connection) -> bool:
    """Whether the transaction that began on a connection is still open, as the driver knows it."""
    driver: Any = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.in_transaction
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE  # imported only where it is needed

    return bool(driver.info.transaction_status != TRANSACTION_STATUS_IDLE)


def set_watcher(connection: Connection, watcher: Watcher | None) -> None:
    """Let `watcher` be told of what runs on a connection that `antarest.migration.database.connection` made."""
    driver: Any = connection.connection.dbapi_connection
    driver.watcher = watcher


class SqliteConnection(WatchedConnection, sqlite3.Connection):
    """A connection of `sqlite3`.

    Attributes:
        retry_commit: asked when a commit meets somebody who reads: whether to try it again. It may wait a little.
    """

    retry_commit: Callable[[], bool] = staticmethod(lambda: False)

    def __setattr__(self, name: str, value: object) -> None:
        """Tell of a commit that comes with these attributes."""
        if name in {"isolation_level", "autocommit"} and self.watcher:
            self.watcher.on_commit()
        super().__setattr__(name, value)

    def cursor(self, factory: Any = None) -> Any:
        """Make a cursor that tells of its statements."""
        return super().cursor(factory or _SqliteCursor)

    def execute(self, *arguments: Any) -> Any:
        """Execute on a cursor that tells, which the driver's shortcut would not take."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """As `execute`."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """As `execute`."""
        return self.cursor().executescript(*arguments)

    def commit(self) -> None:
        """Commit, if the watcher lets it."""
        if self.watcher:
            self.watcher.on_commit()
        while True:
            try:
                return super().commit()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not self.retry_commit():
                    raise

    def rollback(self) -> None:
        """Roll back, and tell of it."""
        if self.watcher:
            self.watcher.on_rollback()
        super().rollback()

    def __exit__(self, kind: object, error: object, traceback: object) -> Literal[False]:
        """Commit or roll back by the methods above, which the driver would not call."""
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return False


class _SqliteCursor(sqlite3.Cursor):
    connection: SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        with self.connection.telling(sql):
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        with self.connection.telling(sql):
            return super().executemany(sql, parameters)

    def executescript(self, script: str, /) -> Self:
        """Run the statements one by one: the driver's own method would commit first."""
        if not self.connection.watcher:
            super().executescript(script)
            return self
        statement = ""
        for part in script.split(";"):
            statement += f"{part};"
            if sqlite3.complete_statement(statement):
                self.execute(statement)
                statement = ""
        return self


@cache
def postgres_connection() -> type[Any]:
    """The class of connections of `psycopg2`, which is imported only where it is needed."""
    from psycopg2.extensions import connection, cursor

    class Telling(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as the driver calls it
            connection = cast("Any", self.connection)
            with connection.telling(_text(query, self)), begins_within(connection, connection.patience):
                super().execute(query, vars)

        def executemany(self, query: Any, vars_list: Any) -> None:
            with cast("WatchedConnection", self.connection).telling(_text(query, self)):
                super().executemany(query, vars_list)

        def copy_expert(self, sql: Any, *arguments: Any, **named: Any) -> None:
            with cast("WatchedConnection", self.connection).telling(_text(sql, self)):
                super().copy_expert(sql, *arguments, **named)

        def callproc(self, procname: Any, *arguments: Any) -> None:
            with cast("WatchedConnection", self.connection).telling(f"CALL {procname}"):
                super().callproc(procname, *arguments)

    class PostgresConnection(WatchedConnection, connection):
        patience: float = 0  # seconds that a pooler may keep a transaction waiting for its beginning

        def cursor(self, name: Any = None, cursor_factory: Any = None, *options: Any, **named: Any) -> Any:
            factory = type("Telling", (Telling, cursor_factory), {}) if cursor_factory else Telling
            return super().cursor(name, factory, *options, **named)

        def commit(self) -> None:
            if self.watcher:
                self.watcher.on_commit()
            super().commit()

        def rollback(self) -> None:
            if self.watcher:
                self.watcher.on_rollback()
            super().rollback()

    return PostgresConnection


def _text(query: Any, cursor: Any) -> str:
    """A statement as psycopg2 takes it: a text, bytes, or composed."""
    if hasattr(query, "as_string"):
        return str(query.as_string(cursor))
    return query.decode() if isinstance(query, bytes) else str(query)
