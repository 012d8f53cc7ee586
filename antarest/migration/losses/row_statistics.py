"""The numbers of inserted, deleted and updated rows of a transaction, as a PostgreSQL server counts them.

The server also counts the changes that a rollback to a savepoint has undone, and the changes of a block with EXCEPTION
in which a statement failed. An insertion that was undone would hide a row that is deleted later. Therefore this module
subtracts the changes that were undone. For blocks with EXCEPTION, the module counts the rows of the tables before the
block, and again when the numbers are needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from ..database.catalog import CatalogTable, Tables, measure
from .tracking.base import NotAllowed, RowChanges

NOT_COUNTED = "track_counts is off, so that nobody knows what is deleted"
TAKES_BACK = re.compile(r"\bEXCEPTION\s+WHEN\b", re.IGNORECASE)

_ROW_CHANGES = """
    SELECT relid, n_tup_ins, n_tup_del, n_tup_upd, current_setting('track_counts')
    FROM pg_catalog.pg_stat_xact_user_tables
    WHERE n_tup_ins + n_tup_del + n_tup_upd > 0 OR current_setting('track_counts') <> 'on'
"""
_NONE = RowChanges()


class _Count(NamedTuple):
    """The number of rows of a table, and the changes that the server had counted at that time."""

    rows: int
    changes: RowChanges


class RowStatistics:
    """The numbers of changed rows of each table. Call `before()` and `after()` around each statement."""

    def __init__(self, connection: Connection, tables: Callable[[], Tables]) -> None:
        """Begin without changes that were undone. `tables` returns the present tables."""
        self._connection = connection
        self._tables = tables
        self._undone: dict[Hashable, RowChanges] = {}
        # `_next` and `_before` belong to the current statement. `_counts` has the counts since the last `now()`.
        self._next: dict[Hashable, _Count] = {}
        self._before: Mapping[Hashable, RowChanges] | None = None
        self._counts: dict[Hashable, _Count] = {}

    def forget(self) -> None:
        """Begin a revision: forget the changes that were undone before."""
        self._undone, self._next, self._before, self._counts = {}, {}, None, {}

    def now(self) -> dict[Hashable, RowChanges]:
        """Return the numbers of inserted, deleted and updated rows of each table until now.

        Raises:
            NotAllowed: the server does not count rows.
        """
        found = {table: counted.minus(self._undone.get(table, _NONE)) for table, counted in self._read().items()}
        counts, self._counts = self._counts, {}
        for table in self._tables().values() if counts else ():
            if count := counts.get(table.identity):
                rows_now = measure(self._connection, table).rows
                undone = _undone(count, rows_now, found.get(table.identity, _NONE))
                found[table.identity] = found.get(table.identity, _NONE).minus(undone)
                self._undo(table.identity, undone)
        return found

    def emptied(self, tables: Collection[CatalogTable]) -> set[Hashable]:
        """Return the identities of the tables in which all rows were inserted by this transaction."""
        counted = self._read() if tables else {}
        kept = {
            table.identity
            for table in tables
            if table.readable and measure(self._connection, table).rows > counted.get(table.identity, _NONE).inserted
        }
        return {table.identity for table in tables} - kept

    def before(self, tables: Iterable[CatalogTable], *, is_dynamic: bool) -> None:
        """Count the rows of the tables whose changes the next statement can undo, as a block with EXCEPTION does.

        Args:
            tables: these tables; empty if the statement cannot undo changes.
            is_dynamic: whether the statement can also undo changes of other tables, whose names the statement computes.
        """
        new = [table for table in tables if table.readable and table.identity not in self._counts]
        changes = self.now() if new or is_dynamic else {}
        self._before = changes if is_dynamic else None
        self._next = {
            table.identity: _Count(measure(self._connection, table).rows, changes.get(table.identity, _NONE))
            for table in new
        }

    def after(self) -> None:
        """End the statement for which `before()` was called.

        Some statements can undo changes of any table. The insertions of such a statement count as undone in each table
        that `before()` did not count.
        """
        if self._before is not None:
            for table, change in self.now().items():
                if table not in self._next:
                    self._undo(table, RowChanges(change.inserted - self._before.get(table, _NONE).inserted))
            self._before = None
        self._counts |= self._next
        self._next = {}

    def restore(self, changes: Mapping[Hashable, RowChanges]) -> None:
        """Return to an earlier result of `now()`, after a rollback to a savepoint."""
        for table, change in self.now().items():
            self._undo(table, change.minus(changes.get(table, _NONE)))

    def _read(self) -> dict[Hashable, RowChanges]:
        """Return the numbers of the server. After a TRUNCATE, the server begins to count again."""
        rows = self._connection.execute(text(_ROW_CHANGES)).all()
        if any(row[4] != "on" for row in rows):
            raise NotAllowed(NOT_COUNTED)
        return {row[0]: RowChanges(*row[1:4]) for row in rows}

    def _undo(self, table: Hashable, changes: RowChanges) -> None:
        self._undone[table] = self._undone.get(table, _NONE).plus(changes)


def _undone(count: _Count, rows: int, changes: RowChanges) -> RowChanges:
    """Return the changes that were undone since a count.

    If rows were inserted and rows were deleted since the count, no deletion counts as undone.
    """
    since, grown = changes.minus(count.changes), rows - count.rows
    deleted = since.deleted if since.inserted else min(max(-grown, 0), since.deleted)
    inserted = min(max(grown + deleted, 0), since.inserted)
    return RowChanges(since.inserted - inserted, since.deleted - deleted)
