"""An operation of a random history: its statements up and down, its declarations, and its effect on the schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from tests.random_histories.schema import Column, Declared, Pick, Schema, Table, batch, drop_enum


@dataclass(frozen=True)
class Operation:
    """A change of the schema or of rows, and its exact inverse."""

    @property
    def tables(self) -> set[str]:
        """The tables that the operation changes, by their names before and after."""
        raise NotImplementedError

    @property
    def declared(self) -> Declared:
        """The declarations that a revision with this operation needs."""
        return Declared()

    def up(self) -> tuple[str, ...]:
        """The statements of the upgrade."""
        raise NotImplementedError

    def down(self) -> tuple[str, ...]:
        """The statements of the downgrade."""
        raise NotImplementedError

    def apply(self, schema: Schema) -> Schema:
        """Return the schema after the upgrade."""
        return schema

    def revert(self, schema: Schema) -> Schema:
        """Return the schema after the downgrade, for operations that are also used in the opposite direction."""
        raise NotImplementedError


@dataclass(frozen=True)
class OnTable(Operation):
    """An operation on one table. The attribute `table` is the table before the operation."""

    table: Table

    @property
    @override
    def tables(self) -> set[str]:
        return {self.table.name}


@dataclass(frozen=True)
class OwnInverse(OnTable):
    """An operation that is its own inverse."""

    @override
    def down(self) -> tuple[str, ...]:
        return self.up()


@dataclass(frozen=True)
class ToName(OnTable):
    """An operation on a table that gives a name to this table or another one."""

    name: str

    @property
    @override
    def tables(self) -> set[str]:
        return {self.table.name, self.name}


@dataclass(frozen=True)
class Inverse(Operation):
    """An operation in the opposite direction: its upgrade drops an object, and its downgrade creates it."""

    of: Operation

    @property
    @override
    def tables(self) -> set[str]:
        return self.of.tables

    @property
    @override
    def declared(self) -> Declared:
        return Declared(self.of.declared.downgrade, self.of.declared.upgrade)

    @override
    def up(self) -> tuple[str, ...]:
        return self.of.down()

    @override
    def down(self) -> tuple[str, ...]:
        return self.of.up()

    @override
    def apply(self, schema: Schema) -> Schema:
        return self.of.revert(schema)


Draw = Callable[[Pick, Schema], Operation | None]
"""Draws an operation that is valid on a schema; None where there is none."""


# ---- what may be drawn


def changeable(schema: Schema) -> list[tuple[Table, Column]]:
    """Return the columns whose values may be changed, in tables that SQLite can rebuild."""
    return [(table, column) for table in schema.tables if table.can_be_rebuilt for column in table.free]


def alike(schema: Schema) -> list[tuple[Table, Column, Column]]:
    """Return pairs of columns of a table that differ only in their names and values."""
    return [
        (table, one, other)
        for table in schema.tables
        for number, one in enumerate(table.free)
        for other in table.free[number + 1 :]
        if (one.type, one.nullable, one.default) == (other.type, other.nullable, other.default)
        and one.type == "sa.String(40)"
    ]


# ---- how a revision says it


def add(table: str, column: Column) -> tuple[str, ...]:
    """Return the statements that add a column."""
    if not column.enum:
        return (f"op.add_column({table!r}, {column.source})",)
    create = f"{column.type}.create(op.get_bind(), checkfirst=True)"
    return (create, batch(table, f"batch.add_column({column.source})"))


def drop(table: str, column: Column) -> tuple[str, ...]:
    """Return the statements that drop a column. Its enum type is a check on SQLite, and a type on PostgreSQL."""
    if not column.enum:
        return (f"op.drop_column({table!r}, {column.name!r})",)
    check = f'    batch.drop_constraint({column.enum!r}, type_="check")'
    lines = ['if op.get_bind().dialect.name == "sqlite":', check, f"batch.drop_column({column.name!r})"]
    return (batch(table, *lines), drop_enum(column))
