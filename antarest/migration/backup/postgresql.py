"""Backups of PostgreSQL: pg_dump's archives, bound to one snapshot with the revision and the rows they hold."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking
from ..database.driver_errors import is_connection_error
from ..errors.facts.backup import BackupFailed, BackupUnusable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..errors.text import reason
from .contents import Progress, read_contents
from .files import Backup, Folder, create
from .programs import ProgramFailed, Programs

_MAGIC = b"PGDMP"
_CHUNK = 2**20

# Compressed, without indexes: seldom more than a third. Asked of the file system, since tables may be locked.
_ESTIMATE = text("SELECT pg_database_size(current_database()) / 3")
_PATIENCE = "60s"  # for a table that somebody has locked
# The snapshot has to outlive the dump, whatever the role or the database says of idle transactions.
_UNDISTURBED = text(f"""
    SELECT set_config('idle_in_transaction_session_timeout', '0', true), set_config('statement_timeout', '0', true),
           set_config('lock_timeout', '{_PATIENCE}', true)
""")


def make(db: DbConfig, version_table: str, progress: Progress) -> Backup:
    """Back a PostgreSQL database up; others go on reading and writing, and what they commit meanwhile is not in it.

    Args:
        db: the database.
        version_table: the table that records its revision.
        progress: who hears how far it is: the bytes written, and 0 since nobody knows how many there will be.

    Raises:
        ProgramsMissing: there is no pg_dump of the server's version.
        BackupFailed: it could not be written, or cannot be read again.
        NoSpace: there is too little space.
        DatabaseError: the database cannot be reached.
    """
    folder = Folder.of(db)
    with looking(db) as connection:
        programs = Programs.of(connection, db)
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(_UNDISTURBED)
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        made = datetime.now(UTC)
        with folder.unfinished(connection.scalar(_ESTIMATE) or 0) as work:
            file = work / f"backup{folder.suffix}"
            try:
                _dump(programs, connection, str(snapshot), file, progress)
                verify(programs, file)
                held = read_contents(connection, version_table)
            except (ProgramFailed, BackupUnusable, DBAPIError) as error:
                if is_connection_error(error):
                    raise
                raise BackupFailed(_reason(error), database=redact_url(db.migration_url), folder=folder.path) from error
            return folder.keep(file, held, made)


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return reason(error)
    return error.reason if isinstance(error, BackupUnusable) else str(error)


def _dump(programs: Programs, connection: Connection, snapshot: str, file: Path, progress: Progress) -> None:
    name = str(connection.scalar(text("SELECT current_database()")))
    # Through a pipe, and not into the file: a dump whose parent was killed ends, and with it the locks that it holds.
    options = ["--format=custom", f"--snapshot={snapshot}", f"--lock-wait-timeout={_PATIENCE}"]
    with (
        os.fdopen(create(file), "wb") as target,
        programs.running("pg_dump", *options, database=name, stdout=subprocess.PIPE) as source,
    ):
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            progress(target.tell(), 0)


def verify(programs: Programs, file: Path) -> None:
    """Read a backup from its first byte to its last: its list alone is whole in one that was cut off.

    Raises:
        BackupUnusable: it is none, or cannot be read.
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
    """Hand a backup to a program that reads it."""
    total = file.stat().st_size
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            progress(source.tell(), total)
