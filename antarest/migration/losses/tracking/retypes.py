"""Finds the columns to which a PostgreSQL statement gives another type: `ALTER TABLE t ALTER COLUMN c TYPE integer`."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from ...database.catalog import CatalogTable, Tables, quote
from ...schema.sql import Piece, pieces
from .conversions import Conversion, can_convert, count_changed
from .copies import outer
from .origins import Origins

_NAME = r'(?:"[^"]+"|\w+)'
_ALTERS_TYPE = re.compile(rf"\bALTER\s+TYPE\s+({_NAME}(?:\.{_NAME})?)((?:[^;'\"]|\"[^\"]*\")*)", re.IGNORECASE)
_DROPS_ATTRIBUTE = re.compile(rf"\bDROP\s+ATTRIBUTE\s+(?:IF\s+EXISTS\s+)?({_NAME})", re.IGNORECASE)
_ATTRIBUTES = text("""
    SELECT attrelid::regclass::text, attnum
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = attrelid
    WHERE c.relkind = 'c' AND attnum > 0 AND NOT attisdropped
""")
_COLUMNS_OF_TYPE = text("""
    WITH RECURSIVE used (oid) AS (
        SELECT to_regtype(:type)::oid
        UNION SELECT t.oid FROM used JOIN pg_catalog.pg_type t ON used.oid IN (t.typelem, t.typbasetype)
            OR t.typrelid IN (SELECT attrelid FROM pg_catalog.pg_attribute WHERE atttypid = used.oid)
    )
    SELECT n.nspname, c.relname, a.attname, a.atttypid = to_regtype(:type)::oid
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.atttypid IN (SELECT oid FROM used) AND c.relkind IN ('r', 'p', 'm') AND NOT a.attisdropped
""")


class Retype(NamedTuple):
    """The new type of a column.

    Attributes:
        column: the name of the column.
        type: the new type, as the statement writes it, in lower case.
        using: the expression after USING; empty if the statement has none. Then the server casts the old values.
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
        self._without_attribute: dict[Hashable, int | None] = {}
        self._attributes: set[tuple[str, int]] = set()  # of the composite types, before the current statement

    def forget(self) -> None:
        """Forget the counts, so that the next statement can begin."""
        self._counts.clear()
        self._without_attribute.clear()

    def count_attributes(self, statement: str, tables: Tables) -> None:
        """Count the values that lose something when a statement drops an attribute of a composite type.

        In a column of arrays, or of a type that contains the composite type, each value counts.
        """
        for altered in _ALTERS_TYPE.finditer(statement):
            names = [each.strip('"') if '"' in each else each.lower() for each in _DROPS_ATTRIBUTE.findall(altered[2])]
            for table, column, is_direct in self._columns_of(altered[1], tables) if names else ():
                number = self._with_attribute(table, column, names if is_direct else []) if table.readable else None
                self._without_attribute[table.columns[column]] = number

    def note_attributes(self) -> None:
        """Remember the attributes of composite types, before a statement that runs SQL which it does not contain."""
        self._attributes = self._read_attributes()

    def _read_attributes(self) -> set[tuple[str, int]]:
        return {(row[0], row[1]) for row in self._connection.execute(_ATTRIBUTES)}

    def compare_attributes(self, tables: Tables) -> None:
        """Find attributes that the statement has dropped, although its text did not name them.

        The number of values that lost something is unknown, because the values no longer have the attribute.
        """
        for type_ in {each for each, _ in self._attributes - self._read_attributes()}:
            for table, column, _ in self._columns_of(type_, tables):
                identity = table.columns[column]
                is_new = identity not in self._without_attribute
                if is_new and (not table.readable or self._with_attribute(table, column, [])):
                    self._origins.add(identity, self._origins[identity], None)

    def _columns_of(self, type_: str, tables: Tables) -> Iterator[tuple[CatalogTable, str, bool]]:
        """Yield each column whose type is or contains this type, and whether it is the type itself."""
        for schema, name, column, is_direct in self._connection.execute(_COLUMNS_OF_TYPE, {"type": type_}).all():
            table = next((each for each in tables.values() if (each.schema, each.bare_name) == (schema, name)), None)
            if table and column in table.columns:
                yield table, column, is_direct

    def _with_attribute(self, table: CatalogTable, column: str, attributes: Sequence[str]) -> int:
        """Return the number of values with one of these attributes; without attributes, the number of all values."""
        lost = f"{quote(column)} IS DISTINCT FROM NULL"
        if attributes:
            lost = f"jsonb_strip_nulls(to_jsonb({quote(column)})) ?| CAST(:names AS text[])"
        query = text(f"SELECT count(*) FROM {table.sql} WHERE {lost}")
        number: int = self._connection.scalar(query, {"names": [*attributes]} if attributes else {})
        return number

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
        for identity, number in self._without_attribute.items():
            for origin in self._origins.of(identity):
                self._origins.add(identity, origin, number)


def read_retypes(statement: str) -> list[Retype]:
    """Return the changes of types in a statement; empty if there are none, or if the statement is not understood."""
    parts = pieces(statement.rstrip().rstrip(";"))
    words = [part.word for part in parts]
    if words[:2] != ["alter", "table"]:
        return []
    commas = [at for at in outer(words) if words[at] == ","]
    actions = (parts[start + 1 : end] for start, end in zip([-1, *commas], [*commas, len(words)], strict=True))
    return [retype for action in actions if (retype := _read_action(statement, action))]


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
