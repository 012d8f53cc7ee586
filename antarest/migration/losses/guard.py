"""Measures the losses of a run: tables, columns with values, and rows that are gone after a revision.

A revision declares in its file what it loses (`lossy`) and what it moves (`moves`). `LossGuard` measures the data that
is really gone, and names each loss with its count before the run commits. The guard counts the rows of a table only
when a statement is about to remove data from this table. Therefore a large table that no statement changes takes no
time.

The guard compares counts. A value that is overwritten with another value is not a loss. Neither is a rebuilt table, if
all of its rows were copied and it has the same number of values. If the guard is not sure, it reports too much. For
example, rows that move to another partition count as lost. Rows that a revision inserts, and then deletes together with
other rows, count as lost too.

The guard does not see

- data outside of the columns of tables: large objects, an attribute dropped from a composite type, foreign tables;
- statements on a connection that the revision opens itself, or of a `sqlite3.Cursor` that the revision makes itself;
- values that statements remove from a column of a PostgreSQL table without a primary key, if statements also replace
  the same number of NULLs in this column by values;
- rows that a copy beginning with `WITH` leaves out, if the copied table has no primary key and the copy also inserts
  other rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from ..database.driver_connections import Attempt, Watcher, is_in_transaction, set_watcher
from ..database.lock.limits import WaitLimit
from ..database.lock.tables import EVERYBODY, Learned
from ..errors.loss import Loss, Missing
from ..errors.revision import Direction, Revision
from ..errors.text import shorten
from .counts import LossCounter
from .deferred import DeferredConstraints
from .moves import Moves
from .rebuilds import RebuildGuard
from .row_security import RowSecurity
from .tracking import open_tracker
from .tracking.base import ENDS_TRANSACTION, RUNS_INSIDE, NotAllowed

_LONG = 1.0  # seconds of a count, after which a note says that others wait for the count


class LossGuard(Watcher):
    """Watches one transaction of a run, and measures its losses.

    Call `start()` inside the transaction, `begin()` before and `end()` after each revision, and `finish()` before the
    commit. Between `start()` and `finish()`, a statement or a call that would commit fails.

    Attributes:
        losses: the losses until now, in order.
        overtaken: the tables whose data a revision used and then removed, while others changed that data. If the run is
            tried again, it locks these tables first, so that the counts are exact.
        missing: the objects, such as triggers, that a rebuild in the last revision has lost.
        hidden: the tables that the last revision wrote to while row security may have hidden some of their rows.
    """

    def __init__(
        self,
        connection: Connection,
        exclude: Iterable[str] = (),
        rebuilds: RebuildGuard | None = None,
        learned: Learned | None = None,
        note: Callable[[str], None] = lambda _text: None,
        limit: WaitLimit | None = None,
    ) -> None:
        """Prepare to watch a transaction.

        Args:
            connection: the connection of the transaction.
            exclude: the tables that are not watched.
            rebuilds: watches the rebuilds of tables (SQLite).
            learned: the tables that earlier tries of the transaction had to lock. `start()` locks these tables. Each
                further table that this try has to lock is added (PostgreSQL).
            note: called with a line for the user.
            limit: the time for which a statement waits for a lock. A revision can change this time.
        """
        self.losses: list[Loss] = []
        self.overtaken: list[str] = []
        self.missing: list[Missing] = []
        self.hidden: list[str] = []
        self._rebuilds = rebuilds
        self._learned = {} if learned is None else learned
        self._note = note
        self._limit = limit or WaitLimit(connection, 0)
        self._running = ""
        self._connection = connection
        self._tracker = open_tracker(connection, exclude)
        self._counter: LossCounter | None = None
        self._is_rolled_back = False

    def start(self) -> None:
        """Begin to watch the transaction. In a database without tables, nothing is counted.

        Raises:
            NotLocked: another session holds, for too long, a lock on a table that this transaction has to lock.
        """
        self._tracker.start(self._learned)
        self._deferred, self._row_security = DeferredConstraints(self._connection), RowSecurity(self._connection)
        set_watcher(self._connection, self)
        event.listen(self._connection.engine, "do_connect", _refuse_connection)

    def begin(self, revision: Revision, direction: Direction) -> None:
        """Watch a revision that is about to run.

        Raises:
            NotAllowed: a deferred constraint cannot be deferred again.
        """
        self._running = revision.id
        with self.unwatched():
            self._deferred.defer_again()
            self._row_security.begin()
            if self._tracker.tables:
                self._tracker.begin()
                moves = Moves(self._connection, self._tracker, revision.destinations(direction))
                self._counter = LossCounter(self._connection, self._tracker, moves)
            if self._rebuilds:
                self._rebuilds.begin()

    def end(self, revision: Revision, direction: Direction) -> None:
        """End a revision: run the checks and triggers that it has deferred, and record its losses.

        Raises:
            DeferredFails: a deferred constraint fails.
        """
        self._require_transaction()
        with self.unwatched():
            if self._counter:
                self._tracker.foresee_deferred()
            self._deferred.run()
            self.hidden = [] if revision.row_security else self._row_security.written()
            if self._counter:
                self._tracker.look()
                found = list(self._counter.lost())
                for table in self._counter.overtaken(found, revision.losses(direction)):
                    self._learned[table.identity] = EVERYBODY
                    self.overtaken.append(table.name)
                for lost in found:
                    reason = revision.losses(direction).get(lost.item, "")
                    unit = "row" if lost.column is None else "value"
                    self.losses.append(Loss(revision.id, direction, lost.item, lost.amount, reason, unit))
            if self._rebuilds:
                self.missing = self._rebuilds.end(revision, direction)
        self._counter = None

    def in_the_way(self, message: str) -> Missing | None:
        """Return the view or trigger that made a rebuild fail with this message; None for another cause."""
        return self._rebuilds.in_the_way(message) if self._rebuilds else None

    def finish(self) -> None:
        """Stop watching, so that the run can commit."""
        self.stop()
        self._require_transaction()

    def stop(self) -> None:
        """Stop watching, also after a failed statement."""
        set_watcher(self._connection, None)
        if event.contains(self._connection.engine, "do_connect", _refuse_connection):
            event.remove(self._connection.engine, "do_connect", _refuse_connection)

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Return a context in which the guard does not watch, for statements that the run itself executes."""
        set_watcher(self._connection, None)
        yield
        set_watcher(self._connection, self)

    # ---- called by the connection

    def before(self, statement: str, attempt: Attempt | None = None) -> None:
        """Lock the tables from which a statement is about to remove data, and count their rows and values."""
        self._require_transaction()
        self._limit.before(statement)
        if self._rebuilds:
            self._rebuilds.before(statement)
        self._deferred.before(statement)
        self._row_security.before(statement)
        takes = self._tracker.before(statement, attempt if self._counter else None)
        began = time.monotonic()
        if self._counter:
            self._counter.before(statement, takes)
        if self._tracker.locked and (seconds := time.monotonic() - began) > _LONG:
            self._note(f"counted {shorten(sorted(takes))} in {seconds:.1f} s, and other sessions had to wait for it")

    def after(self, statement: str) -> None:
        """Note the effects of a statement that has run."""
        self._limit.after(statement, self._running)
        self._row_security.after(statement)
        if self._counter:
            self._counter.after(has_changed_tables=self._tracker.after(statement))

    def inside(self, statement: str) -> None:  # noqa: ARG002 - any statement is refused
        """Refuse a statement that runs inside another statement."""
        raise NotAllowed(RUNS_INSIDE)

    def on_commit(self) -> None:
        """Refuse a commit, because the losses are not known yet."""
        raise NotAllowed(ENDS_TRANSACTION)

    def on_rollback(self) -> None:
        """Allow a rollback, but no statement after it."""
        self._is_rolled_back = True

    def _require_transaction(self) -> None:
        """Refuse a statement if the transaction has ended. A call of the driver may have ended it."""
        if self._is_rolled_back or not is_in_transaction(self._connection):
            raise NotAllowed(ENDS_TRANSACTION)


def _refuse_connection(*_arguments: object) -> None:
    raise NotAllowed("it opens a second connection, which the run cannot roll back: use op.get_bind(), not its engine")
