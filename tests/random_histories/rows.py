"""Operations that move, copy and change rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from typing_extensions import override

from tests.random_histories.operation import OnTable, OwnInverse, ToName, add, alike, drop
from tests.random_histories.schema import (
    Column,
    Declared,
    ForeignKey,
    Pick,
    Schema,
    Table,
    Unique,
    on_engine,
    quote,
    sql,
)


@dataclass(frozen=True)
class SwapColumns(OwnInverse):
    """The values of two columns are exchanged. The operation is its own inverse."""

    first: Column
    second: Column

    @override
    def up(self) -> tuple[str, ...]:
        one, other = quote(self.first.name), quote(self.second.name)
        return (sql(f"UPDATE {quote(self.table.name)} SET {one} = {other}, {other} = {one}"),)


@dataclass(frozen=True)
class FlipBoolean(OwnInverse):
    """The values of a boolean column are negated. The operation is its own inverse."""

    column: Column

    @override
    def up(self) -> tuple[str, ...]:
        column = quote(self.column.name)
        return (sql(f"UPDATE {quote(self.table.name)} SET {column} = NOT {column}"),)


@dataclass(frozen=True)
class Overwrite(OnTable):
    """The values of a text column are overwritten, and the downgrade does not restore them."""

    column: Column

    @property
    @override
    def declared(self) -> Declared:
        return Declared(upgrade={f"{self.table.name}.{self.column.name}": "made uniform"})

    @override
    def up(self) -> tuple[str, ...]:
        column = quote(self.column.name)
        return (sql(f"UPDATE {quote(self.table.name)} SET {column} = 'x' || substr({column}, 1, 1)"),)

    @override
    def down(self) -> tuple[str, ...]:
        return ("pass",)


@dataclass(frozen=True)
class MoveColumn(OnTable):
    """The values of the last column go to a new one."""

    name: str

    @property
    def old(self) -> Column:
        """The column that is dropped."""
        return self.table.columns[-1]

    @property
    @override
    def declared(self) -> Declared:
        return Declared(moves={f"{self.table.name}.{self.old.name}": f"{self.table.name}.{self.name}"})

    @override
    def up(self) -> tuple[str, ...]:
        return self._move(self.old, replace(self.old, name=self.name))

    @override
    def down(self) -> tuple[str, ...]:
        return self._move(replace(self.old, name=self.name), self.old)

    @override
    def apply(self, schema: Schema) -> Schema:
        new = replace(self.old, name=self.name)
        return schema.replaced(self.table, self.table.with_column(self.old, new))

    def _move(self, old: Column, new: Column) -> tuple[str, ...]:
        move = sql(f"UPDATE {quote(self.table.name)} SET {quote(new.name)} = {quote(old.name)}")
        return (*add(self.table.name, new), move, *drop(self.table.name, old))


@dataclass(frozen=True)
class MoveToTable(ToName):
    """The values of the last column go to a table of their own."""

    key: ForeignKey
    unique: Unique

    @property
    def column(self) -> Column:
        """The column that is dropped."""
        return self.table.columns[-1]

    @property
    @override
    def declared(self) -> Declared:
        return Declared(
            downgrade={self.name: "the values have their column again"},
            moves={f"{self.table.name}.{self.column.name}": f"{self.name}.{self.column.name}"},
        )

    @override
    def up(self) -> tuple[str, ...]:
        """Return the statements that create the table, fill it, and drop the column."""
        new, key, column = quote(self.name), quote(self.key.columns[0]), quote(self.column.name)
        filled = f"INSERT INTO {new} ({key}, {column}) SELECT id, {column} FROM {quote(self.table.name)}"
        where = f" WHERE {column} IS NOT NULL"
        return (*self._new.create(), sql(filled + where), *drop(self.table.name, self.column))

    @override
    def down(self) -> tuple[str, ...]:
        table, key, column = quote(self.table.name), quote(self.key.columns[0]), quote(self.column.name)
        found = f"SELECT n.{column} FROM {quote(self.name)} AS n WHERE n.{key} = {table}.id"
        back = sql(f"UPDATE {table} SET {column} = ({found})")
        return (*add(self.table.name, self.column), back, *self._new.drop())

    @override
    def apply(self, schema: Schema) -> Schema:
        left = replace(self.table, columns=self.table.columns[:-1])
        return Schema((*schema.replaced(self.table, left).tables, self._new))

    @property
    def _new(self) -> Table:
        key = Column(self.key.columns[0], "sa.Integer", nullable=False)
        return Table(self.name, (key, self.column), (self.key, self.unique))


@dataclass(frozen=True)
class CopyTable(ToName):
    """A new table gets the ids and one column of another one."""

    column: Column

    @property
    @override
    def declared(self) -> Declared:
        return Declared(downgrade={self.name: "only this revision has it"})

    @override
    def up(self) -> tuple[str, ...]:
        column, new = quote(self.column.name), quote(self.name)
        copied = f"INSERT INTO {new} (id, {column}) SELECT id, {column} FROM {quote(self.table.name)}"
        return (*self._new.create(), sql(copied), self.numbering())

    def numbering(self) -> str:
        """Return the statement that sets the sequence of PostgreSQL to a number after the copied ids."""
        sequence = f"pg_get_serial_sequence('{quote(self.name)}', 'id')"
        set_ = f"SELECT setval({sequence}, (SELECT max(id) FROM {quote(self.name)}))"
        return on_engine("postgresql", [sql(set_)])

    @override
    def down(self) -> tuple[str, ...]:
        return self._new.drop()

    @override
    def apply(self, schema: Schema) -> Schema:
        return Schema((*schema.tables, self._new))

    @property
    def _new(self) -> Table:
        return Table(self.name, (self.column,))


# ---- drawing


def swap_columns(pick: Pick, schema: Schema) -> SwapColumns | None:
    """Exchange the values of two columns of the same kind."""
    pairs = alike(schema)
    return SwapColumns(*pick.one(pairs)) if pairs else None


def flip_boolean(pick: Pick, schema: Schema) -> FlipBoolean | None:
    """Negate a column."""
    found = [(table, column) for table in schema.tables for column in table.free if column.type == "sa.Boolean"]
    return FlipBoolean(*pick.one(found)) if found else None


def overwrite(pick: Pick, schema: Schema) -> Overwrite | None:
    """Overwrite the values of a text column."""
    found = [(table, column) for table in schema.tables for column in table.free if column.type == "sa.String(40)"]
    return Overwrite(*pick.one(found)) if found else None


def move_column(pick: Pick, schema: Schema) -> MoveColumn | None:
    """Move the last column of a table to a new one."""
    tables = _with_a_last_column(schema)
    return MoveColumn(pick.one(tables), pick.word()) if tables else None


def move_to_table(pick: Pick, schema: Schema) -> MoveToTable | None:
    """Move the last column of a table to a new table."""
    tables = _with_a_last_column(schema)
    if not tables:
        return None
    table = pick.one(tables)
    columns = (pick.word(),)
    key, unique = ForeignKey(pick.name("fk"), columns, table.name), Unique(pick.name("uq"), columns)
    return MoveToTable(table, pick.word(), key, unique)


def copy_table(pick: Pick, schema: Schema) -> CopyTable | None:
    """Copy a column of a table to a new table."""
    found = [(table, column) for table in schema.tables for column in table.free if not column.enum]
    if not found:
        return None
    table, column = pick.one(found)
    return CopyTable(table, pick.word(), column)


def _with_a_last_column(schema: Schema) -> list[Table]:
    """Return the tables whose last column may be dropped: it is nullable, so that it can be restored without values."""
    return [
        table
        for table in schema.tables
        if len(table.columns) > 1
        and table.columns[-1] in table.free
        and table.columns[-1].nullable
        and not table.columns[-1].default
    ]
