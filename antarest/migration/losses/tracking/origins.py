"""Follows values through the statements that copy them to other columns, and counts values that a new type alters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from ...database.catalog import Tables
from .conversions import Conversion, can_convert, count_changed, count_emptied
from .copies import Copied, Copy, read_copy


class Origin(NamedTuple):
    """The origin of the values of a column.

    Attributes:
        column: the identity of the column from which the values were copied.
        changed: the number of values that changes of type have altered on the way; None if it is not known.
        is_exact: whether the values were copied unchanged.
        emptied: the number of values that became NULL or an empty text on the way.
    """

    column: Hashable
    changed: int | None = 0
    is_exact: bool = True
    emptied: int = 0


OriginsState = dict[Hashable, dict[Hashable, Origin]]
"""For each column, the origins of its values. The key of an origin is the column from which the values come."""


class Origins:
    """The origin of the values of each column, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._engine = connection.dialect.name
        self._old: frozenset[Hashable] = frozenset()  # the columns that existed before the revision
        self._origins: OriginsState = {}
        self._fillings: dict[Hashable, Origin] = {}  # for old columns, which also have values of their own

    def __getitem__(self, column: Hashable) -> Origin:
        """Return the last origin of a column's values. If no statement has filled the column, this is the column."""
        return self.of(column)[-1]

    def of(self, column: Hashable) -> list[Origin]:
        """Return all origins of a column's values. There are several if its table is filled from several tables."""
        return [*self._origins.get(column, {}).values()] or [Origin(column)]

    def filling(self, column: Hashable) -> Origin:
        """Return the origin of the values that were copied to a column. The column may also have other values."""
        return self._fillings.get(column, self[column])

    def begin(self, tables: Tables) -> None:
        """Begin a revision: each column is the origin of its own values."""
        self._old = frozenset(column for table in tables.values() for column in table.columns.values())
        self._origins.clear()
        self._fillings.clear()

    def save(self) -> OriginsState:
        """Return a copy of the present state, to restore it at a rollback to a savepoint."""
        return {column: {**origins} for column, origins in self._origins.items()}

    def restore(self, state: OriginsState) -> None:
        """Restore a state that `save()` has returned."""
        self._origins = {column: {**origins} for column, origins in state.items()}

    def note(self, copy: Copy, tables: Tables) -> bool:
        """Note a copy that has run. Return whether the copy is understood.

        Args:
            copy: the statement that has run.
            tables: the tables after the copy.
        """
        found = [self._note(part, tables) for part in copy.parts()]
        return all(found)

    def _note(self, copy: Copy, tables: Tables) -> bool:
        copied = copy.columns(tables)
        converted = [each for each in copied if not self._is_old(each) and self._is_converted(each)]
        changed = dict(zip((each.column for each in converted), self._count(copy, converted), strict=True))
        emptied = self._emptied(copy, [each for each in copied if not self._is_old(each) and not each.is_bare])
        for each in copied:
            column = each.target.columns[each.column]
            for origin in self.of(each.source.columns[each.original]):
                is_exact = origin.is_exact and each.is_bare and each.column not in changed
                if self._is_old(each):
                    self._fillings[column] = Origin(origin.column, is_exact=is_exact)
                else:
                    before = self._origins.get(column, {}).get(origin.column, origin)
                    lost = before._replace(emptied=before.emptied + emptied.get(each.column, 0))
                    self.add(column, lost, changed.get(each.column, 0), is_exact=is_exact)
        return bool(copied)

    def add(self, column: Hashable, origin: Origin, changed: int | None, *, is_exact: bool = False) -> None:
        """Note that a column has got the values of an origin, and how many of these values a new type has altered."""
        is_known = changed is not None and origin.changed is not None
        amount = (origin.changed or 0) + (changed or 0) if is_known else None
        origins = self._origins.setdefault(column, {})
        origins.pop(origin.column, None)  # The newest origin is the last.
        origins[origin.column] = Origin(origin.column, amount, origin.is_exact and is_exact, origin.emptied)

    def can_convert(self, old: str, new: str) -> bool:
        """Return whether a value can change when it is stored in a column of another type."""
        return can_convert(self._engine, old, new)

    def read(self, statement: str) -> Copy | None:
        """Parse a statement that copies values. Return None for any other statement."""
        return read_copy(statement, brackets=self._engine == "sqlite")

    def _is_old(self, copied: Copied) -> bool:
        return copied.target.columns[copied.column] in self._old

    def _is_converted(self, copied: Copied) -> bool:
        """Return whether a copy may change values by accident.

        If the old and the new column have the same name and type, a changed value counts as intended.
        """
        old, new = copied.types
        is_renamed = copied.original.lower() != copied.column.lower()
        return self.can_convert(old, new) or (not copied.is_bare and (old != new or is_renamed))

    def _count(self, copy: Copy, converted: Sequence[Copied]) -> list[int | None]:
        if not copy.is_plain or not all(each.source.readable for each in converted):
            return [None] * len(converted)
        return count_changed(self._connection, copy.reads, _conversions(converted))

    def _emptied(self, copy: Copy, written: Sequence[Copied]) -> dict[str, int]:
        """Count the values of each column that an expression has turned into NULL or an empty text."""
        if not copy.is_plain or not all(each.source.readable for each in written):
            return {}
        counts = count_emptied(self._connection, copy.reads, _conversions(written))
        return {each.column: count for each, count in zip(written, counts, strict=True)}


def _conversions(copied: Sequence[Copied]) -> list[Conversion]:
    return [Conversion(each.old, each.new, *each.types) for each in copied]
