"""Counts rows and values before the statements of a revision, and compares the counts with those after the revision."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from ..database.catalog import CatalogTable, Measure, measure
from .copied_rows import CopiedRows
from .counted import Counted, Values
from .kept_values import KeptValues
from .moves import Moves
from .tracking.base import ChangeTracker, RowChanges, Takes
from .tracking.origins import Origin

_VALUES = re.compile(r"'(?:[^']|'')+'(?!')|\b\d+\b")  # an empty text does not match


class Lost(NamedTuple):
    """Lost rows of a table, or lost values of a column. The amount is None if it is not known."""

    table: str
    column: str | None
    amount: int | None

    @property
    def item(self) -> str:
        """The key of `lossy` that declares this loss."""
        return self.table if self.column is None else f"{self.table}.{self.column}"


class LossCounter:
    """A counter of the data that one revision loses.

    Call `before()` and `after()` around each statement, and `lost()` at the end.
    """

    def __init__(self, connection: Connection, tracker: ChangeTracker, moves: Moves) -> None:
        """Begin with the current tables of the tracker. `moves` has the moves that the revision declares."""
        self._connection = connection
        self._tracker = tracker
        self._before = tracker.tables
        self._by_identity = {table.identity: table for table in self._before.values()}
        self._changes = tracker.row_changes()
        self._moves = moves
        self._copied = CopiedRows(connection, tracker)
        self._kept = KeptValues(connection)
        self._counted: dict[Hashable, Counted] = {}
        self._missing: set[tuple[str, str]] = set()
        self._shape = ""

    def before(self, statement: str, takes: Takes) -> None:
        """Count the rows and values of tables from which a statement may remove data, before the statement runs.

        Statements that differ only in their values are counted together, because a revision can run one
        such statement for each row.
        """
        self._shape = _VALUES.sub("?", statement)
        self._kept.before(statement, self._tracker.went_back)
        for name, columns in takes.items():
            self._count_before(self._tracker.tables[name], columns)
        self._moves.before(statement, takes)
        self._copied.before(statement, takes)

    def after(self, *, has_changed_tables: bool) -> None:
        """Note the effect of a statement that has run."""
        self._moves.after()
        self._copied.after()
        if has_changed_tables:
            self._note_missing_columns()

    def _count_before(self, table: CatalogTable, columns: Collection[str]) -> None:
        """Count the rows and values of a table before a statement writes to it, unless the revision made the table.

        Args:
            table: the table to which the statement writes.
            columns: the columns from which the statement may remove values; none if it only inserts or deletes rows.
        """
        before = self._by_identity.get(table.identity)
        if before is None or not table.readable or table.identity in self._tracker.emptied:
            return
        if table.identity in self._tracker.unlocked:
            self._counted.pop(table.identity, None)  # Others can still write, so no count is exact.
            return
        counted, back = self._counted.get(table.identity), self._tracker.went_back
        is_locked = table.identity in self._tracker.locked and not (counted and counted.exact_since == back)
        writes_no_values = not columns and not is_locked
        is_fresh = bool(counted and counted.open and (writes_no_values or is_locked or counted.shape != self._shape))
        if counted and is_fresh:
            self._count_again(table, before, counted)
        if writes_no_values:
            return
        known, names = counted.values if counted else {}, table.old_names(before)
        new = {name for name in columns if name in names and names[name] not in known}
        is_closed = counted and not counted.open and not is_fresh
        again = {now for now, name in names.items() if name in known and is_closed}
        # Columns that were counted before the lock are counted again, because others may have written to them.
        unsure = {name for name in columns if is_locked and names.get(name) in known}
        if counted is None or new or again or is_locked:
            found, changes = self._measure(table, new | again | unsure), self._changes_of(table)
            rows = found.rows + changes.deleted - changes.inserted
            counted = self._counted.setdefault(table.identity, Counted(rows))
            self._note_others(table, counted, found, changes)
            if is_locked:
                counted.rows, counted.exact_since = rows, back
            for name in unsure:
                known[names[name]].first = known[names[name]].first.most(found.columns[name])
            for name in new | again:
                counted.begin(names[name], found.columns[name], changes.deleted)
        counted.open, counted.shape = True, self._shape
        self._remember(table, names, counted, columns)

    def _remember(
        self, table: CatalogTable, names: Mapping[str, str], counted: Counted, columns: Collection[str]
    ) -> None:
        """Remember the rows that have a value in a column that a statement may set to NULL.

        Do nothing if others can write to the table.
        """
        if counted.exact_since != self._tracker.went_back and self._tracker.may_be_shared(table.identity):
            return
        known = [name for name in columns if names.get(name) in counted.values and self._tracker.can_empty(name)]
        counts = {name: counted.values[names[name]] for name in known}
        full = {name: (each.now, each.overwritten) for name, each in counts.items()}
        self._kept.remember(table, names, full, counted.now, lambda: self._changes_of(table).deleted)

    def _count_again(self, table: CatalogTable, before: CatalogTable, counted: Counted) -> None:
        """Count the values of a table that statements have overwritten until now."""
        names = {now: name for now, name in table.old_names(before).items() if name in counted.values}
        found, changes = self._measure(table, names), self._changes_of(table)
        self._note_others(table, counted, found, changes)
        for now, name in names.items():
            counted.values[name].count_again(found.columns[now], changes.deleted)
        counted.open = False

    def _note_missing_columns(self) -> None:
        """Note the columns that were dropped. A later column with the same name is a new column."""
        now = self._tracker.tables
        for name in self._before.keys() & now.keys():
            self._missing |= {(name, column) for column in self._before[name].columns.keys() - now[name].columns.keys()}

    def lost(self) -> Iterator[Lost]:
        """Yield the losses of the revision, without data that has arrived at its declared destination."""
        found = sorted(self._all_lost(), key=lambda each: (each.table, each.column or ""))
        rest = self._moves.not_arrived({each.item: each.amount for each in found})
        for each in found:
            amount = rest[each.item]
            if amount is None or amount > 0:
                yield each._replace(amount=amount)
        for table, column, amount in self._moves.values_not_arrived(rest):
            if rest.get(f"{table}.{column}", 0) == 0:
                yield Lost(table, column, amount)

    def overtaken(self, lost: Iterable[Lost], declared: Collection[str]) -> Iterator[CatalogTable]:
        """Yield the tables whose data the revision used and then removed, while other sessions changed that data.

        The revision may have copied rows that were out of date. Some of the counted losses may be rows of other
        sessions.

        Args:
            lost: the result of `lost()`.
            declared: the losses that the revision declares. A table with only declared losses is not yielded.
        """
        alive = {table.identity: table for table in self._tracker.tables.values()}
        nulled = {(each.table, each.column) for each in lost}
        for name, table in self._before.items():
            counted, same = self._counted.get(table.identity), alive.get(table.identity)
            if not counted or not counted.others:
                continue
            if same and table.identity not in self._tracker.emptied:
                kept = same.old_names(table).values()
                taken = {
                    f"{name}.{column}"
                    for column in table.columns
                    if ((name, column) in nulled if column in kept else self._tracker.was_used(table.identity))
                }
            else:
                taken = {name} if self._tracker.was_used(table.identity) else set()
            if taken - {*declared}:
                yield table

    def _all_lost(self) -> Iterator[Lost]:
        self._kept.follow(self._tracker.went_back)
        now, changed = self._tracker.tables, self._tracker.row_changes()
        alive = {table.identity: table for table in now.values()}
        unforeseen = self._tracker.unforeseen({i: self._since(i, changed).updated for i in alive})
        for name, table in self._before.items():
            counted, changes = self._counted.get(table.identity), self._since(table.identity, changed)
            if same := alive.get(table.identity):
                rows = self._rows_lost(same, counted, changes)
                values = self._values_lost(table, same, counted, changes)
                values |= dict.fromkeys(unforeseen.get(table.identity, ()))
            elif name in now and now[name].identity not in self._by_identity:
                # The table was rebuilt: the new table has the same name, and columns are matched by name.
                rows = counted.rows - self._copied.in_place_of(table, now[name]) if counted else None
                if counted and rows is not None and self._tracker.may_be_shared(table.identity):
                    counted.others = max(counted.others, -rows)  # Perhaps others deleted rows after the copy.
                values = self._values_copied(table, now[name], counted, rows or 0)
            else:
                rows, values = counted.rows if counted else None, {}
            yield Lost(name, None, rows)
            if counted and rows == counted.rows:
                continue  # The values were lost with their rows.
            yield from (Lost(name, column, amount) for column, amount in values.items())
        self._kept.forget()

    def _rows_lost(self, table: CatalogTable, counted: Counted | None, changes: RowChanges) -> int | None:
        """Return the number of rows that are gone from a table that still exists."""
        if table.identity in self._tracker.emptied:
            return counted.rows if counted else None
        if not changes.deleted or not table.readable:
            return changes.deleted
        before = counted.rows if counted else measure(self._connection, table).rows + changes.deleted - changes.inserted
        return min(changes.deleted, before)  # New rows of the revision do not count.

    def _values_lost(
        self, table: CatalogTable, now: CatalogTable, counted: Counted | None, changes: RowChanges
    ) -> dict[str, int | None]:
        """Return for each column the number of values that are gone from a table that still exists.

        Values of deleted rows do not count.
        """
        names = {name: new for new, name in now.old_names(table).items()}
        known = counted.values if counted else {}
        lost: dict[str, int | None] = {
            name: known[name].first.values if name in known else None for name in table.columns if name not in names
        }
        present = {name: names[name] for name in known if name in names}
        if counted and counted.open and present:
            left = self._measure(now, present.values())
            self._note_others(now, counted, left, changes)
            for name, new in present.items():
                known[name].count_again(left.columns[new], changes.deleted)
        kept = self._kept.lost(table, now, names, changes.deleted)
        lost |= {name: _most(known[name].lost, kept.get(name, 0)) for name in present}
        return lost | self._retyped(table, names, known, lost)

    def _retyped(
        self, table: CatalogTable, kept: Collection[str], known: Mapping[str, Values], taken: Mapping[str, int | None]
    ) -> dict[str, int | None]:
        """Return for each column the number of values that a change of type has lost."""
        lost: dict[str, int | None] = {}
        for name in kept:
            origin, values = self._tracker.origins[table.columns[name]], known.get(name)
            if origin.changed is None:
                lost[name] = 0 if values and not values.first.values else None
            elif origin.changed and (amount := taken.get(name, 0)) is not None:
                lost[name] = origin.changed + amount
        return lost

    def _values_copied(
        self, table: CatalogTable, now: CatalogTable, counted: Counted | None, rows: int
    ) -> dict[str, int | None]:
        """Return for each column the number of values that a rebuild has lost. Values of deleted rows do not count."""
        known, places = counted.values if counted else {}, self._copies_of(table, now)
        left = measure(self._connection, now.whole, {new for name, (new, _) in places.items() if name in known})
        others = max(left.rows - counted.rows + rows, 0) if counted else 0  # new rows that are not copies
        kept = self._kept.lost(table, now, {name: new for name, (new, _) in places.items()}, max(rows, 0))
        lost: dict[str, int | None] = {}
        for name in table.columns:
            if name not in known:
                lost[name] = None
            elif name in places:
                (new, origin), values = places[name], known[name]
                missing = values.missing(left.columns[new], rows) + others
                values.count_again(left.columns[new], max(rows, values.deleted))
                emptied = min(origin.emptied, missing, values.first.values)
                moved = max(values.first.minus(left.columns[new])) - max(rows, 0)  # beyond the missing rows
                taken = _most(values.lost, emptied, moved, kept.get(name, 0))
                lost[name] = None if taken is None or origin.changed is None else taken + origin.changed
            else:
                lost[name] = known[name].first.values
        return lost

    def _copies_of(self, table: CatalogTable, now: CatalogTable) -> dict[str, tuple[str, Origin]]:
        """Return for each old column the name of its copy in the rebuilt table, and the origin of the copied values."""
        origins = {new: self._tracker.origins.of(identity) for new, identity in now.columns.items()}
        places: dict[Hashable, tuple[str, Origin]] = {}
        for new, origin in ((new, origin) for new, each in origins.items() for origin in each):
            if origin.column not in places or table.columns.get(new) == origin.column:
                places[origin.column] = (new, origin)
        found = {name: places[identity] for name, identity in table.columns.items() if identity in places}
        for name, identity in table.columns.items():
            # If no known statement fills the column, the column of the same name may have been copied to it.
            is_unknown = name in now.columns and origins[name][-1].column == now.columns[name]
            is_other = not is_unknown or (table.name, name) in self._missing or not self._tracker.was_read(identity)
            if name not in found and not is_other:
                converts = self._tracker.origins.can_convert(table.types[name], now.types[name])
                found[name] = (name, Origin(identity, None if converts else 0))
        return found

    def _measure(self, table: CatalogTable, columns: Iterable[str]) -> Measure:
        return measure(self._connection, table, columns, self._tracker.written_by_others())

    def _note_others(self, table: CatalogTable, counted: Counted, found: Measure, changes: RowChanges) -> None:
        """Note the number of rows of a table, and the number of rows that other sessions have written or deleted."""
        counted.now = found.rows
        is_alone = not self._tracker.may_be_shared(table.identity) or counted.exact_since == self._tracker.went_back
        if self._tracker.written_by_others() and table.identity not in self._tracker.emptied and not is_alone:
            expected = counted.rows + changes.inserted - changes.deleted
            counted.others = max(counted.others, found.chosen, abs(found.rows - expected))

    def _changes_of(self, table: CatalogTable) -> RowChanges:
        return self._since(table.identity, self._tracker.row_changes(table.identity))

    def _since(self, table: Hashable, changes: Mapping[Hashable, RowChanges]) -> RowChanges:
        """Return how many rows of a table the revision has inserted, deleted and updated."""
        since = changes.get(table, RowChanges()).minus(self._changes.get(table, RowChanges()))
        return RowChanges(*(max(each, 0) for each in since))


def _most(*amounts: int | None) -> int | None:
    """Return the largest of these amounts; None if any of them is not known."""
    known = [each for each in amounts if each is not None]
    return max(known) if len(known) == len(amounts) else None
