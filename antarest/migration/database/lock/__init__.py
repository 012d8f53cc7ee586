"""The migration lock: one process and one thread at a time change a database, and the others wait.

The lock belongs to a connection, so it is released when its process ends. Commands that only read take no lock.
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
    """Let one thread of this process at a time call Alembic, whose context is global. The lock is re-entrant.

    Raises:
        ThreadLocked: another thread holds the lock for longer than this run waits.
    """
    while not ALEMBIC.acquire(timeout=0.05):
        if not patience.wait(lambda: "another thread of this process"):
            raise ThreadLocked(redact_url(db.migration_url), patience.seconds)
    try:
        yield
    finally:
        ALEMBIC.release()


def one_writer(db: DbConfig, version_table: VersionTable, patience: Patience) -> AbstractContextManager[Writer]:
    """Take the lock of a database for the block.

    Args:
        db: the database.
        version_table: the table that records the revision. Projects with different version tables can migrate at the
            same time.
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
