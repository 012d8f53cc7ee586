"""The waits for locks that other sessions hold. Each wait has a limit, and a message names the other session.

PostgreSQL knows who blocks a session only while the session waits. So a thread asks the server while a statement runs.
The limits are set in each transaction, because PgBouncer drops the options of a connection, and because other clients
of PgBouncer use the same session.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from ..errors.facts.lock import TableLocked
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from .driver_connections import Attempt, Watcher
from .driver_errors import LOCK_FAILURES, sqlstate
from .file_locks import blocker
from .sessions import ServerSession, held_catalog

_EVERY: Final = 0.25  # seconds between two looks
_SILENCE: Final = 1.0  # seconds of waiting until a line names the other session
_A_MOMENT: Final = 4.0  # seconds
_SHORTEST: Final = 0.1  # seconds; PostgreSQL takes 0 for no limit

# A role or a database can have time limits, which must not end the transactions of this process.
_UNDISTURBED: Final[Mapping[str, str]] = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
_SINCE_17: Final[Mapping[str, str]] = {"transaction_timeout": "0"}

_TABLE: Final = re.compile(r"\bFROM\s+(?:ONLY\s+)?([^\s,;()]+)")

# A prepared transaction has no session: PostgreSQL gives 0 for its process, and names it in another view.
_BLOCKING = """
WITH waiting AS (
    SELECT l.*, pg_catalog.pg_blocking_pids(l.pid) AS blocking
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS own USING (pid)
    WHERE NOT l.granted AND own.datname = current_database()
        AND (l.pid = %(pid)s OR own.application_name = nullif(%(name)s, ''))
)
SELECT w.relation::regclass::text, a.pid, a.application_name, a.usename, host(a.client_addr), a.state,
       a.xact_start AT TIME ZONE 'UTC', NULL
FROM waiting AS w JOIN pg_catalog.pg_stat_activity AS a ON a.pid = ANY (w.blocking)
UNION ALL
SELECT w.relation::regclass::text, NULL, NULL, p.owner, NULL, NULL, p.prepared AT TIME ZONE 'UTC', p.gid
FROM waiting AS w JOIN pg_catalog.pg_locks AS h ON h.granted AND h.pid IS NULL
    AND (h.locktype, h.database, h.relation, h.page, h.tuple, h.transactionid, h.classid, h.objid, h.objsubid)
        IS NOT DISTINCT FROM
        (w.locktype, w.database, w.relation, w.page, w.tuple, w.transactionid, w.classid, w.objid, w.objsubid)
JOIN pg_catalog.pg_locks AS x ON x.pid IS NULL AND x.virtualtransaction = h.virtualtransaction
JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
WHERE 0 = ANY (w.blocking)
"""


_CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
CANCELLED: Final = "57014"
"""The SQLSTATE of a statement that somebody, or a time limit, has cancelled."""

Tell = Callable[[str], object]
"""A function that is called with a line for the user, in another thread."""


def say_nothing(_text: str) -> None:
    """Ignore a line of text for the user."""


class Blocked(NamedTuple):
    """A wait for a lock.

    Attributes:
        table: the locked table; empty if the lock is on something else.
        holder: a text that names the session that holds the lock; empty if nothing waits for a lock.
    """

    table: str = ""
    holder: str = ""


def undisturbed(connection: Connection) -> dict[str, str]:
    """Return the settings that switch off the server's time limits for a transaction."""
    version = connection.dialect.server_version_info or (0,)
    return {**_UNDISTURBED, **(_SINCE_17 if version >= (17,) else {})}


def lock_timeout(db: DbConfig, waited: float = 0) -> str:
    """Return the value of `lock_timeout` for a session that reads and has already waited for `waited` seconds."""
    return f"{max(db.migration_lock_timeout - waited, _SHORTEST) * 1000:.0f}ms"


def configure(connection: Connection, settings: Mapping[str, str]) -> int:
    """Change settings for this transaction only: behind a pooler, other programs use the same session.

    Returns:
        The process id of the session on the server.
    """
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    row = connection.execute(text(f"SELECT pg_backend_pid(), {calls}"), dict(settings)).one()
    return int(row[0])


@contextmanager
def limited(connection: Connection, db: DbConfig) -> Iterator[None]:
    """During the block, limit the time for which a session waits for locks. Other work has no time limit.

    The limit belongs to the session, so it also applies to statements that run without a transaction.
    """
    version = connection.dialect.server_version_info or (0,)
    settings = {"statement_timeout": "0", "lock_timeout": lock_timeout(db)}
    settings |= {"idle_session_timeout": "0"} if version >= (14,) else {}
    for name, value in settings.items():
        connection.execute(text(f"SET {name} = '{value}'"))
    try:
        yield
    finally:
        with suppress(DBAPIError):
            for name in settings:  # Behind a pooler, others use the session too.
                connection.execute(text(f"RESET {name}"))


class LockWatch:
    """A thread that finds who blocks a session while the session waits.

    After the wait, the server no longer knows who blocked the session.

    The thread opens a connection of its own to the server, and only while a statement takes long. The result is only
    for a message, so an error of this connection is ignored.

    Attributes:
        seen: the last wait that the thread saw.
        waited: the total time of the waits that the thread saw, in seconds.
        pid: the process id of the session on the server.
    """

    def __init__(self, engine: Engine, tell: Tell = say_nothing, *, pid: int = 0, application: str = "") -> None:
        """Prepare to watch.

        Args:
            engine: connects to the database.
            tell: called once with a line that names the session that holds the lock.
            pid: the process id of the session to watch, on the server.
            application: the name of an application. All sessions of this application are watched too.
        """
        self.seen, self.waited, self.pid = Blocked(), 0.0, pid
        self._engine, self._tell, self._application = engine, tell, application
        self._begin, self._last_seen, self._has_told = time.monotonic(), 0.0, False
        self._own: Any = None
        self._stopped, self._thread = threading.Event(), threading.Thread()

    def start(self) -> Self:
        """Start the thread."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="antarest-locks", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join(timeout=1)  # It may be connecting to a server that does not answer.

    @property
    def is_blocked(self) -> bool:
        """Whether the session waits for a lock, or has just waited for a lock."""
        return bool(self._last_seen) and time.monotonic() - self._last_seen < _A_MOMENT

    def _running(self) -> float:
        """Return the number of seconds for which the session has been busy with one statement."""
        return time.monotonic() - self._begin

    def _work(self) -> None:
        """Called while the session works and does not wait."""

    def _wait(self) -> None:
        """Called while the session waits."""

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY):
            seconds = self._running()
            try:
                if is_slow := seconds >= _EVERY:
                    self._look(seconds)
            except (DBAPIError, self._engine.dialect.loaded_dbapi.Error):
                is_slow = False
            if not is_slow:  # The server may have a limit for idle sessions.
                self._close()
        self._close()

    def _close(self) -> None:
        own, self._own = self._own, None
        if own:
            own.invalidate()  # Unlike `close`, it needs no answer of the server.

    def _look(self, seconds: float) -> None:
        found = self._find()
        if not found.holder:
            self._work()
            return
        self.seen, self._last_seen = found, time.monotonic()
        self.waited += _EVERY
        if seconds > _SILENCE and not self._has_told:
            self._has_told = True
            self._tell(f"waiting for {found.table and f'a lock on {found.table}: '}{found.holder}")
        self._wait()

    def _find(self) -> Blocked:
        if self._engine.dialect.name == "sqlite":
            return Blocked("", blocker(str(self._engine.url.database)))
        if self._own is None:
            self._own = self._engine.raw_connection()
            self._own.dbapi_connection.autocommit = True  # Others could wait for an open transaction.
        with closing(self._own.cursor()) as cursor:
            cursor.execute(_BLOCKING, {"pid": self.pid, "name": self._application})
            found = cursor.fetchall()
        if not found:
            return Blocked()
        table, *values = found[0]
        session = ServerSession(*values)
        since = f", since {session.since}" if session.since else ""
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return Blocked(table or "", f"{session.described}{since}{more}")


class ReadWatch(LockWatch, Watcher):
    """Limits the waits of all transactions of an engine, and watches the statements of one connection."""

    def __init__(
        self, engine: Engine, db: DbConfig, tell: Tell = say_nothing, limits: Mapping[str, str] | None = None
    ) -> None:
        """Limit the waits of the transactions that begin from now on.

        Args:
            engine: connects to the database, without a pool.
            db: the configuration. Its `migration_lock_timeout` limits all waits together. Other work has no limit.
            tell: called with a line for the user in two cases: if a read takes longer than `migration_lock_timeout`,
                the line names the table; if another session holds a lock, the line names the session.
            limits: other settings for each transaction.
        """
        super().__init__(engine, tell)
        self._limits = limits or {}
        self._db, self._seconds = db, float(db.migration_lock_timeout)
        self._connection: Connection | None = None  # the one that reports its statements, on PostgreSQL
        self._deducted = 0.0  # the seconds of earlier waits, by which the limit of the transaction was shortened
        self._statement, self._since = " ", self._begin  # If no connection reports, this statement runs all the time.
        self._next_line, self._has_cancelled = max(self._seconds, _SILENCE), False
        if engine.dialect.name == "postgresql":
            event.listen(engine, "begin", self._limit)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch how long transactions wait for locks during the `with` block.

        Raises:
            TableLocked: a transaction could not get a lock in time.
        """
        self.start()
        try:
            yield
        except Exception as error:
            self.stop()
            if sqlstate(error) not in LOCK_FAILURES and not (self._has_cancelled and sqlstate(error) == CANCELLED):
                raise
            url, seen = self._engine.url, self.seen
            table, holder = seen if seen.holder else held_catalog(url) or seen
            raise TableLocked(table, holder, redact_url(url), waited=self._seconds) from error
        finally:
            self.stop()

    def before(self, statement: str, attempt: Attempt | None = None) -> None:
        """Note the statement that begins, and the time. Earlier waits for locks shorten the limit of further waits."""
        del attempt
        if self._connection and self.waited > self._deducted:
            self._limit(self._connection)
        self._statement, self._since = statement, time.monotonic()

    def after(self, statement: str) -> None:
        """Note that the statement has ended."""
        del statement
        self._statement = ""

    def on_commit(self) -> None:
        """Note that the transaction ends, perhaps after a statement that failed."""
        self._statement = ""

    on_rollback = on_commit

    def _limit(self, connection: Connection) -> None:
        self.pid = 0  # Until a pooler has given the transaction a session, a look would only wait in the same queue.
        self._connection, self._deducted = connection, self.waited
        limits = {"lock_timeout": lock_timeout(self._db, self._deducted), **self._limits}
        self.pid = configure(connection, {**undisturbed(connection), **limits})

    def _running(self) -> float:
        may_look = self.pid or self._engine.dialect.name == "sqlite"
        return time.monotonic() - self._since if self._statement and may_look else 0.0

    def _wait(self) -> None:
        """Cancel a statement that has waited too long in all. The server limits only the wait for each single lock."""
        if self._own and self.waited > self._seconds and not self._has_cancelled:
            self._has_cancelled = True
            with closing(self._own.cursor()) as cursor:
                cursor.execute(_CANCEL, (self.pid,))

    def _work(self) -> None:
        seconds = time.monotonic() - self._begin
        if seconds >= self._next_line and (table := _TABLE.search(self._statement)):
            self._next_line = seconds + max(self._seconds, _SILENCE)
            name = table[1].replace('"', "")
            self._tell(f"still reading {name}, after {seconds:.0f} s")
