"""Backs up PostgreSQL with pg_dump. The dump, the revision and the counts of rows come from one snapshot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking
from ..database.driver_errors import LOCK_FAILURES, is_connection_error, sqlstate
from ..database.waits import LockWatch, lock_timeout
from ..errors.facts.backup import BackupFailed, BackupUnusable
from ..errors.facts.lock import TableLocked
from ..errors.listener import Listener
from ..errors.revision import VersionTable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..errors.text import reason
from .files import Backup, Folder, Progress, create, read_contents
from .programs import ProgramFailed, Programs

_MAGIC = b"PGDMP"
_CHUNK = 2**20

# A dump is compressed and has no indexes, so it seldom exceeds a third of the database. The query locks no table.
_ESTIMATE = text("SELECT pg_database_size(current_database()) / 3")


def make(db: DbConfig, version_table: VersionTable, listener: Listener) -> Backup:
    """Back up a PostgreSQL database. Others can read and write meanwhile; their new commits are not in the backup.

    Args:
        db: the settings of the database.
        version_table: the table that records the revision of the database.
        listener: receives the progress of the backup.

    Returns:
        The verified backup.

    Raises:
        ProgramsMissing: there is no pg_dump of the server's version.
        BackupFailed: the backup cannot be written, or cannot be read again.
        NoSpace: there is too little space.
        TableLocked: another session holds a lock on a table.
        DatabaseError: the database cannot be reached.
    """
    folder = Folder.of(db)
    with looking(db, listener.note) as connection:
        programs = Programs.of(connection, db)
        connection.execution_options(isolation_level="REPEATABLE READ")
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        options = [f"--snapshot={snapshot}", f"--lock-wait-timeout={lock_timeout(db)}"]
        made = datetime.now(UTC)
        with folder.unfinished(connection.scalar(_ESTIMATE) or 0) as work:
            file = work / f"backup{folder.suffix}"
            try:
                with _watching(connection, db, programs, listener):
                    _dump(programs, connection, file, options, partial(listener.working, "backup"))
                verify(programs, file)
                held = read_contents(connection, version_table)
            except (ProgramFailed, BackupUnusable, DBAPIError) as error:
                if is_connection_error(error) or sqlstate(error) in LOCK_FAILURES:
                    raise
                raise BackupFailed(_reason(error), database=redact_url(db.migration_url), folder=folder.path) from error
            return folder.keep(file, held, made)


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return reason(error)
    return error.reason if isinstance(error, BackupUnusable) else str(error)


@contextmanager
def _watching(connection: Connection, db: DbConfig, programs: Programs, listener: Listener) -> Iterator[None]:
    """Report the session that blocks pg_dump. The messages of pg_dump do not name this session."""
    watch = LockWatch(connection.engine, listener.note, application=programs.application).start()
    try:
        yield
    except ProgramFailed as error:
        if not watch.is_blocked:
            raise
        database, waited = redact_url(db.migration_url), db.migration_lock_timeout
        raise TableLocked(*watch.seen, database, waited=waited) from error
    finally:
        watch.stop()


def _dump(programs: Programs, connection: Connection, file: Path, options: Sequence[str], progress: Progress) -> None:
    name = str(connection.scalar(text("SELECT current_database()")))
    # Through a pipe, so that pg_dump ends and releases its locks when this process is killed.
    with (
        os.fdopen(create(file), "wb") as target,
        programs.running("pg_dump", "--format=custom", *options, database=name, stdout=subprocess.PIPE) as source,
    ):
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            progress(target.tell(), 0)


def verify(programs: Programs, file: Path) -> None:
    """Read a whole backup. Its table of contents alone is not enough, because the rest of the file may be cut off.

    Raises:
        BackupUnusable: the file is not a backup, or it cannot be read.
    """
    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise BackupUnusable(file, "it is not an archive of pg_dump")
    try:
        with programs.running("pg_restore", f"--file={os.devnull}", stdin=subprocess.PIPE) as target:
            feed(file, target)
    except ProgramFailed as error:
        raise BackupUnusable(file, f"it cannot be read: {error}") from error


def feed(file: Path, target: IO[bytes], progress: Progress = lambda _done, _total: None) -> None:
    """Write a backup to the input of a program."""
    total = file.stat().st_size
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            progress(source.tell(), total)
