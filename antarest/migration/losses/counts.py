"""Counts rows and values before the statements of a revision, and compares the counts with those after the revision."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from ..database.catalog import CatalogTable, find, measure
from .tracking.base import ChangeTracker, RowChanges


class Lost(NamedTuple):
    """Rows of a table, or values of a column, that are lost; the amount is None where it is not known."""

    table: str
    column: str | None
    amount: int | None


@dataclass
class _Values:
    """Counts of the values in a column that are not NULL, before and after statements that may overwrite them.

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

    def count_again(self, now: int, deleted: int) -> None:
        """Take a new count after statements that may overwrite values. Values of deleted rows were not overwritten."""
        self.lost += self.count - now - max(deleted - self.deleted, 0)
        self.begin(now, deleted)

    def begin(self, now: int, deleted: int) -> None:
        """Take a new count after rows were inserted or deleted."""
        self.count, self.deleted = now, deleted


@dataclass
class _Counted:
    """The counts of a table from which a revision may take something.

    Attributes:
        rows: how many rows it had when the revision began.
        values: the counted columns, by the names that they had then.
        open: whether statements may have overwritten values since the last count.
    """

    rows: int
    values: dict[str, _Values] = field(default_factory=dict)
    open: bool = False


class LossCounter:
    """Counts what one revision loses.

    Call `count_before()` before a statement that takes rows or values from a table, `note_missing_columns()` after one
    that changes tables, and `lost()` at the end.
    """

    def __init__(
        self, connection: Connection, tracker: ChangeTracker, destinations: Mapping[str, Collection[str]]
    ) -> None:
        """Begin with the current tables.

        Args:
            connection: the database.
            tracker: knows how its tables change.
            destinations: where the revision says that it moves "table" or "table.column" to.
        """
        self._connection = connection
        self._tracker = tracker
        tracker.begin()
        self._before = tracker.tables
        self._by_identity = {table.identity: table for table in self._before.values()}
        self._changes = tracker.row_changes()
        self._destinations = destinations
        self._fullness = {place: self._full(place) for places in destinations.values() for place in places}
        self._counted: dict[Hashable, _Counted] = {}
        self._missing: set[tuple[str, str]] = set()

    def count_before(self, table: CatalogTable, columns: Collection[str]) -> None:
        """Count the rows and values of a table before a statement writes to it, unless the revision made the table.

        Args:
            table: the table.
            columns: the columns that the statement may take values from; none if it only inserts or deletes rows.
        """
        before = self._by_identity.get(table.identity)
        if before is None or not table.readable or table.identity in self._tracker.emptied:
            return
        if table.identity in self._tracker.unlocked:
            self._counted.pop(table.identity, None)  # Others can write until the statement runs: no count is true then.
            return
        counted, is_locked = self._counted.get(table.identity), table.identity in self._tracker.locked
        if not columns and not is_locked:
            if counted and counted.open:
                self._count_again(table, before, counted)
            return
        known = counted.values if counted else {}
        names = _names(before, table)
        new = {name for name in columns if name in names and names[name] not in known}
        again = set() if counted is None or counted.open else {now for now, name in names.items() if name in known}
        # What was counted without a lock is counted again under it: others may have written since.
        unsure = {name for name in columns if is_locked and names.get(name) in known}
        if counted is None or new or again or is_locked:
            found, changes = measure(self._connection, table, new | again | unsure), self._changes_of(table)
            rows = found.rows + changes.deleted - changes.inserted
            counted = self._counted.setdefault(table.identity, _Counted(rows))
            counted.rows = rows if is_locked else counted.rows
            for name in unsure:
                known[names[name]].first = max(known[names[name]].first, found.values[name])
            for name, count in ((name, found.values[name]) for name in new | again):
                first = _Values(count, count, changes.deleted)
                counted.values.setdefault(names[name], first).begin(count, changes.deleted)
        counted.open = True

    def _count_again(self, table: CatalogTable, before: CatalogTable, counted: _Counted) -> None:
        """Count the values that statements have overwritten so far. The next statements only insert or delete rows."""
        names = {now: name for now, name in _names(before, table).items() if name in counted.values}
        found, deleted = measure(self._connection, table, names), self._changes_of(table).deleted
        for now, name in names.items():
            counted.values[name].count_again(found.values[now], deleted)
        counted.open = False

    def note_missing_columns(self) -> None:
        """Note which columns are missing now. If one comes back later, it is a new column."""
        now = self._tracker.tables
        for name in self._before.keys() & now.keys():
            self._missing |= {(name, column) for column in self._before[name].columns.keys() - now[name].columns.keys()}

    def lost(self) -> Iterator[Lost]:
        """The rows and values that are gone, and that did not arrive where the revision says that it moves them."""
        arrived = {place: max(self._full(place) - full, 0) for place, full in self._fullness.items()}
        for table, column, amount in sorted(self._all_lost(), key=lambda each: (each.table, each.column or "")):
            item = table if column is None else f"{table}.{column}"
            # A move to the same place does not count: new rows there would hide the loss.
            places = [place for place in self._destinations.get(item, ()) if place != item]
            lost = amount if amount is None else self._not_arrived(item, amount, places, arrived)
            if lost is None or lost > 0:
                yield Lost(table, column, lost)

    def _all_lost(self) -> Iterator[Lost]:
        now, changed = self._tracker.tables, self._tracker.row_changes()
        alive = {table.identity: table for table in now.values()}
        unforeseen = self._tracker.unforeseen({i: self._since(i, changed).updated for i in alive})
        for name, table in self._before.items():
            counted, changes = self._counted.get(table.identity), self._since(table.identity, changed)
            if same := alive.get(table.identity):
                rows = self._rows_lost(same, counted, changes)
                values = self._values_lost(table, same, counted, changes.deleted)
                values |= dict.fromkeys(unforeseen.get(table.identity, ()))
            elif name in now and now[name].identity not in self._by_identity:
                # The table was rebuilt: the new table has the same name, and columns are matched by name.
                rows = counted.rows - measure(self._connection, now[name]).rows if counted else None
                values = self._values_copied(table, now[name], counted, rows or 0)
            else:
                rows, values = counted.rows if counted else None, {}
            yield Lost(name, None, rows)
            if counted and rows == counted.rows:
                continue  # All values went with their rows.
            yield from (Lost(name, column, amount) for column, amount in values.items())

    def _rows_lost(self, table: CatalogTable, counted: _Counted | None, changes: RowChanges) -> int | None:
        """The rows that are gone from a table that still exists."""
        if table.identity in self._tracker.emptied:
            return counted.rows if counted else None
        if not changes.deleted or not table.readable:
            return changes.deleted
        before = counted.rows if counted else measure(self._connection, table).rows + changes.deleted - changes.inserted
        return min(changes.deleted, before)  # Without rows that the revision inserted itself.

    def _values_lost(
        self, table: CatalogTable, now: CatalogTable, counted: _Counted | None, deleted: int
    ) -> dict[str, int | None]:
        """The values that are gone from a table that still exists, without those of deleted rows."""
        names = {name: new for new, name in _names(table, now).items()}
        known = counted.values if counted else {}
        lost: dict[str, int | None] = {
            name: known[name].first if name in known else None for name in table.columns if name not in names
        }
        present = {name: names[name] for name in known if name in names}
        if counted and counted.open and present:
            left = measure(self._connection, now, present.values())
            for name, new in present.items():
                known[name].count_again(left.values[new], deleted)
        return lost | {name: known[name].lost for name in present}

    def _values_copied(
        self, table: CatalogTable, now: CatalogTable, counted: _Counted | None, rows: int
    ) -> dict[str, int | None]:
        """The values that are gone from a table that was rebuilt, without those of deleted rows."""
        known = counted.values if counted else {}
        copied = {
            name
            for name, identity in table.columns.items()
            if name in now.columns and (table.name, name) not in self._missing and self._tracker.was_read(identity)
        }
        left = measure(self._connection, now, copied & known.keys())
        lost: dict[str, int | None] = {}
        for name in table.columns:
            if name not in known:
                lost[name] = None
            elif name in copied:
                known[name].count_again(left.values[name], max(rows, known[name].deleted))
                lost[name] = known[name].lost
            else:
                lost[name] = known[name].first
        return lost

    def _changes_of(self, table: CatalogTable) -> RowChanges:
        return self._since(table.identity, self._tracker.row_changes(table.identity))

    def _since(self, table: Hashable, changes: Mapping[Hashable, RowChanges]) -> RowChanges:
        """The rows that the revision inserted, deleted and updated."""
        since = changes.get(table, RowChanges()).minus(self._changes.get(table, RowChanges()))
        return RowChanges(*(max(each, 0) for each in since))

    @staticmethod
    def _not_arrived(item: str, lost: int, places: Iterable[str], arrived: dict[str, int]) -> int:
        """The number of rows or values that are still lost. Each arrival in a place is counted for one source only."""
        for place in places:
            there = arrived[place]
            if there and lost > 0 and "." in place and "." not in item:
                return 0  # Rows became values, such as a list. The number of rows in a value is not known.
            here = min(max(lost, 0), there)
            arrived[place] -= here
            lost -= here
        return lost

    def _full(self, place: str) -> int:
        """The rows or values of "table" or "table.column"; 0 where it does not exist."""
        tables = self._tracker.tables
        found = find({name: table.columns for name, table in tables.items()}, place)
        if found is None:
            return 0
        name, column = found
        return measure(self._connection, tables[name], [] if column is None else [column]).of(column)


def _names(before: CatalogTable, now: CatalogTable) -> dict[str, str]:
    """The old name of each column of a table, by its new name."""
    names = {identity: name for name, identity in before.columns.items()}
    return {name: names[identity] for name, identity in now.columns.items() if identity in names}
