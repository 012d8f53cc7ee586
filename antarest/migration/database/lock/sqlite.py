"""The migration lock of SQLite: a transaction that begins with `BEGIN IMMEDIATE`.

It keeps out all processes and containers that share the file, and it is released when its process is killed. SQLite
would wait inside a call that no signal can end, so the run polls instead.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ...errors.facts.lock import LONGER
from ...errors.settings.db_config import DbConfig
from ..driver_errors import connection_error
from .base import Patience

_ASK = "PRAGMA busy_timeout = 50"  # milliseconds
_ATTEMPTS_OF_A_COMMIT = 0.05  # seconds between two attempts

# The bytes that SQLite locks: in the file, or in WAL mode in the file beside it.
_PENDING, _RESERVED, _SHARED = 0x40000000, 0x40000001, range(0x40000002, 0x40000002 + 510)
_WAL_WRITE, _WAL_READ = 120, range(123, 128)


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
        """Return a writer. It takes the lock when a transaction begins, and releases it when the transaction ends."""
        yield cls(db, patience)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that keeps all other writers out."""
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
        """Do nothing: the lock is the transaction."""

    def blockers(self) -> str:
        """Return the process that read the file while a commit had to wait."""
        return self._blockers

    def wait_for_end(self) -> bool:
        """Return True at once: SQLite ends a transaction together with its connection."""
        return True

    def _locked(self, error: sqlite3.Error) -> Exception:
        locked = connection_error(error, self._db.migration_url)
        locked.hints = (LONGER, *locked.hints[1:])
        if found := holder(self._file):
            locked.details["held by"] = found
        return locked

    def _retry_commit(self) -> bool:
        """Wait a moment for the readers that block a commit. Return whether to try again."""
        self._first_try = self._first_try or time.monotonic()
        if time.monotonic() - self._first_try >= self._db.lock_timeout or self._patience.is_over():
            return False
        self._blockers = reader(self._file)
        time.sleep(_ATTEMPTS_OF_A_COMMIT)
        return True


def is_busy(error: BaseException | None) -> bool:
    """Return whether an error of SQLite says that another process holds the file."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


# ---- the process that holds a lock, as /proc/locks shows it


def holder(file: str) -> str:
    """Return the process that holds the write lock of an SQLite file; empty where none is found (Linux only)."""
    return _first(file, {_RESERVED, _PENDING}, {_WAL_WRITE}, "WRITE")


def reader(file: str) -> str:
    """Return a process that reads an SQLite file now and blocks a commit; empty where none is found (Linux only)."""
    return _first(file, set(_SHARED), set(_WAL_READ), "READ")


def _first(file: str, in_file: set[int], in_wal: set[int], kind: str) -> str:
    own = os.getpid()
    for path, wanted in ((file, in_file), (f"{file}-shm", in_wal)):
        for pid in _holding(path, wanted, kind):
            if pid != own or kind == "WRITE":
                return _describe(pid)
    return ""


def _holding(path: str, wanted: set[int], kind: str) -> Iterator[int]:
    try:
        inode = Path(path).stat().st_ino  # Only `stat`: opening and closing the file would drop our own locks.
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:  # 1: POSIX  ADVISORY  WRITE 4711 fe:00:262144 1073741825 1073741825
        fields = line.split()
        if fields[1] != "POSIX" or fields[3] != kind or fields[5].rpartition(":")[2] != str(inode):
            continue
        last = fields[7]
        bytes_ = range(int(fields[6]), int(last) + 1) if last.isdigit() else range(int(fields[6]), int(fields[6]) + 1)
        if any(byte in wanted for byte in bytes_) and int(fields[4]) > 0:
            yield int(fields[4])


def _describe(pid: int) -> str:
    if pid == os.getpid():
        return f"pid {pid}, this process itself"
    folder = Path(f"/proc/{pid}")
    try:  # The name and not the command line, which may hold a password.
        return f"pid {pid} ({(folder / 'comm').read_text().strip()}), a process since {_started(folder)}"
    except (OSError, ValueError, IndexError):
        return f"pid {pid}"


def _started(folder: Path) -> str:
    """Return when a process began: the boot time of the system plus the ticks until the process began."""
    ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
    boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line[:6] == "btime ")
    return f"{datetime.fromtimestamp(boot + ticks / os.sysconf('SC_CLK_TCK'), UTC):%Y-%m-%d %H:%M:%S} UTC"
