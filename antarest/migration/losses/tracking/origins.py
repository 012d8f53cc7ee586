"""Follows values from column to column, by the statements that copy them, and counts those that a type changes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from ...database.catalog import Tables
from .conversions import Conversion, can_convert, count_changed
from .copies import Copied, Copy, read_copy


class Origin(NamedTuple):
    """Where the values of a column come from.

    Attributes:
        column: the identity of the column that they were copied from.
        changed: how many of them a change of type has changed on the way; None where nobody knows.
    """

    column: Hashable
    changed: int | None = 0


class Origins:
    """Where the values of each column come from, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._engine = connection.dialect.name
        self._origins: dict[Hashable, Origin] = {}

    def __getitem__(self, column: Hashable) -> Origin:
        """Where the values of a column come from: from itself, unless a statement has copied them."""
        return self._origins.get(column, Origin(column))

    def clear(self) -> None:
        """Begin a revision: values come from where they are."""
        self._origins.clear()

    def save(self) -> dict[Hashable, Origin]:
        """The state, for a savepoint."""
        return dict(self._origins)

    def restore(self, state: dict[Hashable, Origin]) -> None:
        """Go back to a state."""
        self._origins = dict(state)

    def note(self, copy: Copy, tables: Tables) -> None:
        """Note a copy that has run, with the tables as they are then."""
        copied = copy.columns(tables)
        converted = [each for each in copied if self._is_converted(each)]
        changed = dict(zip((each.column for each in converted), self._count(copy, converted), strict=True))
        for each in copied:
            column, origin = each.target.columns[each.column], self[each.source.columns[each.original]]
            before = self._origins.get(column)
            if before is None or before.column != origin.column:
                before = origin
            self.add(column, before, changed.get(each.column, 0))

    def add(self, column: Hashable, origin: Origin, changed: int | None) -> None:
        """Note that a column has got the values of an origin, of which a change of type has changed so many."""
        is_known = changed is not None and origin.changed is not None
        self._origins[column] = Origin(origin.column, (origin.changed or 0) + (changed or 0) if is_known else None)

    def can_convert(self, old: str, new: str) -> bool:
        """Whether a value of one type can become another value in a column of another type."""
        return can_convert(self._engine, old, new)

    def read(self, statement: str) -> Copy | None:
        """Read a statement; None if it copies nothing."""
        return read_copy(statement, brackets=self._engine == "sqlite")

    def _is_converted(self, copied: Copied) -> bool:
        """Whether the values may be others. A new value under the same name and type is meant."""
        old, new = copied.types
        is_renamed = copied.original.lower() != copied.column.lower()
        return self.can_convert(old, new) or (not copied.is_bare and (old != new or is_renamed))

    def _count(self, copy: Copy, converted: Sequence[Copied]) -> list[int | None]:
        if not copy.is_plain or not all(each.source.readable for each in converted):
            return [None] * len(converted)
        conversions = [Conversion(each.old, each.new, *each.types) for each in converted]
        return count_changed(self._connection, copy.reads, conversions)
