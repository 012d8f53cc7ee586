"""Temporary folders and databases, and the deletion of those that killed processes have left.

The process that uses a temporary folder or database holds a lock on it. The lock ends with the process. A folder or
database without a lock is a leftover.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from .embedded_postgres import MEMORY, memory_folder

_NEW = 60  # seconds; a new folder may have no lock yet
_OWNER = 12  # hexadecimal digits in a name; in the name of a database, they are the number of its owner's lock


@contextmanager
def owned_folder(beginning: str) -> Iterator[Path]:
    """Create a folder, and delete it at the end of the `with` block. First delete old folders with this beginning.

    The folder is in memory if there is enough memory.

    Args:
        beginning: the beginning of the folder's name.
    """
    _delete_left(beginning)
    beginning += f"{secrets.token_hex(_OWNER // 2)}-"
    with tempfile.TemporaryDirectory(prefix=beginning, dir=memory_folder()) as folder, _held(Path(folder)):
        yield Path(folder)


@cache  # once in each process
def _delete_left(beginning: str) -> None:
    own = re.compile(rf"{re.escape(beginning)}[0-9a-f]{{{_OWNER}}}-\w+")
    for parent in {Path(MEMORY), Path(tempfile.gettempdir())}:
        for left in parent.glob(f"{beginning}*"):
            if own.fullmatch(left.name):
                with suppress(OSError):  # The folder has a lock, belongs to another user, or is gone.
                    _delete_if_left(left)


def _delete_if_left(folder: Path) -> None:
    found = folder.lstat()
    if found.st_uid == os.getuid() and found.st_mtime < time.time() - _NEW:
        with _held(folder):
            shutil.rmtree(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder until the end of the `with` block. Raise an OSError if the folder is missing or already locked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def owned_databases(server: URL, beginning: str) -> Iterator[tuple[Engine, str]]:
    """Reserve names for databases that the caller creates and drops. Leftovers of killed processes are dropped first.

    Args:
        server: the URL of the server's maintenance database.
        beginning: the beginning of the databases' names.

    Yields:
        An engine for the maintenance database, and the reserved beginning of names, which is longer than `beginning`.
        Each connection of the engine commits each statement, and holds the lock that protects the databases.
    """
    owner = secrets.token_hex(_OWNER // 2)

    def hold(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (int(owner, 16),))
        connection.commit()

    # Each new connection takes the lock, for example after a restart of the server.
    engine = create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    event.listen(engine, "connect", hold)
    try:
        _drop_left(engine, beginning)
        yield engine, f"{beginning}{owner}_"
    finally:
        engine.dispose()


def _drop_left(engine: Engine, beginning: str) -> None:
    """Drop databases without an owner. Databases with a comment or with sessions are kept."""
    found = text("""
        SELECT datname FROM pg_database
        WHERE datname ~ :pattern AND shobj_description(oid, 'pg_database') IS NULL
        AND ('x' || substr(datname, :owner, :digits))::bit(48)::bigint NOT IN (
            SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
        )
    """)
    pattern, owner = f"^{beginning}[0-9a-f]{{{_OWNER}}}_[0-9a-z]+$", len(beginning) + 1
    with engine.connect() as connection:
        names = connection.execute(found, {"pattern": pattern, "owner": owner, "digits": _OWNER}).scalars().all()
        for name in names:
            with suppress(DBAPIError):  # Another process uses it, or drops it too.
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
