"""What a run loses: tables, columns with values, and rows that are gone after a revision and were there before it.

The revision says in its file what it loses (`lossy`) and what it moves (`moves`); `LossGuard` measures what really
vanishes, and names each loss with its count before the run commits. It counts a table when a statement is about to take
something from it, never beforehand, so a large table that nobody touches costs nothing. What it compares are counts: a
value that another one overwrites is not a loss, nor is a table that is rebuilt with as many rows and values as it had.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from antarest.migration.catalog import Measure, Table, Tables, find, measure
from antarest.migration.history import Direction, Revision
from antarest.migration.ledger import ENDS_TRANSACTION, Flow, Ledger, NotAllowed, PostgresLedger, SqliteLedger


@dataclass(frozen=True)
class Loss:
    """Data that a revision loses.

    Attributes:
        revision: the revision that loses it.
        direction: in its upgrade or its downgrade.
        item: "table" or "table.column".
        count: how many rows (of a table) or values that are not NULL (of a column); None when nobody counted.
        reason: what the revision says of it; empty when it does not declare it.
        unit: what was counted, "row" of a table or "value" of a column.
    """

    revision: str
    direction: Direction
    item: str
    count: int | None
    reason: str = ""
    unit: str = "row"

    @property
    def declared(self) -> bool:
        """Whether the revision names it."""
        return bool(self.reason)

    @property
    def declaration(self) -> str:
        """The line that would declare it in the revision file."""
        return f'lossy = {{"{self.direction}": {{"{self.item}": "why"}}}}'

    @property
    def amount(self) -> str:
        """Its count in words, such as `12 rows`."""
        if self.count is None:
            return f"an unknown number of {self.unit}s"
        return f"{self.count:,} {self.unit}{'' if self.count == 1 else 's'}"

    def __str__(self) -> str:
        return f"{self.item}: {self.amount}" + (f" ({self.reason})" if self.reason else " (not declared)")


@dataclass(frozen=True)
class Agreement:
    """What a person has agreed to lose in a rollback.

    Attributes:
        everything: whatever the revisions declare.
        most: the largest count agreed to, by revision and item, as it was named in the plan; None where the plan named
            an unknown number.
    """

    everything: bool = False
    most: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    def covers(self, loss: Loss) -> bool:
        """Whether this loss, with this count, was agreed to."""
        named = self.most.get((loss.revision, loss.item), 0)
        return self.everything or named is None or (loss.count is not None and loss.count <= named)


class LossGuard:
    """Watches one migrating transaction and tells what it lost.

    Call `start()` inside the transaction, `begin()` before and `end()` after each revision, and `finish()` before the
    commit. In between, a statement or a call that would commit fails.

    Attributes:
        losses: what has been lost so far, in order.
    """

    def __init__(self, connection: Connection, exclude: Iterable[str] = ()) -> None:
        """Prepare to watch `connection`, without looking at the tables in `exclude` (such as the version table)."""
        self.losses: list[Loss] = []
        self._connection = connection
        self._exclude = frozenset(exclude)
        self._has_tables = False
        self._is_rolled_back = False

    def start(self) -> None:
        """Begin to watch. A database without tables has nothing to lose, and is not counted."""
        self._driver = self._connection.connection.dbapi_connection
        ledger = SqliteLedger if self._connection.dialect.name == "sqlite" else PostgresLedger
        self._ledger: Ledger = ledger(self._connection, self._exclude)
        self._ledger.look()
        self._has_tables = bool(self._ledger.tables)
        self._driver.watcher = self

    def begin(self, revision: Revision, direction: Direction) -> None:
        """A revision is about to run: see how full the places are that it moves values to."""
        if not self._has_tables:
            return
        self._ledger.look()
        self._ledger.emptied.clear()
        self._before: Tables = self._ledger.tables
        self._known = {table.identity: table for table in self._before.values()}
        self._flows = self._ledger.flows()
        self._destinations = revision.destinations(direction)
        self._fullness = {place: self._full(place) for place in sum(self._destinations.values(), [])}
        # By identity, what tables held before the revision took something from them; and the columns, by name, that it
        # dropped and made anew.
        self._measures: dict[Hashable, Measure] = {}
        self._replaced: set[tuple[str, str]] = set()

    def end(self, revision: Revision, direction: Direction) -> None:
        """A revision has run: record what it lost."""
        if not self._has_tables:
            return
        self._ledger.look()
        arrived = {place: max(self._full(place) - full, 0) for place, full in self._fullness.items()}
        for table in self._before.values():
            for column, lost in self._gone(table):
                item = table.name if column is None else f"{table.name}.{column}"
                remaining = self._without_moved(item, lost, arrived)
                if remaining is None or remaining > 0:
                    reason = revision.losses(direction).get(item, "")
                    unit = "row" if column is None else "value"
                    self.losses.append(Loss(revision.id, direction, item, remaining, reason, unit))

    def finish(self) -> None:
        """Stop watching: the commit may come."""
        self._driver.watcher = None
        if self._is_rolled_back:
            raise NotAllowed(ENDS_TRANSACTION)

    # ---- what the connection tells

    def before(self, statement: str) -> None:
        """Count the tables that the statement is about to take something from."""
        if self._is_rolled_back:
            raise NotAllowed(ENDS_TRANSACTION)
        takes = self._ledger.before(statement)
        if self._has_tables:
            for name, columns in takes.items():
                self._measure(self._ledger.tables[name], columns)

    def after(self, statement: str) -> None:
        """See which columns are missing now: one that comes back is not the one that went."""
        if self._ledger.after(statement) and self._has_tables:
            for name in self._before.keys() & self._ledger.tables.keys():
                missing = self._before[name].columns.keys() - self._ledger.tables[name].columns.keys()
                self._replaced |= {(name, column) for column in missing}

    def on_commit(self) -> None:
        """Refuse it: what is lost is not known yet."""
        raise NotAllowed(ENDS_TRANSACTION)

    def on_rollback(self) -> None:
        """Let it happen, and nothing after it."""
        self._is_rolled_back = True

    # ---- counting

    def _measure(self, table: Table, columns: Iterable[str]) -> None:
        """Count a table, unless it was counted in this revision already, or was made by it."""
        known = self._known.get(table.identity)
        if known is None or not table.readable:
            return
        seen = self._measures.get(table.identity)
        names = {identity: name for name, identity in known.columns.items()}
        # The names that they had before the revision, by the names that they have now.
        wanted = {c: names[i] for c, i in table.columns.items() if c in columns and i in names}
        wanted = {c: name for c, name in wanted.items() if not seen or name not in seen.values}
        if seen and not wanted:
            return
        found = measure(self._connection, table, wanted)
        values = {name: found.values[column] for column, name in wanted.items()}
        if seen:
            self._measures[table.identity] = Measure(seen.rows, {**seen.values, **values})
        elif table.identity not in self._ledger.emptied:
            flow = self._flow(table)
            self._measures[table.identity] = Measure(found.rows + flow.deleted - flow.inserted, values)

    def _flow(self, table: Table) -> Flow:
        """The rows that the revision inserted and deleted."""
        now, before = (flows.get(table.identity, Flow()) for flows in (self._ledger.flows(), self._flows))
        return Flow(max(now.inserted - before.inserted, 0), max(now.deleted - before.deleted, 0))

    def _gone(self, table: Table) -> Iterator[tuple[str | None, int | None]]:
        """The rows (None) and the values of each column that are gone from a table of before; None when unknown."""
        measured = self._measures.get(table.identity)
        now = next((t for t in self._ledger.tables.values() if t.identity == table.identity), None)
        if now is None and table.name not in self._ledger.tables:
            yield None, measured.rows if measured else None
            return
        if now is None:  # It was rebuilt: what has its name now has its columns by their names.
            now = self._ledger.tables[table.name]
            columns = {c: c for c in table.columns if c in now.columns and (table.name, c) not in self._replaced}
            left = measure(self._connection, now, columns.values())
            rows = measured.rows - left.rows if measured else None
        else:
            names = {identity: name for name, identity in now.columns.items()}
            columns = {c: names[i] for c, i in table.columns.items() if i in names}
            counted = [names for c, names in columns.items() if measured and c in measured.values]
            left = measure(self._connection, now, counted) if counted and now.readable else Measure(0, {})
            rows = self._rows_gone(now, measured)
        yield None, rows
        rebuilt = now.identity != table.identity
        for column in table.columns:
            before = measured.values.get(column) if measured else None
            if column not in columns:
                yield column, before
            elif before is not None:
                yield column, before - left.values[columns[column]] - max(rows or 0, 0)
            elif rebuilt:
                yield column, None

    def _rows_gone(self, table: Table, measured: Measure | None) -> int | None:
        """The rows that are gone from a table that is still there."""
        if table.identity in self._ledger.emptied:
            return measured.rows if measured else None
        flow = self._flow(table)
        if not flow.deleted or not table.readable:
            return flow.deleted
        now = measure(self._connection, table).rows
        before = measured.rows if measured else now + flow.deleted - flow.inserted
        # Not those that it inserted itself, nor those of a savepoint that was rolled back.
        return min(flow.deleted, before, before + flow.inserted - now)

    # ---- moves

    def _without_moved(self, item: str, lost: int | None, arrived: dict[str, int]) -> int | None:
        """What of `lost` did not arrive where the revision says it moves it. What arrives is counted for one source."""
        if lost is None:
            return None
        for place in self._destinations.get(item, ()):
            if place == item or lost <= 0:
                continue
            if "." in place and "." not in item and arrived.get(place):
                return 0  # Rows that become values, such as a list: how many make one cannot be known.
            taken = min(lost, arrived.get(place, 0))
            arrived[place] = arrived.get(place, 0) - taken
            lost -= taken
        return lost

    def _full(self, place: str) -> int:
        """How full "table" or "table.column" is; 0 where it does not exist."""
        found = find({name: table.columns for name, table in self._ledger.tables.items()}, place)
        if found is None:
            return 0
        name, column = found
        return measure(self._connection, self._ledger.tables[name], [] if column is None else [column]).of(column)
