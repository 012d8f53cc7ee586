"""Counts the rows that a revision copies into a rebuilt table, so that other new rows do not hide lost rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping
from math import inf

from sqlalchemy import Connection, inspect

from ..database.catalog import CatalogTable, measure
from .moves import reads_unknown
from .tracking.base import ChangeTracker, RowChanges, Takes
from .tracking.conversions import count_common


class CopiedRows:
    """Counts the rows that statements copy from old tables to new tables.

    Call `before()` and `after()` around each statement.
    """

    def __init__(self, connection: Connection, tracker: ChangeTracker) -> None:
        """Take the tables that exist now as the old tables. Tables that are created later are the new tables."""
        self._connection = connection
        self._tracker = tracker
        self._old = {table.identity for table in tracker.tables.values()}
        self._copied: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)  # keys: a new table, then an old table
        self._unsure: set[tuple[Hashable, Hashable]] = set()  # a new and an old table: perhaps a row was copied twice
        self._is_simple = False  # whether the current statement is a simple copy
        # `_sources`: for each table that the current statement reads, how many rows of each old table the read table
        # has. `_inserted`: for each table that the statement fills, the number of rows inserted before the statement.
        self._sources: dict[Hashable, Mapping[Hashable, float]] = {}
        self._inserted: dict[Hashable, int] = {}
        self._known: Collection[Hashable] = ()

    def before(self, statement: str, takes: Takes) -> None:
        """Note the tables that a statement reads, and the tables that it fills. Call this before the statement runs."""
        self._compare(takes)
        tables = self._tracker.tables.values()
        copy = self._tracker.origins.read(statement)
        self._is_simple = bool(copy and copy.is_simple)
        read = {table.identity for table in tables if self._tracker.reads(table, None)}
        self._sources = {table: {table: inf} if table in self._old else dict(self._copied[table]) for table in read}
        if reads_unknown(statement, tables):
            self._sources[None] = dict.fromkeys(self._old, inf)
        self._known = {table.identity for table in tables}
        into = [table for table in self._new() if self._sources and self._tracker.writes_to(table, None)]
        self._inserted = {table.identity: self._rows_inserted(table) for table in into}

    def after(self) -> None:
        """Count the rows that the statement has copied for which `before()` was called last."""
        for table in self._new() if self._sources else ():
            if table.identity in self._inserted:
                rows = self._rows_inserted(table) - self._inserted[table.identity]
            elif table.identity not in self._known:
                rows = measure(self._connection, table).rows
            else:
                continue
            sources = [found for source, found in self._sources.items() if source != table.identity]
            for old in {old for found in sources for old in found}:
                most = max(found.get(old, 0) for found in sources)
                if not self._is_simple or self._copied[table.identity][old] or self._was_unsure(old):
                    self._unsure.add((table.identity, old))
                self._copied[table.identity][old] += int(min(rows, most))

    def _was_unsure(self, old: Hashable) -> bool:
        """Return whether a table that the current statement reads may contain a row of an old table twice."""
        return any((source, old) in self._unsure for source in self._sources)

    def _compare(self, takes: Takes) -> None:
        """Count copied rows again before the next statement removes the old table from which they were copied.

        The old table is compared with a new table in two cases. In the first case, a row may have been copied twice. In
        the second case, the number of rows counted as copied is smaller than the number of rows in the old table.
        """
        for old in (table for name, table in self._tracker.tables.items() if name in takes):
            for new in self._new() if {*old.columns} == takes[old.name] else ():
                copied = self._copied[new.identity]
                is_unsure = (new.identity, old.identity) in self._unsure
                if copied[old.identity] and (is_unsure or copied[old.identity] < measure(self._connection, old).rows):
                    pairs = self._unchanged(old, new) if is_unsure else _same_names(old, new)
                    same = count_common(self._connection, old, new.whole, pairs, values=False) if pairs else None
                    if same is not None:  # Rows that were copied and then deleted are missing.
                        same += self._changes(new).deleted
                        copied[old.identity] = same if is_unsure else max(copied[old.identity], same)

    def _unchanged(self, old: CatalogTable, new: CatalogTable) -> list[tuple[str, str]]:
        """Return the pairs of an old and a new column that identify a copied row in both tables.

        These are the columns of the primary key if their copies are known, and otherwise all columns that were copied
        unchanged.
        """
        names = old.names
        origins = [(each, name) for name, column in new.columns.items() for each in self._tracker.origins.of(column)]
        exact = [(names[each.column], name) for each, name in origins if each.is_exact and each.column in names]
        found = inspect(self._connection).get_pk_constraint(old.bare_name, schema=old.schema or None)
        key = found["constrained_columns"]
        known = [pair for pair in exact or _same_names(old, new) if pair[0] in key]
        return known if key and len(known) == len(key) else exact

    def in_place_of(self, old: CatalogTable, new: CatalogTable) -> int:
        """Return how many rows of a new table were copied from an old table.

        If no statement copied rows from the old table, all rows of the new table count as copied.
        """
        rows, copied = measure(self._connection, new.whole).rows, self._copied[new.identity][old.identity]
        return min(rows, max(copied - self._changes(new).deleted, 0)) if copied else rows

    def _new(self) -> list[CatalogTable]:
        return [table for table in self._tracker.tables.values() if table.identity not in self._old]

    def _rows_inserted(self, table: CatalogTable) -> int:
        """Return a number that grows with each inserted row of a new table. Only the growth has a meaning."""
        if table.is_partitioned:
            return measure(self._connection, table.whole).rows
        return self._changes(table).inserted

    def _changes(self, table: CatalogTable) -> RowChanges:
        return self._tracker.row_changes(table.identity).get(table.identity, RowChanges())


def _same_names(old: CatalogTable, new: CatalogTable) -> list[tuple[str, str]]:
    return [(name, name) for name in old.columns if name in new.columns]
