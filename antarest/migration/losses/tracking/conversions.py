"""Counts the values that a change of type has changed: cast back to the old type, they are other values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...database.catalog import Tables, affinity
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
    """Follows the values of a transaction from column to column, by the statements that copy them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"
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

    def note(self, statement: str, tables: Tables) -> None:
        """Note a statement that has run, with the tables as they are then."""
        copy = read_copy(statement, brackets=self._is_sqlite)
        copied = copy.columns(tables) if copy else []
        if not copy or not copied:
            return
        converted = [each for each in copied if self._is_converted(each)]
        changed = dict(zip((each.column for each in converted), self._count(copy, converted), strict=True))
        for each in copied:
            column, origin = each.target.columns[each.column], self[each.source.columns[each.original]]
            before = self._origins.get(column)
            if before is None or before.column != origin.column:
                before = origin
            self._origins[column] = Origin(origin.column, _sum(before.changed, changed.get(each.column, 0)))

    def converts(self, old: str, new: str) -> bool:
        """Whether a value of one type can become another value in a column of another type."""
        return affinity(old) != affinity(new) if self._is_sqlite else old != new

    def _is_converted(self, copied: Copied) -> bool:
        old, new = copied.types
        return self.converts(old, new) or (old != new and not copied.is_bare)

    def _count(self, copy: Copy, converted: Sequence[Copied]) -> Sequence[int | None]:
        """Count the values that each conversion has changed, with one statement."""
        if not converted or not copy.is_plain:
            return [None] * len(converted)
        try:
            return self._connection.exec_driver_sql(_sqlite(copy.reads, converted)).one()
        except DBAPIError:  # Its parameters are missing, for one.
            return [None] * len(converted)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


# ---- SQLite

_MIDNIGHT = "' 00:00:00.000000'"


def _sqlite(reads: str, converted: Sequence[Copied]) -> str:
    """Count the changed values of each conversion, in one scan of what the query reads."""
    raw = ", ".join(f"{each.old} AS o{at}, ({each.new}) AS e{at}" for at, each in enumerate(converted))
    stored = ", ".join(f"o{at}, {_stored(f'e{at}', each.types[1])} AS v{at}" for at, each in enumerate(converted))
    counts = ", ".join(
        f"coalesce(sum(coalesce(NOT ({_same(f'v{at}', f'o{at}', each)}), 0)), 0)" for at, each in enumerate(converted)
    )
    return f"SELECT {counts} FROM (SELECT {stored} FROM (SELECT {raw} {reads}))"


def _stored(value: str, declared: str) -> str:
    """A value as a column of this type stores it."""
    kind = affinity(declared)
    if kind == "blob":
        return value
    if kind == "text":
        return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
    number = f"CAST({value} AS {'REAL' if kind == 'real' else 'NUMERIC'})"
    is_number = f"typeof({value}) = 'text' AND CAST({value} AS NUMERIC) = {value}"
    return f"CASE WHEN typeof({value}) IN ('integer', 'real') OR {is_number} THEN {number} ELSE {value} END"


def _same(new: str, old: str, copied: Copied) -> str:
    """Whether a value is still the old one. It is NULL where one of both is NULL."""
    kinds = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "blob": "BLOB"}
    back = " ".join(f"WHEN '{kind}' THEN CAST({new} AS {name})" for kind, name in kinds.items())
    same = f"+{old} = +(CASE typeof({old}) {back} END) COLLATE BINARY"
    if any("date" in each or "time" in each for each in copied.types):
        same += (
            f" OR {old} || {_MIDNIGHT} = {new} OR {new} || {_MIDNIGHT} = {old}"  # A date is the time of its midnight.
        )
    if affinity(copied.types[1]) not in {"integer", "real"}:
        same += f" OR {new} = ''"  # The fullness of the column tells this.
    return same
