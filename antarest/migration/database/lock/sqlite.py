"""The migration lock of SQLite: a transaction that begins with `BEGIN IMMEDIATE`.

The lock excludes all processes and containers that share the file. It is released when the process that holds it is
killed. SQLite would wait inside a call that no signal can end, so the run polls instead.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from ...errors.facts.lock import LONGER
from ...errors.settings.db_config import DbConfig
from ..driver_errors import connection_error
from ..file_locks import holder, reader
from .base import Patience

_ASK = "PRAGMA busy_timeout = 50"  # milliseconds
_ATTEMPTS_OF_A_COMMIT = 0.05  # seconds between two attempts


class SqliteWriter:
    """The migration lock of an SQLite file."""

    def __init__(self, db: DbConfig, patience: Patience) -> None:
        self._db = db
        self._file = str(db.migration_url.database)
        self._patience = patience
        self._blockers = ""
        self._first_try = 0.0  # time of the first try of the commit

    @classmethod
    @contextmanager
    def taken(cls, db: DbConfig, patience: Patience) -> Iterator[SqliteWriter]:
        """Return a writer that takes the lock when a transaction begins, and releases it when the transaction ends."""
        yield cls(db, patience)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that excludes all other writers."""
        driver: Any = connection.connection.dbapi_connection
        driver.cursor().execute(_ASK)
        driver.retry_commit, self._first_try = self._retry_commit, 0.0
        while True:
            try:
                driver.cursor().execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if not self._patience.wait(lambda: holder(self._file) or "another process that writes to the file"):
                    raise self._locked(error) from error
            else:
                return

    def check(self, connection: Connection) -> None:
        """Do nothing: the lock is the transaction itself."""

    def blockers(self) -> str:
        """Return a text that names the process that read the file while a commit waited; empty if none was seen."""
        return self._blockers

    def wait_for_end(self) -> bool:
        """Return True at once: SQLite ends a transaction together with its connection."""
        return True

    def _locked(self, error: sqlite3.Error) -> Exception:
        locked = connection_error(error, self._db.migration_url)
        locked.hints = (LONGER, *locked.hints[1:])
        return locked

    def _retry_commit(self) -> bool:
        """Sleep for a short time, because readers block a commit. Return whether to try the commit again."""
        self._first_try = self._first_try or time.monotonic()
        if time.monotonic() - self._first_try >= self._db.lock_timeout or self._patience.is_over():
            return False
        self._blockers = reader(self._file)
        time.sleep(_ATTEMPTS_OF_A_COMMIT)
        return True


def is_busy(error: BaseException | None) -> bool:
    """Return whether an error says that another connection holds a lock on the SQLite file."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
