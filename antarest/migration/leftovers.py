"""What is left of a process that was killed goes when the next one comes.

Whoever makes folders or databases for a while holds a lock on them, which ends with its process, however that ends. So
what nobody holds is left over.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from antarest.migration.embedded_postgres import memory_folder

_NEW = 60  # seconds in which a folder may not be locked yet
_OWNER = 12  # hexadecimal digits in the name of a database: the number of the lock that its maker holds


@contextmanager
def owned_folder(beginning: str) -> Iterator[Path]:
    """Make a folder for the block, in memory where there is enough, and delete those that are left over.

    Args:
        beginning: of its name.
    """
    parent = Path(memory_folder() or tempfile.gettempdir())
    for left in parent.glob(f"{beginning}*"):
        with suppress(OSError):  # It is held, or not ours, or gone.
            if left.lstat().st_mtime < time.time() - _NEW:
                with _held(left):
                    shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=beginning, dir=parent) as folder, _held(Path(folder)):
        yield Path(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder; raises an OSError if somebody else does, or it is no folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def owned_databases(server: URL, beginning: str) -> Iterator[str]:
    """Find names for databases that the block makes and drops, and drop those that are left over.

    Args:
        server: the maintenance database of PostgreSQL.
        beginning: of their names.

    Yields:
        What their names are to begin with.
    """
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    lock, unlock = text("SELECT pg_try_advisory_lock(:number)"), text("SELECT pg_advisory_unlock(:number)")
    with engine.connect() as connection:
        found = connection.execute(
            # A comment is on one that is kept.
            text("""
                SELECT datname FROM pg_database
                WHERE datname ~ :pattern AND shobj_description(oid, 'pg_database') IS NULL
            """),
            {"pattern": f"^{beginning}[0-9a-f]{{{_OWNER}}}_"},
        )
        for owner, names in groupby(sorted(found.scalars()), lambda name: name[len(beginning) :][:_OWNER]):
            if connection.scalar(lock, {"number": int(owner, 16)}):
                for name in names:
                    with suppress(DBAPIError):  # Another process drops it, too.
                        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                connection.execute(unlock, {"number": int(owner, 16)})
        own = secrets.token_hex(_OWNER // 2)
        connection.execute(lock, {"number": int(own, 16)})
        yield f"{beginning}{own}_"
