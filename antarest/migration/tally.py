"""What one revision takes from the tables that it found: counted before it does, and compared when it has run."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from antarest.migration.catalog import Measure, Table, find, measure
from antarest.migration.ledger import Flow, Ledger


class Gone(NamedTuple):
    """Rows of a table, or values of a column, that are gone; None where nobody knows how many."""

    table: str
    column: str | None
    amount: int | None


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
        # What tables held before something was taken from them; its values are by the names that columns had then. Of
        # each column, how many rows had been deleted when it was counted.
        self._measures: dict[Hashable, Measure] = {}
        self._deleted: dict[tuple[str, str], int] = {}
        self._missing: set[tuple[str, str]] = set()

    def take(self, table: Table, columns: Collection[str]) -> None:
        """Count the rows of a table and the values in these columns, once; not of a table that the revision made."""
        before = self._by_identity.get(table.identity)
        if before is None or not table.readable:
            return
        seen = self._measures.get(table.identity)
        names = {identity: name for name, identity in before.columns.items()}
        wanted = {name: names[table.columns[name]] for name in columns if table.columns.get(name) in names}
        if seen:
            wanted = {now: name for now, name in wanted.items() if name not in seen.values}
        if (seen and not wanted) or table.identity in self._ledger.emptied:
            return
        found = measure(self._connection, table, wanted)
        values = {name: found.values[now] for now, name in wanted.items()}
        flow = self._flow(table, self._ledger.flows())
        rows = seen.rows if seen else found.rows + flow.deleted - flow.inserted
        self._measures[table.identity] = Measure(rows, {**(seen.values if seen else {}), **values})
        self._deleted |= {(before.name, name): flow.deleted for name in values}

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
        for name, table in self._before.items():
            measured = self._measures.get(table.identity)
            if same := alive.get(table.identity):
                rows = self._rows_gone(same, measured, self._flow(table, flows))
                names = {identity: column for column, identity in same.columns.items()}
                columns = {column: names[identity] for column, identity in table.columns.items() if identity in names}
                values = self._values_gone(table, same, columns, rows)
            elif name in now:  # It was rebuilt: what has its name has its columns by their names.
                rows = measured.rows - measure(self._connection, now[name]).rows if measured else None
                columns = {column: column for column in self._copied(table) if column in now[name].columns}
                values = self._values_gone(table, now[name], columns, rows)
            else:
                rows, values = measured.rows if measured else None, {}
            yield Gone(name, None, rows)
            if measured and rows == measured.rows:
                continue  # All values went with their rows.
            yield from (Gone(name, column, amount) for column, amount in values.items())

    def _copied(self, table: Table) -> Iterable[str]:
        """The columns of a table that was rebuilt whose values can have come along."""
        for column, identity in table.columns.items():
            if (table.name, column) not in self._missing and self._ledger.was_read(identity):
                yield column

    def _rows_gone(self, table: Table, measured: Measure | None, flow: Flow) -> int | None:
        """The rows that are gone from a table that is still there."""
        if table.identity in self._ledger.emptied:
            return measured.rows if measured else None
        if not flow.deleted or not table.readable:
            return flow.deleted
        now = measure(self._connection, table).rows
        before = measured.rows if measured else now + flow.deleted - flow.inserted
        return min(flow.deleted, before)  # Not those that it inserted itself.

    def _values_gone(
        self, table: Table, now: Table, columns: Mapping[str, str], rows: int | None
    ) -> dict[str, int | None]:
        """The values that are gone from a table whose columns are `columns` now, beside those of rows that are gone."""
        measured = self._measures.get(table.identity)
        before = measured.values if measured else {}
        gone: dict[str, int | None] = {column: before.get(column) for column in table.columns if column not in columns}
        counted = {column: name for column, name in columns.items() if column in before}
        if counted:
            left = measure(self._connection, now, counted.values())
            for column, name in counted.items():
                went_along = max((rows or 0) - self._deleted[table.name, column], 0)
                gone[column] = before[column] - left.values[name] - went_along
        if now.identity != table.identity:
            gone |= dict.fromkeys(columns.keys() - counted.keys())
        return gone

    def _flow(self, table: Table, flows: Mapping[Hashable, Flow]) -> Flow:
        """The rows that the revision inserted and deleted."""
        now, before = flows.get(table.identity, Flow()), self._flows.get(table.identity, Flow())
        return Flow(max(now.inserted - before.inserted, 0), max(now.deleted - before.deleted, 0))

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
