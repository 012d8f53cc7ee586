"""Operations on indexes and constraints. Rows that violate a new constraint are changed before it is created."""

from __future__ import annotations

from dataclasses import dataclass, replace

from typing_extensions import override

from tests.random_histories.operation import Inverse, OnTable, changeable
from tests.random_histories.schema import Check, Declared, ForeignKey, Index, Part, Pick, Schema, Table, Unique

# A condition by the type of its column, and a value that meets it; generated rows break each of them.
CONDITIONS = {
    "sa.Integer": ("{} >= 0", "0"),
    "sa.BigInteger": ("{} BETWEEN 0 AND 100", "50"),
    "sa.String(40)": ("length({}) > 0", "'none'"),
    "sa.Text": ("{} <> ''", "'none'"),
}


@dataclass(frozen=True)
class AddPart(OnTable):
    """A new index or constraint; `table` is the table without it."""

    part: Part

    @property
    @override
    def declared(self) -> Declared:
        if not self.part.fit(self.table.name):
            return Declared()
        return Declared(upgrade={f"{self.table.name}.{self.part.columns[0]}": "made to fit the constraint"})

    @override
    def up(self) -> tuple[str, ...]:
        fit = self.part.fit(self.table.name)
        return (*filter(None, [fit]), self.part.create(self.table.name))

    @override
    def down(self) -> tuple[str, ...]:
        return (self.part.drop(self.table.name),)

    @override
    def apply(self, schema: Schema) -> Schema:
        return schema.replaced(self.table, self._whole)

    @override
    def revert(self, schema: Schema) -> Schema:
        return schema.replaced(self._whole, self.table)

    @property
    def _whole(self) -> Table:
        return replace(self.table, parts=(*self.table.parts, self.part))


def create_index(pick: Pick, schema: Schema) -> AddPart | None:
    """An index on a text."""
    found = [(table, c) for table in schema.tables for c in table.columns if c.type.startswith("sa.String")]
    if not found:
        return None
    table, column = pick.one(found)
    return AddPart(table, index_of(pick, column.name))


def index_of(pick: Pick, column: str, *, is_new: bool = False) -> Index:
    """Return an index of any kind on a column. Existing rows must not violate a unique index."""
    name = pick.name("ix")
    kind = pick.one(["plain", "unique", "partial", "expression"])
    if kind == "unique":
        return Index(name, (column,) if is_new else (column, "id"), unique=True)
    return Index(name, (column,), partial=kind == "partial", expression=kind == "expression")


def create_unique(pick: Pick, schema: Schema) -> AddPart | None:
    """Create a unique constraint with the id, so that all rows satisfy it."""
    found = changeable(schema)
    if not found:
        return None
    table, column = pick.one([each for each in found if each[1].type != "sa.JSON"] or found[:1])
    return AddPart(table, Unique(pick.name("uq"), (column.name, "id")))


def create_check(pick: Pick, schema: Schema) -> AddPart | None:
    """Create a check that some rows violate."""
    found = [(table, column) for table, column in changeable(schema) if column.type in CONDITIONS]
    if not found:
        return None
    table, column = pick.one(found)
    return AddPart(table, Check(pick.name("ck"), (column.name,), *CONDITIONS[column.type]))


def create_foreign_key(pick: Pick, schema: Schema) -> AddPart | None:
    """Create a foreign key on a column that has had any numbers."""
    found = [(t, c) for t, c in changeable(schema) if c.type == "sa.Integer" and c.nullable and not c.default]
    if not found:
        return None
    table, column = pick.one(found)
    to, action = pick.one(schema.tables).name, pick.one(["CASCADE", "SET NULL", ""])
    return AddPart(table, ForeignKey(pick.name("fk"), (column.name,), to, action))


def drop_part(
    pick: Pick, schema: Schema, *, kinds: tuple[type[Part], ...] = (Part,), has_action: bool = False
) -> Inverse | None:
    """Drop an index or constraint. The downgrade changes the rows that violate it."""
    found = [
        (table, part)
        for table in schema.tables
        for part in table.parts
        if isinstance(part, kinds)
        and (isinstance(part, Index) or table.can_be_rebuilt)
        and _comes_back(table, part)
        and (not has_action or (isinstance(part, ForeignKey) and part.on_delete))
    ]
    if not found:
        return None
    table, part = pick.one(found)
    return Inverse(AddPart(replace(table, parts=tuple(each for each in table.parts if each != part)), part))


def _comes_back(table: Table, part: Part) -> bool:
    """Return whether it can be created again, after a change of rows that must not violate another constraint."""
    is_unique = isinstance(part, Unique) or (isinstance(part, Index) and part.unique)
    alone = all(set(part.columns).isdisjoint(each.columns) for each in table.parts if each != part)
    is_fitting = bool(part.fit(table.name))
    nullable = all(each.nullable and not each.default for each in table.columns if each.name in part.columns)
    if isinstance(part, ForeignKey):
        return alone and nullable
    return alone if is_fitting else (not is_unique or "id" in part.columns)
