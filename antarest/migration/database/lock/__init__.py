"""The migration lock: only one run at a time changes a database. Other processes and threads wait.

The lock belongs to a connection, so it is released when the process of the connection ends. Commands that only read
take no lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ...errors.facts.lock import ThreadLocked
from ...errors.revision import VersionTable
from ...errors.settings.db_config import DbConfig
from ...errors.settings.urls import redact_url
from ...project.env_options import ALEMBIC
from .base import Patience, Writer
from .sqlite import SqliteWriter


@contextmanager
def in_this_process(db: DbConfig, patience: Patience) -> Iterator[None]:
    """Let only one thread of this process at a time run the block, because the context of Alembic is global.

    The thread that runs the block is allowed to enter another such block.

    Args:
        db: the database, for the error.
        patience: how long to wait for another thread.

    Raises:
        ThreadLocked: another thread runs such a block for longer than this run waits.
    """
    while not ALEMBIC.acquire(timeout=0.05):
        if not patience.wait(lambda: "another thread of this process"):
            raise ThreadLocked(redact_url(db.migration_url), patience.seconds)
    try:
        yield
    finally:
        ALEMBIC.release()


def one_writer(db: DbConfig, version_table: VersionTable, patience: Patience) -> AbstractContextManager[Writer]:
    """Hold the migration lock of a database during the block.

    Args:
        db: the database.
        version_table: the table in which the database records its current revisions. On PostgreSQL, projects with
            different version tables can migrate a database at the same time.
        patience: how long to wait for another run.

    Raises:
        DatabaseLocked: another run holds the lock for longer than this run waits. On SQLite, `Writer.begin` raises
            this error instead, because the lock is the transaction itself.
        DatabaseError: the database cannot be reached.
    """
    if db.migration_url.get_backend_name() == "sqlite":
        return SqliteWriter.taken(db, patience)
    from .postgresql import PostgresWriter  # imported here, since only PostgreSQL needs its driver

    return PostgresWriter.taken(db, version_table, patience)
