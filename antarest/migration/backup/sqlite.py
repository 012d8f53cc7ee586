"""Backups of SQLite: copied page by page by SQLite itself, while others go on reading and writing.

Nothing here opens the file of the database but sqlite3: whoever else opened and closed it would drop the locks that
this process holds on it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking
from ..errors.facts.backup import BackupFailed, BackupUnusable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from .contents import Contents, Progress, read_contents
from .files import Backup, Folder, create

_MAGIC = b"SQLite format 3\0"
_STEP = 2000  # pages copied between two looks at signals, and at the progress


def make(db: DbConfig, version_table: str, progress: Progress) -> Backup:
    """Back an SQLite database up, also while its writers are kept out by this process.

    Args:
        db: the database.
        version_table: the table that records its revision.
        progress: who hears how far it is.

    Raises:
        BackupFailed: it could not be written, or is not sound.
        NoSpace: there is too little space.
        DatabaseError: the database cannot be read.
    """
    with looking(db) as connection:
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master").all()  # From here on, all is of one moment.
        # Writers wait for the copy, and not until it is verified.
        return make_from(driver_of(connection), Folder.of(db), version_table, progress, on_copied=connection.rollback)


def make_from(
    source: sqlite3.Connection,
    folder: Folder,
    version_table: str,
    progress: Progress,
    *,
    spare: Path | None = None,
    on_copied: Callable[[], object] = lambda: None,
) -> Backup:
    """As `make`, from a connection that is open already.

    Args:
        source: the connection.
        folder: where the backup goes.
        version_table: the table that records the revision.
        progress: who hears how far it is.
        spare: a backup in use, which must not be deleted.
        on_copied: called when the source is not read any more.
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
        # It is deleted when it fails, and synced when it is complete.
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        copy(source, target, progress)


def copy(source: sqlite3.Connection, target: sqlite3.Connection, progress: Progress, patience: float = 0) -> None:
    """Copy a database over another one, in one transaction of the other one.

    Args:
        source: what is copied.
        target: what becomes equal to it.
        progress: who hears how far it is.
        patience: the seconds to wait for others; the driver by itself would wait for ever.
    """
    begin = time.monotonic()

    def look(status: int, remaining: int, total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() - begin > patience:
            raise Busy
        progress(total - remaining, total)

    source.backup(target, pages=_STEP, progress=look, sleep=0.05)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection."""
    driver: Any = connection.connection.dbapi_connection
    own: sqlite3.Connection = driver
    return own


class Busy(sqlite3.OperationalError):
    """Somebody else has the file."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


@contextmanager
def opened(file: Path) -> Iterator[Connection]:
    """Open a backup to read it, and change nothing: neither its file nor those beside it."""
    has_wal = Path(f"{file}-wal").exists()  # Not one of ours, which have none; what is in it belongs to the database.
    uri = f"file:{quote(str(file))}?{'mode=ro' if has_wal else 'immutable=1'}"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
    with engine.connect() as connection:
        driver_of(connection).set_progress_handler(
            lambda: 0, 100_000
        )  # Python serves signals there, also in a long statement.
        yield connection


def read(file: Path, version_table: str) -> Contents:
    """Verify a backup, and say what it holds.

    Raises:
        BackupUnusable: it is no SQLite database, or is damaged.
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
