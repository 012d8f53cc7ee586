"""Finds updated rows in tables that no statement was expected to update (PostgreSQL).

The server counts the updated rows of each table. A statement is expected to update the tables that its text names, and
the tables that it updates in a trial run. If the server counts more updated rows, the other rows may have lost values
that were not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping

from sqlalchemy import Connection, text

from ...database.catalog import CatalogTable
from .base import RowChanges

# The columns that can lose a value: to NULL, to an empty text, or to the null of JSON.
_CAN_LOSE = """
    SELECT a.attrelid, a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = ANY (:tables) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND (NOT a.attnotnull OR t.typcategory = 'S'
            OR t.typoutput IN ('pg_catalog.json_out'::regproc, 'pg_catalog.jsonb_out'::regproc))
"""


class Updates:
    """The updates of one revision. Call `foresee()` before and `explain()` after each statement."""

    def __init__(self, connection: Connection, changes: Callable[[], Mapping[Hashable, RowChanges]]) -> None:
        """Begin without updates. `changes` returns the numbers of changed rows of each table until now."""
        self._connection = connection
        self._changes = changes
        self._foreseen: dict[Hashable, int] = {}  # for each table: the updated rows before the statement
        self._explained: Counter[Hashable] = Counter()

    def begin(self) -> None:
        """Begin a revision. No updates are expected yet."""
        self._explained.clear()
        self.forget()

    def forget(self) -> None:
        """Forget the foreseen updates, so that the next statement can begin."""
        self._foreseen = {}

    def disclaim(self, tables: Iterable[Hashable]) -> None:
        """Note that the values that the statement removes from these tables cannot be counted."""
        for table in tables:
            self._foreseen.pop(table, None)

    def foresee(self, tables: Iterable[Hashable]) -> None:
        """Note that the next statement can update these tables."""
        if found := set(tables) - self._foreseen.keys():
            changes = self._changes()
            self._foreseen |= {table: changes.get(table, RowChanges()).updated for table in found}
            self._explained.update(dict.fromkeys(found, 0))

    def attempted(self, before: Mapping[Hashable, RowChanges], tables: Iterable[CatalogTable]) -> list[CatalogTable]:
        """Return the tables that a trial run has updated, although no update of these tables was foreseen.

        This is possible, because the server also counts the updates that a rollback to a savepoint has undone.
        """
        now, none = self._changes(), RowChanges()
        grown = {table for table, change in now.items() if change.updated > before.get(table, none).updated}
        return [table for table in tables if table.identity in grown - self._foreseen.keys()]

    def foresee_deferred(self) -> None:
        """Note that deferred triggers can update each table that a statement of the revision has updated."""
        self.foresee(self._explained)

    def explain(self) -> None:
        """Note how many rows the statement has updated in each table for which updates were foreseen."""
        changes = self._changes() if self._foreseen else {}
        for table, before in self._foreseen.items():
            self._explained[table] += changes.get(table, RowChanges()).updated - before
        self.forget()

    def unforeseen(self, updated: Mapping[Hashable, int]) -> dict[Hashable, set[str]]:
        """Return the columns that may have lost values, because more rows were updated than the statements explain.

        Args:
            updated: the number of rows that the revision has updated in each table. The key is the identity of the
                table.
        """
        self.explain()
        tables = [table for table, rows in updated.items() if rows > self._explained[table]]
        found: dict[Hashable, set[str]] = {}
        for table, column in self._connection.execute(text(_CAN_LOSE), {"tables": tables}) if tables else ():
            found.setdefault(table, set()).add(column)
        return found

    def save(self) -> Counter[Hashable]:
        """Return a copy of the present state, to restore it at a rollback to a savepoint."""
        return Counter(self._explained)

    def restore(self, state: Counter[Hashable]) -> None:
        """Restore a state that `save()` has returned."""
        self._explained = Counter(state)
