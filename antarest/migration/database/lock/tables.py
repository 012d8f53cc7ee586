"""Locks on tables, so that a count is still true when the next statement runs (PostgreSQL).

Before a statement drops, empties or rewrites a table, this module locks out all other sessions. Before a statement
changes values, this module locks out other writers only.

If a transaction waits for one table while it has locked another one, a deadlock could end the transaction of an
application. A wait for a stronger lock on the same table has the same risk. The server looks for a deadlock when a
session has waited for `deadlock_timeout`. So this module tries to lock all tables in a shorter time. If this fails, the
module releases all of these locks, and begins again. If the transaction has locked tables before, it cannot release
those locks. In this case the module does not wait: it tries a few times, and then it fails.
"""

from __future__ import annotations

import random
import time
from collections.abc import Hashable, Iterable, Sequence
from math import inf
from typing import Any

from sqlalchemy import Connection, text

from ..catalog import CatalogTable
from ..driver_errors import LOCK_FAILURES, sqlstate
from ..sessions import ServerSession

Learned = dict[Hashable, int]
"""The tables to lock at the beginning of a transaction.

The key is the identity of the table, and the value says which sessions the lock excludes.
"""

WRITERS, EVERYBODY = 1, 2
_MODES = {WRITERS: "SHARE ROW EXCLUSIVE", EVERYBODY: "ACCESS EXCLUSIVE"}
_NOT_LOCKABLE = frozenset({"42501", "42809", "42P01", "3F000"})  # no right, no table, or dropped in the meantime
_ROUND = 0.8  # of `deadlock_timeout`
_PAUSE = 0.03  # seconds, in which the sessions that wait for a released table can go on

_SETTINGS = text("""
    SELECT current_setting('lock_timeout'), extract(epoch FROM current_setting('lock_timeout')::interval),
        extract(epoch FROM current_setting('deadlock_timeout')::interval)
""")
_HELD = text("""
    SELECT relation, max(CASE mode WHEN 'AccessExclusiveLock' THEN 2
        WHEN 'ExclusiveLock' THEN 1 WHEN 'ShareRowExclusiveLock' THEN 1 ELSE 0 END) FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted AND mode <> 'AccessShareLock'
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    GROUP BY relation
""")
_RELATIONS = "SELECT oid FROM pg_catalog.pg_class WHERE relkind IN ('S', 'v', 'm', 'f') AND oid >= 16384"
# A prepared transaction has no process.
_HOLDERS = text("""
    SELECT a.pid, a.application_name, a.usename, host(a.client_addr), a.state, a.xact_start AT TIME ZONE 'UTC', NULL
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a USING (pid)
    WHERE l.relation = :table AND l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
    UNION ALL
    SELECT NULL, NULL, p.owner, NULL, NULL, p.prepared AT TIME ZONE 'UTC', p.gid
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_locks AS x USING (virtualtransaction)
    JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
    WHERE l.relation = :table AND l.pid IS NULL AND p.database = current_database()
    LIMIT 1
""")


class NotLocked(Exception):
    """Another session has held a lock on a table for too long. The cause of this error is the error of the driver.

    Attributes:
        holder: a text that describes the other session; empty if the session was not seen.
    """

    def __init__(self, table: str, holder: str) -> None:
        self.holder = holder
        super().__init__(f"{table} is held by {holder or 'another session'}")


class TableLocks:
    """The locks that one transaction takes on tables.

    Attributes:
        learned: the tables that the transaction had to lock. If the transaction is tried again, it locks these tables
            at its beginning.
        refused: the tables that this role is not allowed to lock, or that cannot be locked.
        first: the tables that were locked at the beginning of the transaction.
        has_taken: whether the transaction has locked a table.
    """

    def __init__(self, connection: Connection) -> None:
        """Prepare to lock tables in a transaction of this connection. No table is locked yet."""
        self.learned: Learned = {}
        self.refused: set[Hashable] = set()
        self.first: set[Hashable] = set()
        self.has_taken = False
        self._connection = connection
        self._shared: frozenset[Hashable] = frozenset()
        self._relations: frozenset[Hashable] = frozenset()  # sequences and views
        self._taken: Learned = {}

    def start(self, tables: Iterable[CatalogTable], learned: Learned) -> None:
        """Lock tables at the beginning of a transaction.

        A transaction that could not get a lock was rolled back, and is now tried again. This time, it locks at its
        beginning the tables that it had to lock before.

        Args:
            tables: all tables that other sessions can use.
            learned: the tables to lock now; empty in the first try. Tables that this try has to lock later are added to
                this mapping.
        """
        self.learned = learned
        shared = {table.identity: table for table in tables}
        self._shared = frozenset(shared)
        self._relations = frozenset(self._connection.exec_driver_sql(_RELATIONS).scalars() if shared else ())
        first = [table for identity, table in shared.items() if identity in learned]
        written = [table for table in first if learned[table.identity] == WRITERS]
        self.first |= self.take([table for table in first if table not in written], written)

    def forget(self) -> None:
        """Forget which locks the transaction holds, because a rollback to a savepoint may have released them."""
        self._taken.clear()

    def held(self) -> Learned:
        """Return the sessions that the lock on each table excludes. The key is the identity of the table.

        The value is `EVERYBODY`, `WRITERS`, or 0 if the lock excludes neither all sessions nor all writers. Tables that
        the transaction has created are left out, because no other session can use them.
        """
        return {relation: mode for relation, mode in self._all_held().items() if relation in self._shared}

    def _all_held(self) -> Learned:
        rows = self._connection.execute(_HELD).all() if self._shared else ()
        return {row[0]: row[1] for row in rows}

    def take(self, tables: Iterable[CatalogTable], written: Iterable[CatalogTable] = ()) -> set[Hashable]:
        """Lock tables. All waits together are limited by `lock_timeout`.

        Tables that this transaction has created need no lock.

        Args:
            tables: the tables from which all other sessions are locked out.
            written: the tables that other sessions can still read, but not change.

        Returns:
            The identities of those tables that are now locked. Tables that cannot be locked are left out.

        Raises:
            NotLocked: another session holds a lock on one of the tables for too long.
        """
        wanted = {table.identity: (table, WRITERS) for table in written}
        wanted |= {table.identity: (table, EVERYBODY) for table in tables}
        wanted = {each: wanted[each] for each in wanted.keys() & self._shared - self.refused}
        modes = {each: mode for each, (_, mode) in wanted.items()}
        self.learned |= {each: max(mode, self.learned.get(each, 0)) for each, mode in modes.items()}
        if any(self._taken.get(each, 0) < mode for each, mode in modes.items()):
            held = self._all_held()
            if queue := [(table, mode) for each, (table, mode) in wanted.items() if held.get(each, 0) < mode]:
                # A session that waits for a sequence or view of this transaction could hold a lock on a table.
                in_use = (each in self._shared or (mode and each in self._relations) for each, mode in held.items())
                self._take(queue, has_locks=any(in_use))
                self.has_taken = True
            self._taken |= {each: max(mode, held.get(each, 0)) for each, mode in modes.items()}
        return modes.keys() - self.refused

    def _take(self, queue: list[tuple[CatalogTable, int]], *, has_locks: bool) -> None:
        setting, timeout, deadlock_timeout = self._connection.execute(_SETTINGS).one()
        span = float(deadlock_timeout) * _ROUND
        end = time.monotonic() + (span if has_locks else float(timeout) or inf)
        while queue and (failed := self._round(queue, end, 0 if has_locks else span)):
            wanted, error = failed
            table, _ = wanted
            queue.remove(wanted)
            if error.pgcode in _NOT_LOCKABLE:
                self.refused.add(table.identity)
                continue
            if error.pgcode not in LOCK_FAILURES:
                raise error
            if time.monotonic() >= end:
                raise NotLocked(table.name, self._holder(table)) from error
            queue.insert(0, wanted)  # The next round waits for this table first, with no other lock.
            time.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        self._execute(f"SET LOCAL lock_timeout = '{setting}'")

    def _round(
        self, queue: Sequence[tuple[CatalogTable, int]], end: float, span: float
    ) -> tuple[tuple[CatalogTable, int], Any] | None:
        """Lock all tables or none. If `span` is 0, never wait.

        Returns:
            The table that cannot be locked, with its mode, and the error of the driver; None if all tables are locked.
        """
        began = time.monotonic()
        self._execute("SAVEPOINT antarest_lock")
        for position, (table, mode) in enumerate(queue):
            limit = min(end, inf if position == 0 and span else began + span) - time.monotonic()
            # No timeout at all is 0, and the largest one has 31 bits.
            waits = f"SET LOCAL lock_timeout = {min(int(limit * 1000), 2**31 - 1) if limit < inf else 0};"
            wait, nowait = ("", " NOWAIT") if limit < 0.001 else (waits, "")  # noqa: PLR2004 - a millisecond
            try:
                self._execute(f"{wait} LOCK TABLE {table.sql} IN {_MODES[mode]} MODE{nowait}")
            except Exception as error:
                if not sqlstate(error):
                    raise
                self._execute("ROLLBACK TO SAVEPOINT antarest_lock; RELEASE SAVEPOINT antarest_lock")
                return (table, mode), error
        self._execute("RELEASE SAVEPOINT antarest_lock")
        return None

    def _holder(self, table: CatalogTable) -> str:
        row = self._connection.execute(_HOLDERS, {"table": table.identity}).first()
        return ServerSession(*row).described if row else ""

    def _execute(self, statements: str) -> None:
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(statements)  # SQLAlchemy would take a "%" in a name for a parameter.
        finally:
            cursor.close()
