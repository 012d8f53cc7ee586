"""Driver connections that report each statement, commit and rollback to a watcher before it happens.

SQLAlchemy's events do not see a revision that uses the driver's own connection or cursor. These classes do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Literal, Self, cast

from sqlalchemy import Connection

from .pool_timeout import begins_within

Attempt = Callable[[], object]
"""Runs a statement that is about to run, with its parameters."""


class Watcher:
    """An object to which a connection reports. A subclass overrides the methods that it needs."""

    def before(self, statement: str, attempt: Attempt | None = None) -> None:
        """Called before a statement runs.

        Args:
            statement: its text.
            attempt: runs it, as often as it is called; None where it can run only once, or the driver cannot say.
        """

    def after(self, statement: str) -> None:
        """Called after a statement has run."""

    def on_commit(self) -> None:
        """Called before the driver commits."""

    def on_rollback(self) -> None:
        """Called before the driver rolls back."""


class WatchedConnection:
    """The base of the connections of both drivers.

    Attributes:
        watcher: the watcher to report to; None for no reports.
    """

    watcher: Watcher | None = None

    def commit(self) -> None:
        """Report the commit, and commit. The watcher may raise an error to prevent it."""
        if self.watcher:
            self.watcher.on_commit()
        super().commit()  # type: ignore[misc]  # of the driver

    def rollback(self) -> None:
        """Report the rollback, and roll back."""
        if self.watcher:
            self.watcher.on_rollback()
        super().rollback()  # type: ignore[misc]

    @contextmanager
    def reporting(self, statement: str, attempt: Attempt | None = None) -> Iterator[None]:
        """Report a statement that runs inside the block. Statements of the watcher itself are not reported."""
        watcher, self.watcher = self.watcher, None
        try:
            if watcher:
                watcher.before(statement, attempt)
            yield
            if watcher:
                watcher.after(statement)
        finally:
            self.watcher = watcher


def is_in_transaction(connection: Connection) -> bool:
    """Return whether the driver has an open transaction on a connection."""
    driver: Any = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.in_transaction
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE  # here, since SQLite does not need it

    return bool(driver.info.transaction_status != TRANSACTION_STATUS_IDLE)


def set_watcher(connection: Connection, watcher: Watcher | None) -> None:
    """Report the statements of a connection to a watcher. None ends the reports."""
    driver: Any = connection.connection.dbapi_connection
    driver.watcher = watcher


class SqliteConnection(WatchedConnection, sqlite3.Connection):
    """A connection of `sqlite3`.

    Attributes:
        retry_commit: called when a reader blocks a commit; returns whether to try again, perhaps after a short wait.
    """

    retry_commit: Callable[[], bool] = staticmethod(lambda: False)

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute. Setting `isolation_level` or `autocommit` reports a commit, as the driver commits then."""
        if name in {"isolation_level", "autocommit"} and self.watcher:
            self.watcher.on_commit()
        super().__setattr__(name, value)

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that reports its statements."""
        return super().cursor(factory or _SqliteCursor)

    def execute(self, *arguments: Any) -> Any:
        """Execute on a cursor that reports. The driver's own method would use a cursor that does not."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Execute on a cursor that reports, as `execute` does."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Execute on a cursor that reports, as `execute` does."""
        return self.cursor().executescript(*arguments)

    def commit(self) -> None:
        """Commit, and try again while a reader blocks it and `retry_commit` says so."""
        while True:
            try:
                return super().commit()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not self.retry_commit():
                    raise

    def __exit__(self, kind: object, error: object, traceback: object) -> Literal[False]:
        """Commit or roll back with the methods above. The driver's own method would not call them."""
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return False


class _SqliteCursor(sqlite3.Cursor):
    connection: SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        with self.connection.reporting(sql):
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        with self.connection.reporting(sql):
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
    """Return the class of connections of `psycopg2`. It is created here, since SQLite does not need the driver."""
    from psycopg2.extensions import connection, cursor

    class Reporting(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as the driver calls it
            connection = cast("Any", self.connection)
            run = partial(super().execute, query, vars)
            attempt = None if self.name else run  # The driver declares a cursor with a name only once.
            with connection.reporting(_text(query, self), attempt), begins_within(connection, connection.patience):
                run()

        def executemany(self, query: Any, vars_list: Any) -> None:
            rows = list(vars_list)
            run = partial(super().executemany, query, rows)
            with cast("WatchedConnection", self.connection).reporting(_text(query, self), run):
                run()

        def copy_expert(self, sql: Any, *arguments: Any, **named: Any) -> None:
            with cast("WatchedConnection", self.connection).reporting(_text(sql, self)):
                super().copy_expert(sql, *arguments, **named)

        def callproc(self, procname: Any, *arguments: Any) -> None:
            run = partial(super().callproc, procname, *arguments)
            with cast("WatchedConnection", self.connection).reporting(f"CALL {procname}", run):
                run()

    class PostgresConnection(WatchedConnection, connection):
        patience: float = 0  # seconds that the first statement of a transaction may wait for a pooler

        def cursor(self, name: Any = None, cursor_factory: Any = None, *options: Any, **named: Any) -> Any:
            factory = type("Reporting", (Reporting, cursor_factory), {}) if cursor_factory else Reporting
            return super().cursor(name, factory, *options, **named)

    return PostgresConnection


def _text(query: Any, cursor: Any) -> str:
    """Return the text of a statement, which psycopg2 accepts as a text, as bytes or composed."""
    if hasattr(query, "as_string"):
        return str(query.as_string(cursor))
    return query.decode() if isinstance(query, bytes) else str(query)
