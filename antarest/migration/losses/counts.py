"""What one revision takes from the tables that it found: counted before it does, and compared when it has run."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from ..database.catalog import CatalogTable, find, measure
from .ledger.base import Flow, Ledger


class Gone(NamedTuple):
    """Rows of a table, or values of a column, that are gone; None where nobody knows how many."""

    table: str
    column: str | None
    amount: int | None


@dataclass
class _Values:
    """The values of a column that are not NULL, counted where statements that may overwrite them begin and end.

    Attributes:
        first: how many there were at first.
        count: how many there were when they were counted last.
        deleted: how many rows had been deleted by then.
        lost: how many had been overwritten with NULL by then.
    """

    first: int
    count: int
    deleted: int
    lost: int = 0

    def settle(self, now: int, deleted: int) -> None:
        """Count them after statements that may have overwritten them; those of deleted rows went with their rows."""
        self.lost += self.count - now - max(deleted - self.deleted, 0)
        self.begin(now, deleted)

    def begin(self, now: int, deleted: int) -> None:
        """Count them after rows came and went."""
        self.count, self.deleted = now, deleted


@dataclass
class _Taken:
    """A table that something is taken from.

    Attributes:
        rows: how many rows it had when the revision began.
        values: its columns that were counted, by the names that they had then.
        open: whether statements may be overwriting values since they were counted last.
    """

    rows: int
    values: dict[str, _Values] = field(default_factory=dict)
    open: bool = False


class Tally:
    """Counts for one revision.

    Call `take()` before something is taken from a table, `look()` after tables were changed, and `gone()` at the end.
    """

    def __init__(self, connection: Connection, ledger: Ledger, destinations: Mapping[str, Collection[str]]) -> None:
        """Begin, with the tables as they are.

        Args:
            connection: the database.
            ledger: what is known of its tables.
            destinations: where the revision says that it moves "table" or "table.column" to.
        """
        self._connection = connection
        self._ledger = ledger
        ledger.begin()
        self._before = ledger.tables
        self._by_identity = {table.identity: table for table in self._before.values()}
        self._flows = ledger.flows()
        self._destinations = destinations
        self._fullness = {place: self._full(place) for places in destinations.values() for place in places}
        self._taken: dict[Hashable, _Taken] = {}
        self._missing: set[tuple[str, str]] = set()

    def take(self, table: CatalogTable, columns: Collection[str]) -> None:
        """Count before a statement; not a table that the revision made.

        Args:
            table: what it writes to.
            columns: the columns that it may take values from; none where rows only come and go.
        """
        before = self._by_identity.get(table.identity)
        if before is None or not table.readable or table.identity in self._ledger.emptied:
            return
        taken = self._taken.get(table.identity)
        if not columns:
            if taken and taken.open:
                self._settle(table, before, taken)
            return
        known = taken.values if taken else {}
        names = _names(before, table)
        new = {name for name in columns if name in names and names[name] not in known}
        again = set() if taken is None or taken.open else {now for now, name in names.items() if name in known}
        if taken is None or new or again:
            found, flow = measure(self._connection, table, new | again), self._flow(table)
            taken = self._taken.setdefault(table.identity, _Taken(found.rows + flow.deleted - flow.inserted))
            for name, count in found.values.items():
                first = _Values(count, count, flow.deleted)
                taken.values.setdefault(names[name], first).begin(count, flow.deleted)
        taken.open = True

    def _settle(self, table: CatalogTable, before: CatalogTable, taken: _Taken) -> None:
        """Count what the statements so far have overwritten: from here on, values come and go with their rows."""
        names = {now: name for now, name in _names(before, table).items() if name in taken.values}
        found, deleted = measure(self._connection, table, names), self._flow(table).deleted
        for now, name in names.items():
            taken.values[name].settle(found.values[now], deleted)
        taken.open = False

    def look(self) -> None:
        """See which columns are missing now: one that comes back is not the one that went."""
        now = self._ledger.tables
        for name in self._before.keys() & now.keys():
            self._missing |= {(name, column) for column in self._before[name].columns.keys() - now[name].columns.keys()}

    def gone(self) -> Iterator[Gone]:
        """What is gone, and did not arrive where the revision says that it moves it."""
        arrived = {place: max(self._full(place) - full, 0) for place, full in self._fullness.items()}
        for table, column, amount in sorted(self._all_gone(), key=lambda gone: (gone.table, gone.column or "")):
            item = table if column is None else f"{table}.{column}"
            # Not to where it was: rows that are new there would hide it.
            places = [place for place in self._destinations.get(item, ()) if place != item]
            lost = amount if amount is None else self._not_arrived(item, amount, places, arrived)
            if lost is None or lost > 0:
                yield Gone(table, column, lost)

    def _all_gone(self) -> Iterator[Gone]:
        now, flows = self._ledger.tables, self._ledger.flows()
        alive = {table.identity: table for table in now.values()}
        unforeseen = self._ledger.unforeseen({i: self._since(i, flows).updated for i in alive})
        for name, table in self._before.items():
            taken, flow = self._taken.get(table.identity), self._since(table.identity, flows)
            if same := alive.get(table.identity):
                rows = self._rows_gone(same, taken, flow)
                values = self._values_gone(table, same, taken, flow.deleted)
                values |= dict.fromkeys(unforeseen.get(table.identity, ()))
            elif name in now and now[name].identity not in self._by_identity:
                # It was rebuilt: what has its name, and is new, has its columns by their names.
                rows = taken.rows - measure(self._connection, now[name]).rows if taken else None
                values = self._values_copied(table, now[name], taken, rows or 0)
            else:
                rows, values = taken.rows if taken else None, {}
            yield Gone(name, None, rows)
            if taken and rows == taken.rows:
                continue  # All values went with their rows.
            yield from (Gone(name, column, amount) for column, amount in values.items())

    def _rows_gone(self, table: CatalogTable, taken: _Taken | None, flow: Flow) -> int | None:
        """The rows that are gone from a table that is still there."""
        if table.identity in self._ledger.emptied:
            return taken.rows if taken else None
        if not flow.deleted or not table.readable:
            return flow.deleted
        before = taken.rows if taken else measure(self._connection, table).rows + flow.deleted - flow.inserted
        return min(flow.deleted, before)  # Not those that it inserted itself.

    def _values_gone(
        self, table: CatalogTable, now: CatalogTable, taken: _Taken | None, deleted: int
    ) -> dict[str, int | None]:
        """The values that are gone from a table that is still there, beside those of rows that are gone."""
        names = {name: new for new, name in _names(table, now).items()}
        known = taken.values if taken else {}
        gone: dict[str, int | None] = {
            name: known[name].first if name in known else None for name in table.columns if name not in names
        }
        counted = {name: names[name] for name in known if name in names}
        if taken and taken.open and counted:
            left = measure(self._connection, now, counted.values())
            for name, new in counted.items():
                known[name].settle(left.values[new], deleted)
        return gone | {name: known[name].lost for name in counted}

    def _values_copied(
        self, table: CatalogTable, now: CatalogTable, taken: _Taken | None, rows: int
    ) -> dict[str, int | None]:
        """The values that are gone from a table that was rebuilt, beside those of rows that are gone."""
        known = taken.values if taken else {}
        copied = {
            name
            for name, identity in table.columns.items()
            if name in now.columns and (table.name, name) not in self._missing and self._ledger.was_read(identity)
        }
        left = measure(self._connection, now, copied & known.keys())
        gone: dict[str, int | None] = {}
        for name in table.columns:
            if name not in known:
                gone[name] = None
            elif name in copied:
                known[name].settle(left.values[name], max(rows, known[name].deleted))
                gone[name] = known[name].lost
            else:
                gone[name] = known[name].first
        return gone

    def _flow(self, table: CatalogTable) -> Flow:
        return self._since(table.identity, self._ledger.flows(table.identity))

    def _since(self, table: Hashable, flows: Mapping[Hashable, Flow]) -> Flow:
        """What the revision inserted, deleted and updated."""
        return Flow(*(max(each, 0) for each in flows.get(table, Flow()).minus(self._flows.get(table, Flow()))))

    @staticmethod
    def _not_arrived(item: str, lost: int, places: Iterable[str], arrived: dict[str, int]) -> int:
        """What is still lost; what arrived somewhere is counted for one source only."""
        for place in places:
            there = arrived[place]
            if there and lost > 0 and "." in place and "." not in item:
                return 0  # Rows became values, such as a list: how many make one cannot be known.
            taken = min(max(lost, 0), there)
            arrived[place] -= taken
            lost -= taken
        return lost

    def _full(self, place: str) -> int:
        """How full "table" or "table.column" is; 0 where it does not exist."""
        tables = self._ledger.tables
        found = find({name: table.columns for name, table in tables.items()}, place)
        if found is None:
            return 0
        name, column = found
        return measure(self._connection, tables[name], [] if column is None else [column]).of(column)


def _names(before: CatalogTable, now: CatalogTable) -> dict[str, str]:
    """What the columns of a table are called now, each with the name that it had before."""
    names = {identity: name for name, identity in before.columns.items()}
    return {name: names[identity] for name, identity in now.columns.items() if identity in names}
