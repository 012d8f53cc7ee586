"""One writer: of all processes and threads that want to move a database, one does, and the others wait.

A lock is bound to a connection, so it is gone with the process that held it. Who only looks takes none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ...errors.facts.lock import ThreadLocked
from ...errors.settings.db_config import DbConfig
from ...errors.settings.urls import redact_url
from .base import Writer
from .patience import Patience
from .sqlite import SqliteWriter

__all__ = ["Patience", "Writer", "in_this_process", "one_writer"]

_PROCESS = threading.RLock()


@contextmanager
def in_this_process(db: DbConfig, patience: Patience) -> Iterator[None]:
    """Let one thread of this process at a time call Alembic, whose context is global. A thread may enter again.

    Raises:
        ThreadLocked: another thread does not end in time.
    """
    while not _PROCESS.acquire(timeout=0.05):
        if not patience.wait(lambda: "another thread of this process"):
            raise ThreadLocked(redact_url(db.migration_url), patience.seconds)
    try:
        yield
    finally:
        _PROCESS.release()


def one_writer(db: DbConfig, version_table: str, patience: Patience) -> AbstractContextManager[Writer]:
    """Take the lock of a database, for the block.

    Args:
        db: the database.
        version_table: the table that records the revision: runs of two projects with tables of their own do not meet.
        patience: how long to wait for another run.

    Raises:
        DatabaseLocked: another run holds it for longer. On SQLite only `Writer.begin` raises it: the lock is the
            transaction itself.
        DatabaseError: the database cannot be reached.
    """
    if db.migration_url.get_backend_name() == "sqlite":
        return SqliteWriter.taken(db, patience)
    from .postgresql import PostgresWriter  # Its driver is not needed elsewhere.

    return PostgresWriter.taken(db, version_table, patience)
