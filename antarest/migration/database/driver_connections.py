"""Driver connections that report each statement, commit and rollback to a watcher before they execute it.

SQLAlchemy's events do not notice a revision that uses the driver's own connection or cursor. These classes do.
"""

from __future__ import annotations

import os
import select
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, Literal, Self, cast

from sqlalchemy import Connection

Attempt = Callable[[], object]
"""A function that runs the reported statement with its parameters."""
Running = tuple[str, Sequence[Any]]
"""The text of a statement, and the lists of parameters with which it runs one after the other."""


class Watcher:
    """An object that receives the reports of a connection. A subclass overrides the methods that it needs."""

    def before(self, statement: str, attempt: Attempt | None = None) -> None:
        """Called before a statement runs.

        Args:
            statement: the text of the statement.
            attempt: a function that runs the statement, and can be called several times. None if the statement can run
                only once, or if this is not known.
        """

    def after(self, statement: str) -> None:
        """Called after a statement has run."""

    def inside(self, statement: str) -> None:
        """Called before a nested statement, which a function runs while another statement is running."""

    def on_commit(self) -> None:
        """Called before the driver commits."""

    def on_rollback(self) -> None:
        """Called before the driver rolls back."""


class _Inside(Watcher):
    """A watcher of the statements that run inside another statement.

    Attributes:
        refusal: the error with which the watcher refused a statement. The function that ran the statement may have
            caught this error.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.refusal: Exception | None = None
        self._watcher = watcher
        self.on_commit, self.on_rollback = watcher.on_commit, watcher.on_rollback  # type: ignore[method-assign]

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - it does not run
        try:
            self._watcher.inside(statement)
        except Exception as error:
            self.refusal = error
            raise


class WatchedConnection:
    """The base of the connections of both drivers.

    Attributes:
        watcher: the watcher that receives the reports; None for no reports.
    """

    watcher: Watcher | None = None

    def commit(self) -> None:
        """Report the commit, and commit. The watcher can raise an error to prevent the commit."""
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
        """Report a statement that runs inside the block. The watcher's own statements are not reported."""
        watcher, self.watcher = self.watcher, None
        if watcher is None:
            yield
            return
        inside = _Inside(watcher)
        try:
            watcher.before(statement, attempt)
            self.watcher = inside
            try:
                yield
            finally:
                self.watcher = None
                if inside.refusal:  # The error of the driver, if any, is not the refusal.
                    raise inside.refusal
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
    """Report the statements of a connection to a watcher. With None, the reports end."""
    driver: Any = connection.connection.dbapi_connection
    driver.watcher = watcher


class SqliteConnection(WatchedConnection, sqlite3.Connection):
    """A connection of `sqlite3` that reports to a watcher.

    Attributes:
        retry_commit: called when a reader blocks a commit; returns whether to try again, perhaps after a short wait.
        running: the last statement, with its lists of parameters.
    """

    retry_commit: Callable[[], bool] = staticmethod(lambda: False)
    running: Running = ("", ())

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute.

        Setting `isolation_level` or `autocommit` reports a commit, because it makes the driver commit.
        """
        if name in {"isolation_level", "autocommit"} and self.watcher:
            self.watcher.on_commit()
        super().__setattr__(name, value)

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that reports its statements. Its class is a subclass of `factory`, if this is given."""
        if isinstance(factory, type) and not issubclass(factory, _SqliteCursor):
            factory = type("Reporting", (_SqliteCursor, factory), {})
        return super().cursor(factory or _SqliteCursor)

    def execute(self, *arguments: Any) -> Any:
        """Execute with a cursor that reports its statements. The driver's own method would use another cursor."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Execute with a cursor that reports its statements, as `execute` does."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Execute with a cursor that reports its statements, as `execute` does."""
        return self.cursor().executescript(*arguments)

    def commit(self) -> None:
        """Commit. If a reader blocks the commit, try again as long as `retry_commit` returns True."""
        while True:
            try:
                return super().commit()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not self.retry_commit():
                    raise

    def __exit__(self, kind: object, error: object, traceback: object) -> Literal[False]:
        """Commit or roll back with the methods of this class. The driver's own method would not call these methods."""
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return False


class _SqliteCursor(sqlite3.Cursor):
    connection: SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self.connection.running = (sql, [parameters])
        with self.connection.reporting(sql):
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        rows = list(parameters)  # Making this list can run other statements, which are reported first.
        self.connection.running = (sql, rows)
        with self.connection.reporting(sql):
            return super().executemany(sql, rows)

    def executescript(self, script: str, /) -> Self:
        """Run the statements of a script one by one. The driver's own method would commit first."""
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
    """Return the class of connections of `psycopg2` that report to a watcher."""
    from psycopg2.extensions import connection, cursor  # here, since SQLite does not need it

    class Reporting(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as the driver calls it
            connection = cast("Any", self.connection)
            run = partial(super().execute, query, vars)
            attempt = None if self.name else run  # The driver declares a cursor with a name only once.
            with connection.reporting(_text(query, self), attempt), _answered(connection):
                run()

        def executemany(self, query: Any, vars_list: Any) -> None:
            rows = list(vars_list)  # as above
            run = partial(super().executemany, query, rows)
            with cast("WatchedConnection", self.connection).reporting(_text(query, self), run):
                run()

        def copy_expert(self, sql: Any, *arguments: Any, **named: Any) -> None:
            with cast("WatchedConnection", self.connection).reporting(_text(sql, self)):
                super().copy_expert(sql, *arguments, **named)

        def copy_from(self, file: Any, table: str, *arguments: Any, **named: Any) -> None:
            with cast("WatchedConnection", self.connection).reporting(f'COPY "{table}" FROM STDIN'):
                super().copy_from(file, table, *arguments, **named)

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
    """Return the text of a statement. psycopg2 accepts text, bytes and composed statements."""
    if hasattr(query, "as_string"):
        return str(query.as_string(cursor))
    return query.decode() if isinstance(query, bytes) else str(query)


# ---- the wait for an answer


@contextmanager
def _answered(connection: Any) -> Iterator[None]:
    """Wait in the block for the answer to a statement.

    If the server has ended the session, the error contains the last message of the server.

    Raises:
        OperationalError: the server has ended the session, or no answer came in time.
    """
    import psycopg2  # here, since SQLite does not need it

    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if poll.poll(0):  # The server has sent the reason why it ended the session. The driver would lose it.
        connection.poll()
    try:
        with _begins_within(connection, connection.patience):
            yield
    except psycopg2.OperationalError as error:
        if not connection.closed or not connection.notices:
            raise
        raise psycopg2.OperationalError(f"{connection.notices[-1]}{error}") from error


# A pooler such as PgBouncer accepts every client at once. Then the first statement of a transaction waits until one of
# the pooler's connections to the server is free, by default for two minutes. The driver has no timeout for that, and a
# cancel request has no effect, because nothing runs on the server yet.

_WAITING: dict[Callable[[], None], threading.Thread] = {}


def give_up_all() -> bool:
    """End the waits for a pooler in all threads, because the process got a signal to stop.

    Returns:
        Whether the calling thread was waiting. If so, its statement ends with an error.
    """
    waiting = dict(_WAITING)
    for give_up in waiting:
        give_up()
    return threading.current_thread() in waiting.values()


@contextmanager
def _begins_within(connection: Any, seconds: float) -> Iterator[None]:
    """Close a connection of `psycopg2` if the first statement of a transaction gets no answer in time.

    Args:
        connection: the connection of the driver. Later statements of its transaction have no time limit.
        seconds: how long to wait; 0 for no limit.

    Raises:
        OperationalError: no answer came in time. `driver_errors.py` recognises this error by its text.
    """
    import psycopg2  # here, since SQLite does not need it
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    if not seconds or connection.autocommit or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        yield
        return
    gave_up = threading.Event()
    its_own = socket.socket(fileno=os.dup(connection.fileno()))

    def give_up() -> None:
        gave_up.set()
        with suppress(OSError):  # The answer came at the same moment.
            its_own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    _WAITING[give_up] = threading.current_thread()
    try:
        yield
    except psycopg2.Error:
        if not gave_up.is_set():
            raise
    finally:
        del _WAITING[give_up]
        timer.cancel()
        its_own.close()
    if gave_up.is_set():
        raise psycopg2.OperationalError(f"no answer within {seconds:g} s")
