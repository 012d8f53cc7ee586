"""Backs up SQLite with its own copy function, while others can read and write.

Only sqlite3 opens the file of the database here. Any other code that opens and closes the file would release the locks
that this process holds on the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking
from ..errors.facts.backup import BackupFailed, BackupUnusable
from ..errors.listener import Listener
from ..errors.revision import VersionTable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from .files import Backup, Contents, Folder, Progress, create, read_contents

_MAGIC = b"SQLite format 3\0"
_STEP = 2000  # pages copied between two reports of the progress; with each report, signals are handled too


def make(db: DbConfig, version_table: VersionTable, listener: Listener) -> Backup:
    """Back up an SQLite database. This works even if this process holds the write lock of the database.

    Args:
        db: the settings of the database.
        version_table: the table that records the revision of the database.
        listener: receives the progress of the backup.

    Returns:
        The verified backup.

    Raises:
        BackupFailed: the backup cannot be written, or it is damaged.
        NoSpace: there is too little space.
        DatabaseError: the database cannot be read.
    """
    report = partial(listener.working, "backup")
    with looking(db, listener.note) as connection:
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master").all()  # begins the snapshot
        # Writers wait for the copy only, and not for its verification.
        return make_from(driver_of(connection), Folder.of(db), version_table, report, on_copied=connection.rollback)


def make_from(
    source: sqlite3.Connection,
    folder: Folder,
    version_table: VersionTable,
    progress: Progress,
    *,
    spare: Path | None = None,
    on_copied: Callable[[], object] = lambda: None,
) -> Backup:
    """Back up a database from an open connection.

    Args:
        source: the connection of sqlite3 to the database.
        folder: the folder for the backup.
        version_table: the table that records the revision.
        progress: called with the finished and the total amount of work.
        spare: a backup that must not be deleted, because it is in use.
        on_copied: called when the copy is complete, before it is verified.

    Returns:
        The verified backup.

    Raises:
        BackupFailed, NoSpace: as in `make`.
    """
    made = datetime.now(UTC)
    pages, page = (source.execute(f"PRAGMA page_{what}").fetchone()[0] for what in ("count", "size"))
    with folder.unfinished(pages * page) as work:
        file = work / f"backup{folder.suffix}"
        try:
            write(source, file, progress)
            on_copied()
            held = read(file, version_table)
        except (sqlite3.Error, BackupUnusable) as error:
            reason = error.reason if isinstance(error, BackupUnusable) else str(error)
            raise BackupFailed(reason, database=redact_url(folder.url), folder=folder.path) from error
        return folder.keep(file, held, made, spare=spare)


def write(source: sqlite3.Connection, file: Path, progress: Progress) -> None:
    """Copy a database into a new file."""
    os.close(create(file))
    with closing(sqlite3.connect(file, isolation_level=None)) as target:
        # This is safe, because the file is deleted after a failure, and synced when it is complete.
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        copy(source, target, progress)


def copy(source: sqlite3.Connection, target: sqlite3.Connection, progress: Progress) -> None:
    """Overwrite the target with the contents of the source, in one transaction.

    Raises:
        Busy: another process has locked the file. The driver itself would wait without a limit.
    """

    def look(status: int, remaining: int, total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise Busy
        progress(total - remaining, total)

    source.backup(target, pages=_STEP, progress=look, sleep=0.05)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the sqlite3 connection behind a connection of SQLAlchemy."""
    driver: Any = connection.connection.dbapi_connection
    own: sqlite3.Connection = driver
    return own


class Busy(sqlite3.OperationalError):
    """Another process has locked the file."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


@contextmanager
def opened(file: Path) -> Iterator[Connection]:
    """Open a backup to read it, without changing its file or creating other files beside it."""
    has_wal = Path(f"{file}-wal").exists()  # Our own backups have no such file.
    uri = f"file:{quote(str(file))}?{'mode=ro' if has_wal else 'immutable=1'}"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
    with engine.connect() as connection:
        driver_of(connection).set_progress_handler(
            lambda: 0, 100_000
        )  # In this callback Python handles signals, also during a long statement.
        yield connection


def read(file: Path, version_table: VersionTable) -> Contents:
    """Verify a backup, and return its contents.

    Raises:
        BackupUnusable: the file is not an SQLite database, or it is damaged.
    """
    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise BackupUnusable(file, "it is not an SQLite database")
    try:
        with opened(file) as connection:
            found = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
            if found != "ok":
                raise BackupUnusable(file, f"it is damaged: {' '.join(found.split())}")
            return read_contents(connection, version_table)
    except (sqlite3.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise BackupUnusable(file, f"it is damaged: {cause}") from error
