"""The migration lock of PostgreSQL: two advisory locks, which the server releases when their transactions end.

A separate connection holds the first lock for the whole run, in a READ COMMITTED transaction that stays idle. Unlike a
session lock, this lock works through PgBouncer in transaction mode. The idle transaction has no snapshot, so `CREATE
INDEX CONCURRENTLY` does not wait for it. A statement that waits for the lock would have a snapshot. Therefore a run
does not wait inside the server: it tries to get the lock again and again.

Each transaction that changes something holds the second lock. When a process is killed, its first lock is released at
once, but the server may still be busy with its last statement. Until this statement ends, the second lock excludes
other runs.
"""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...errors.facts.lock import LockLost, MigrationLocked
from ...errors.revision import VersionTable
from ...errors.settings.db_config import DbConfig
from ...errors.settings.urls import redact_url
from ..connection import moving
from ..sessions import ServerSession, held_catalog
from ..waits import LockWatch, configure, undisturbed
from .base import Patience

_RUN: Final = 0x414E5441  # the first half of the key; the second half is for the version table
_TRANSACTION: Final = _RUN + 1

_TRY = text("SELECT pg_try_advisory_xact_lock(:lock, :key)")
_HOLDER = text("""
    SELECT l.pid, a.application_name, coalesce(a.usename, p.owner), host(a.client_addr), NULL,
           coalesce(a.xact_start, p.prepared) AT TIME ZONE 'UTC', p.gid
    FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid)
    LEFT JOIN pg_catalog.pg_locks AS x
        ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction AND x.locktype = 'transactionid'
    LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid::bigint = :lock
        AND l.objid::bigint = :key
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
""")
_IS_HELD = text("""
    SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND pid = pg_backend_pid() AND classid::bigint = :lock AND objid::bigint = :key)
""")
# The server sends keepalives: without them it would keep a lock for hours after the host of a run went down.
_ALIVE: Final[Mapping[str, str]] = {
    "lock_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SINCE_14: Final[Mapping[str, str]] = {"client_connection_check_interval": "1s"}  # not on every system
_LONGEST_NAME: Final = 63


class PostgresWriter:
    """The migration lock of a PostgreSQL database."""

    def __init__(self, db: DbConfig, version_table: VersionTable, patience: Patience, connection: Connection) -> None:
        self._db = db
        self._key = zlib.crc32(str(version_table).encode()) & 0x7FFFFFFF
        self._patience = patience
        self._connection = connection
        self._settings: dict[str, str] = {}
        self._watch: LockWatch | None = None

    @classmethod
    @contextmanager
    def taken(cls, db: DbConfig, version_table: VersionTable, patience: Patience) -> Iterator[PostgresWriter]:
        """Hold the advisory lock of the whole run during the block.

        Raises:
            MigrationLocked: another run holds the lock for longer than this run waits.
        """
        with moving(db) as connection:
            writer = cls(db, version_table, patience, connection)
            writer._acquire()
            try:
                yield writer
            finally:
                writer._stop_watching()
                with suppress(DBAPIError):  # If the connection was lost, the server has released the lock itself.
                    connection.rollback()

    @property
    def pid(self) -> int:
        """The process id, on the server, of the session that holds the lock of the whole run."""
        return int(self._connection.scalar(text("SELECT pg_backend_pid()")))

    def begin(self, connection: Connection) -> None:
        """Take the advisory lock of a transaction that changes something, and limit the waits of the transaction.

        Outside of a transaction (`autocommit_block`), take no lock and set no limit: `CREATE INDEX CONCURRENTLY` has to
        wait for other transactions.
        """
        self._stop_watching()
        driver: Any = connection.connection.dbapi_connection
        if driver.autocommit:
            _unset_timeouts(connection)
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            self._watch = LockWatch(self._connection.engine, self._patience.tell, pid=pid).start()
            return
        limits = {"lock_timeout": f"{self._db.lock_timeout}s", "statement_timeout": f"{self._db.statement_timeout}s"}
        pid = configure(connection, {**self._settings, **limits})
        while not self._try(connection, _TRANSACTION):
            self._wait(_TRANSACTION)
        # The engine of the run refuses a second connection, whose changes would not be rolled back.
        self._watch = LockWatch(self._connection.engine, pid=pid).start()

    def check(self, connection: Connection) -> None:
        """Check that the lock of the whole run and the lock of the transaction are still held."""
        for each, lock in ((self._connection, _RUN), (connection, _TRANSACTION)):
            if not self._is_held(each, lock):
                raise LockLost(redact_url(self._db.migration_url))

    def blockers(self) -> str:
        """Return a text that names the session for which the last transaction waited; empty if no session was seen."""
        self._stop_watching()
        if self._watch is None:
            return ""
        _, holder = self._watch.seen if self._watch.seen.holder else held_catalog(self._db.migration_url) or ("", "")
        return holder

    def wait_for_end(self) -> bool:
        """Wait until the last transaction has ended, but at most ten seconds, because the server could be down.

        Returns:
            Whether the transaction has ended.
        """
        patience = Patience(min(self._patience.seconds, 10), lambda _text: None)
        with moving(self._db) as connection:
            while not self._try(connection, _TRANSACTION):
                connection.rollback()
                if not patience.wait(lambda: ""):
                    return False
        return True

    def _acquire(self) -> None:
        """Try to get the advisory lock of the whole run, until the lock is free or the time is over.

        Between two tries no transaction is open. So a pooler can give its connection to other clients in that time.
        """
        connection = self._connection
        self._settings = self._known_settings()
        while True:
            configure(connection, self._settings)
            if self._try(connection, _RUN):
                break
            connection.rollback()
            self._wait(_RUN)
        self._settings["application_name"] = _own_name(connection)
        configure(connection, self._settings)

    def _wait(self, lock: int) -> None:
        if not self._patience.wait(lambda: f"{_NAMES[lock]}: {self._holder(lock).described}"):
            holder = self._holder(lock)
            if lock == _RUN:
                self._connection.rollback()
            raise MigrationLocked(
                _NAMES[lock], holder.described, holder.since, redact_url(self._db.migration_url), self._patience.seconds
            )

    def _holder(self, lock: int) -> ServerSession:
        row = self._connection.execute(_HOLDER, {"lock": lock, "key": self._key}).first()
        return ServerSession(*row) if row else ServerSession()

    def _try(self, connection: Connection, lock: int) -> bool:
        return bool(connection.scalar(_TRY, {"lock": lock, "key": self._key}))

    def _is_held(self, connection: Connection, lock: int) -> bool:
        try:
            return bool(connection.scalar(_IS_HELD, {"lock": lock, "key": self._key}))
        except DBAPIError as error:
            raise LockLost(redact_url(self._db.migration_url)) from error

    def _known_settings(self) -> dict[str, str]:
        """Return the settings of our session that this server accepts.

        On some operating systems, the server does not accept `client_connection_check_interval`.
        """
        known = {**undisturbed(self._connection), **_ALIVE}
        if (self._connection.dialect.server_version_info or (0,)) >= (14,):
            try:
                configure(self._connection, _SINCE_14)
            except DBAPIError:
                pass
            else:
                known |= _SINCE_14
            self._connection.rollback()
        return known

    def _stop_watching(self) -> None:
        if self._watch:
            self._watch.stop()


_NAMES: Final = {
    _RUN: "another run that migrates this database",
    _TRANSACTION: "the last statement of a run that has ended",
}


def _unset_timeouts(connection: Connection) -> None:
    """Switch off the `lock_timeout` and the `statement_timeout` of the session.

    Behind a pooler, other programs use the same session and its settings. Therefore a timeout that is off already is
    not set again.
    """
    for name in ("lock_timeout", "statement_timeout"):
        if connection.scalar(text("SELECT current_setting(:name)"), {"name": name}) != "0":
            connection.execute(text(f"SET {name} = 0"))


def _own_name(connection: Connection) -> str:
    """Return a name for the session: it contains the process, the host and the time. Other roles see only the name."""
    name = str(connection.scalar(text("SELECT current_setting('application_name')")))
    host = socket.gethostname().partition(".")[0]
    return f"{name[:18]} {os.getpid()}@{host[:19]} {datetime.now(UTC):%Y%m%dT%H%M%SZ}"[:_LONGEST_NAME]
