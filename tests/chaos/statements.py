"""Counts the statements that a process sends to one database, and kills it before one of them.

The counts come from the drivers, below everything that is tested. SQLite itself reports each statement that it runs,
also a COMMIT. The connections and cursors of psycopg2 are replaced by others that count. So the statements of plain
Alembic are counted in the same way as ours.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions


@dataclass(frozen=True)
class Counting:
    """Which statements are counted, and at which statement the process is killed.

    Attributes:
        database: the file of the SQLite database, or the name of the PostgreSQL database.
        log: the file to which each statement is written, on one line; None if nobody needs them.
        fatal: the number of the statement, from 1, before which the process is killed with SIGKILL; 0 for none.
    """

    database: str
    log: Path | None = None
    fatal: int = 0

    def begin(self) -> None:
        """Count in this process from now on."""
        counter = _Counter(self)
        sqlite3.connect = sqlite3.dbapi2.connect = _counting_sqlite(sqlite3.connect, counter)
        psycopg2.connect = _counting_postgresql(psycopg2.connect, counter)


class _Counter:
    def __init__(self, wish: Counting) -> None:
        self.database = wish.database
        self._fatal = wish.fatal
        self._log = wish.log.open("a") if wish.log else None
        self._count = 0

    def next(self, statement: str) -> None:
        """Called before each statement."""
        self._count += 1
        if self._log:
            print(" ".join(statement.split()), file=self._log, flush=True)
        if self._count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def _counting_sqlite(connect: Any, counter: _Counter) -> Any:
    def wrapped(database: Any, *arguments: Any, **options: Any) -> Any:
        connection = connect(database, *arguments, **options)
        if str(database) == counter.database:
            connection.set_trace_callback(counter.next)
        return connection

    return wrapped


class _Connection(extensions.connection):
    """A Python class, so that its connections can get another class."""


def _counting_postgresql(connect: Any, counter: _Counter) -> Any:
    def wrapped(*arguments: Any, connection_factory: Any = None, **options: Any) -> Any:
        def factory(*dsn: Any, **how: Any) -> Any:
            connection = (connection_factory or _Connection)(*dsn, **how)
            connection.__class__ = _counting_connection(type(connection), counter)
            return connection

        return connect(*arguments, connection_factory=factory, **options)

    return wrapped


def _counting_connection(base: Any, counter: _Counter) -> Any:
    class CountingConnection(base):  # type: ignore[misc]  # whichever class was asked for
        def cursor(self, *arguments: Any, cursor_factory: Any = None, **options: Any) -> Any:
            factory = _counting_cursor(cursor_factory or extensions.cursor, self._next)
            return super().cursor(*arguments, cursor_factory=factory, **options)

        def commit(self) -> None:
            self._next("COMMIT")
            super().commit()

        def rollback(self) -> None:
            self._next("ROLLBACK")
            super().rollback()

        def _next(self, statement: str) -> None:
            if self.info.dbname == counter.database:
                counter.next(statement)

    return CountingConnection


def _counting_cursor(base: Any, count: Callable[[str], None]) -> Any:
    class CountingCursor(base):  # type: ignore[misc]  # as above
        def execute(self, query: Any, *arguments: Any) -> Any:
            count(str(query))
            return super().execute(query, *arguments)

        def executemany(self, query: Any, *arguments: Any) -> Any:
            count(str(query))
            return super().executemany(query, *arguments)

    return CountingCursor
