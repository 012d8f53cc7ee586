"""Reads which columns a statement of PostgreSQL gives another type: `ALTER TABLE t ALTER COLUMN c TYPE integer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...database.catalog import CatalogTable, quote
from ...schema.sql import Piece, pieces
from .conversions import Conversion, can_convert


class Retype(NamedTuple):
    """The new type of a column.

    Attributes:
        column: the column.
        type: its new type as it is written.
        using: the expression for its new values; empty where it is a cast.
    """

    column: str
    type: str
    using: str

    def conversion(self, table: CatalogTable) -> Conversion | None:
        """The conversion of its values in a table; None where that cannot change any."""
        old = table.types.get(self.column)
        if old is None or (not can_convert("postgresql", old, self.type) and (not self.using or self._is(old))):
            return None
        column = quote(self.column)
        return Conversion(column, self.using or column, old, self.type)

    def _is(self, old: str) -> bool:
        return not can_convert("postgresql", self.type, old)  # Both ways: it is the same type.


def read_retypes(statement: str) -> list[Retype]:
    """Read a statement; an empty list if it gives no column another type, or is not understood."""
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
