"""Finds the columns to which a PostgreSQL statement gives another type: `ALTER TABLE t ALTER COLUMN c TYPE integer`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from ...database.catalog import CatalogTable, Tables, quote
from ...schema.sql import Piece, pieces
from .conversions import Conversion, can_convert, count_changed
from .origins import Origins


class Retype(NamedTuple):
    """The new type of a column.

    Attributes:
        column: the name of the column.
        type: the new type, as the statement writes it, in lower case.
        using: the expression after USING; empty if the statement has none, so that the server casts the old values.
    """

    column: str
    type: str
    using: str

    def conversion(self, table: CatalogTable) -> Conversion | None:
        """Return the conversion that the new type causes in a table; None if the new type cannot change a value."""
        old = table.types[self.column]
        is_same = not can_convert("postgresql", self.type, old)  # A change back alters no value either.
        if not can_convert("postgresql", old, self.type) and (is_same or not self.using):
            return None
        column = quote(self.column)
        return Conversion(column, self.using or column, old, self.type)


class Retypes:
    """The changes of types in one transaction. Call `count()` before and `note()` after a statement."""

    def __init__(self, connection: Connection, origins: Origins) -> None:
        """Begin with no changes of types. The counts of altered values are added to `origins`."""
        self._connection = connection
        self._origins = origins
        self._counts: dict[Hashable, int | None] = {}

    def forget(self) -> None:
        """Forget the counts, so that the next statement can begin."""
        self._counts.clear()

    def count(self, statement: str, tables: Iterable[CatalogTable]) -> None:
        """Count the values of these tables that change when a statement changes the type of their column."""
        retypes = read_retypes(statement)
        for table in tables:
            found = {each.column: each.conversion(table) for each in retypes if each.column in table.columns}
            conversions = {column: each for column, each in found.items() if each}
            counts: Sequence[int | None] = [None] * len(conversions)
            if table.readable:
                counts = count_changed(self._connection, f"FROM {table.sql}", [*conversions.values()])
            self._counts |= dict.fromkeys((table.columns[column] for column in found), 0)
            self._counts |= zip((table.columns[column] for column in conversions), counts, strict=True)

    def note(self, before: Tables, after: Tables) -> None:
        """Note the columns that have another type now, if the server has rewritten their tables."""
        was = {table.identity: table for table in before.values()}
        for table in after.values():
            old = was.get(table.identity)
            if old is None or old.file == table.file or old.types == table.types:
                continue
            types = {identity: old.types[name] for name, identity in old.columns.items()}
            for name, identity in table.columns.items():
                type_ = types.get(identity, table.types[name])
                if type_ != table.types[name]:
                    unknown = None if can_convert("postgresql", type_, table.types[name]) else 0
                    for origin in self._origins.of(identity):
                        self._origins.add(identity, origin, self._counts.get(identity, unknown))


def read_retypes(statement: str) -> list[Retype]:
    """Return the changes of types in a statement; empty if there are none, or if the statement is not understood."""
    parts = pieces(statement.rstrip().rstrip(";"))
    words = [part.word for part in parts]
    if words[:2] != ["alter", "table"]:
        return []
    found, start, depth = [], 0, 0
    for at, word in enumerate([*words, ","]):
        depth += (word in {"(", "["}) - (word in {")", "]"})
        if word == "," and depth == 0:
            found.append(_read_action(statement, parts[start:at]))
            start = at + 1
    return [retype for retype in found if retype]


def _read_action(statement: str, parts: Sequence[Piece]) -> Retype | None:
    words = [part.word for part in parts]
    if "type" not in words:
        return None
    at = words.index("type")
    name = at - 3 if words[at - 2 : at] == ["set", "data"] else at - 1
    if name < 1 or words[name - 1] not in {"alter", "column"} or at + 1 >= len(words):
        return None
    using = words.index("using", at) if "using" in words[at:] else len(words)
    end = words.index("collate", at, using) if "collate" in words[at:using] else using
    expression = statement[parts[using + 1].start : parts[-1].end] if using + 1 < len(words) else ""
    return Retype(parts[name].name, statement[parts[at + 1].start : parts[end - 1].end].lower(), expression)
