"""What a run loses: tables, columns with values, and rows that are gone after a revision and were there before it.

The revision says in its file what it loses (`lossy`) and what it moves (`moves`); `LossGuard` measures what really
vanishes, and names each loss with its count before the run commits. It counts a table when a statement is about to take
something from it, never beforehand, so a large table that nobody touches costs nothing.

What it compares are counts: a value that another one overwrites is not a loss, nor is a table that is rebuilt with as
many rows and values as it had. Where it cannot tell it says too much: rows that move to another partition, or that the
revision itself inserted and deleted beside others, count as lost. It does not see

- what lies in no column of a table: large objects, an attribute dropped from a composite type, foreign tables;
- what a revision does on a connection that it makes itself;
- values that SQL put together at run time sets to NULL, in a table that the revision also updates openly (PostgreSQL);
- values that one statement sets to NULL while it inserts as many, as `ON CONFLICT DO UPDATE` can;
- a row that one `INSERT OR REPLACE` deletes beside the one that it replaces, while it adds another one (SQLite);
- values, exactly, while other sessions change the same column (PostgreSQL): nobody is locked out to be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from ..database.driver_connections import Watcher, is_in_transaction, set_watcher
from ..errors.loss import Loss
from ..errors.revision import Direction, Revision
from .counts import Tally
from .ledger import open_ledger
from .ledger.base import ENDS_TRANSACTION, NotAllowed


class LossGuard(Watcher):
    """Watches one migrating transaction and tells what it lost.

    Call `start()` inside the transaction, `begin()` before and `end()` after each revision, and `finish()` before the
    commit. In between, a statement or a call that would commit fails.

    Attributes:
        losses: what has been lost so far, in order.
        hear: who else is told of each statement, before it runs.
    """

    def __init__(self, connection: Connection, exclude: Iterable[str] = ()) -> None:
        """Prepare to watch `connection`, without looking at the tables in `exclude` (such as the version table)."""
        self.losses: list[Loss] = []
        self.hear: Callable[[str], None] = lambda _statement: None
        self._connection = connection
        self._ledger = open_ledger(connection, exclude)
        self._tally: Tally | None = None
        self._is_rolled_back = False

    def start(self) -> None:
        """Begin to watch. A database without tables has nothing to lose, and is not counted."""
        self._ledger.look()
        set_watcher(self._connection, self)
        event.listen(self._connection.engine, "do_connect", _refuse_connection)

    def begin(self, revision: Revision, direction: Direction) -> None:
        """A revision is about to run."""
        if self._ledger.tables:
            with self.unwatched():
                self._tally = Tally(self._connection, self._ledger, revision.destinations(direction))

    def end(self, revision: Revision, direction: Direction) -> None:
        """A revision has run: record what it lost."""
        self._require_transaction()
        if self._tally:
            with self.unwatched():
                self._ledger.settle()
                self._ledger.look()
                for gone in self._tally.gone():
                    item = gone.table if gone.column is None else f"{gone.table}.{gone.column}"
                    reason = revision.losses(direction).get(item, "")
                    unit = "row" if gone.column is None else "value"
                    self.losses.append(Loss(revision.id, direction, item, gone.amount, reason, unit))
        self._tally = None

    def finish(self) -> None:
        """Stop watching: the commit may come."""
        set_watcher(self._connection, None)
        event.remove(self._connection.engine, "do_connect", _refuse_connection)
        self._require_transaction()

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Run what the run itself asks for."""
        set_watcher(self._connection, None)
        yield
        set_watcher(self._connection, self)

    # ---- what the connection tells

    def before(self, statement: str) -> None:
        """Count what the statement is about to take something from."""
        self._require_transaction()
        self.hear(statement)
        takes = self._ledger.before(statement)
        if self._tally:
            for name, columns in takes.items():
                self._tally.take(self._ledger.tables[name], columns)

    def after(self, statement: str) -> None:
        """Follow what became of the tables."""
        if self._tally and self._ledger.after(statement):
            self._tally.look()

    def on_commit(self) -> None:
        """Refuse it: what is lost is not known yet."""
        raise NotAllowed(ENDS_TRANSACTION)

    def on_rollback(self) -> None:
        """Let it happen, and nothing after it."""
        self._is_rolled_back = True

    def _require_transaction(self) -> None:
        """Refuse to go on when the transaction has ended, by whatever call of the driver."""
        if self._is_rolled_back or not is_in_transaction(self._connection):
            raise NotAllowed(ENDS_TRANSACTION)


def _refuse_connection(*_arguments: object) -> None:
    raise NotAllowed("it opens a second connection, whose work would not be taken back with the run's")
