"""Finds the sessions of a PostgreSQL server that hold locks.

If a session has locked a system catalog of a database, no other session can use the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors.facts.lock import TableLocked
from ..errors.settings.urls import redact_url
from .engines import patient

_NO_ANSWER = re.compile(r"timeout expired|no answer within")  # of libpq, and of driver_connections.py
_OTHER_DATABASES = ("postgres", "template1")
_SECONDS = 3  # to connect

# The locks of all databases are visible in each of them. System catalogs have the same numbers everywhere.
_HELD = text("""
    SELECT h.relation::regclass::text, h.pid, a.application_name, coalesce(a.usename, p.owner), host(a.client_addr),
        a.state, coalesce(a.xact_start, p.prepared) AT TIME ZONE 'UTC', p.gid
    FROM pg_catalog.pg_locks AS h LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid)
    LEFT JOIN pg_catalog.pg_locks AS x
        ON h.pid IS NULL AND x.virtualtransaction = h.virtualtransaction AND x.locktype = 'transactionid'
    LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
    WHERE h.granted AND h.mode = 'AccessExclusiveLock' AND h.relation < 16384
        AND h.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = :name)
""")


@dataclass(frozen=True)
class ServerSession:
    """A session of a PostgreSQL server, or a prepared transaction. A value that this role cannot see is None.

    Attributes:
        prepared: the name of the prepared transaction, which belongs to no session any more; None for a session.
    """

    pid: int | None = None
    application: str | None = None
    role: str | None = None
    address: str | None = None
    state: str | None = None
    begin: datetime | None = None
    prepared: str | None = None

    @property
    def described(self) -> str:
        """The session in one line: pid, application, role, state and host."""
        if self.prepared is not None:
            return f"the prepared transaction '{self.prepared}' (COMMIT or ROLLBACK PREPARED ends it), role {self.role}"
        if self.pid is None:
            return "a session that has ended since"
        parts = [f"pid {self.pid}", self.application, f"role {self.role}" if self.role else "", self.state]
        return ", ".join(part for part in parts if part) + (f", from {self.address}" if self.address else "")

    @property
    def since(self) -> str:
        """The time when the session's transaction began; empty if this role cannot see the time."""
        return f"{self.begin:%Y-%m-%d %H:%M:%S} UTC" if self.begin else ""


def held_catalog(url: URL) -> tuple[str, str] | None:
    """Return a system catalog that a session has locked, and a text that names the session.

    The database itself gives no answer. So the function asks in another database of the server.

    Args:
        url: the URL of the database.

    Returns:
        The name of the catalog and the session; None if no such lock is found, or if the server does not answer.
    """
    if url.get_backend_name() != "postgresql":
        return None
    for database in _OTHER_DATABASES:
        # Not as an option of the connection, which PgBouncer refuses.
        options = {"connect_timeout": _SECONDS, "connection_factory": partial(patient, _SECONDS)}
        engine = create_engine(url.set(database=database), poolclass=NullPool, connect_args=options)
        try:
            with engine.connect() as connection:
                connection.execute(text(f"SET LOCAL statement_timeout = '{_SECONDS}s'"))
                row = connection.execute(_HELD, {"name": url.database}).first()
        except SQLAlchemyError:
            continue
        if row is None:
            return None
        table, *values = row
        session = ServerSession(*values)
        return table, f"{session.described}{f', since {session.since}' if session.since else ''}"
    return None


def catalog_locked(error: BaseException, url: URL) -> TableLocked | None:
    """Return the error for a database that gives no answer because a session has locked a system catalog.

    Args:
        error: the error of the driver.
        url: the URL of the database.

    Returns:
        The error; None if there is another reason.
    """
    if not _NO_ANSWER.search(str(error)):
        return None
    found = held_catalog(url)
    return TableLocked(*found, redact_url(url)) if found else None
