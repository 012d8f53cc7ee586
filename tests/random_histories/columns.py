"""Operations on columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from typing_extensions import override

from tests.random_histories.operation import Inverse, OnTable, add, alike, changeable, drop
from tests.random_histories.schema import TYPES, Column, Declared, Pick, Schema, Table, batch, quote, sql
from tests.random_histories.tables import enum_column

_WIDER = {"sa.String(40)": ("sa.String(80)", "sa.Text"), "sa.Integer": ("sa.BigInteger",)}
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class AddColumn(OnTable):
    """A new column, nullable or with a default. `source` is the column whose values it copies, if any."""

    column: Column
    source: str = ""

    @property
    @override
    def declared(self) -> Declared:
        return Declared(downgrade={f"{self.table.name}.{self.column.name}": "only this revision has it"})

    @override
    def up(self) -> tuple[str, ...]:
        made = add(self.table.name, self.column)
        if not self.source:
            return made
        column, other = quote(self.column.name), quote(self.source)
        return (*made, sql(f"UPDATE {quote(self.table.name)} SET {column} = {other} WHERE {other} IS NOT NULL"))

    @override
    def down(self) -> tuple[str, ...]:
        return drop(self.table.name, self.column)

    @override
    def apply(self, schema: Schema) -> Schema:
        return schema.replaced(self.table, self._whole)

    @override
    def revert(self, schema: Schema) -> Schema:
        return schema.replaced(self._whole, self.table)

    @property
    def _whole(self) -> Table:
        return replace(self.table, columns=(*self.table.columns, self.column))


@dataclass(frozen=True)
class RenameColumns(OnTable):
    """Columns of a table get other names."""

    names: tuple[tuple[Column, str], ...]

    @property
    @override
    def declared(self) -> Declared:
        name = self.table.name
        return Declared(moves={f"{name}.{old.name}": f"{name}.{new}" for old, new in self.names})

    @override
    def up(self) -> tuple[str, ...]:
        return tuple(_rename(self.table.name, old.name, new) for old, new in self.names)

    @override
    def down(self) -> tuple[str, ...]:
        return tuple(_rename(self.table.name, new, old.name) for old, new in self.names)

    @override
    def apply(self, schema: Schema) -> Schema:
        table = self.table
        for old, new in self.names:
            table = table.with_column(old, replace(old, name=new))
        return schema.replaced(self.table, table)


@dataclass(frozen=True)
class AlterColumn(OnTable):
    """A column gets another type, nullability or default. If `fit` is set, some values are changed beforehand."""

    old: Column
    new: Column
    fit: str = ""
    is_fit_up: bool = True

    @property
    @override
    def declared(self) -> Declared:
        if not self.fit:
            return Declared()
        lost = {f"{self.table.name}.{self.old.name}": "made to fit the column"}
        return Declared(upgrade=lost) if self.is_fit_up else Declared(downgrade=lost)

    @override
    def up(self) -> tuple[str, ...]:
        return (*self._fit(self.is_fit_up), alter(self.table.name, self.old, self.new))

    @override
    def down(self) -> tuple[str, ...]:
        return (*self._fit(not self.is_fit_up), alter(self.table.name, self.new, self.old))

    @override
    def apply(self, schema: Schema) -> Schema:
        return schema.replaced(self.table, self.table.with_column(self.old, self.new))

    def _fit(self, is_needed: bool) -> tuple[str, ...]:
        return (sql(f"UPDATE {quote(self.table.name)} SET {self.fit}"),) if self.fit and is_needed else ()


def alter(table: str, old: Column, new: Column) -> str:
    """Return the statement that changes one column into another."""
    more = f", existing_nullable={old.nullable}, existing_server_default={old.default or None}"
    more += f", type_={new.type}" if new.type != old.type else ""
    more += f", nullable={new.nullable}" if new.nullable != old.nullable else ""
    more += f", server_default={new.default or None}" if new.default != old.default else ""
    return batch(table, f"batch.alter_column({old.name!r}, existing_type={old.type}{more})")


def _rename(table: str, old: str, new: str) -> str:
    return f"op.alter_column({table!r}, {old!r}, new_column_name={new!r})"


# ---- drawing


def add_column(pick: Pick, schema: Schema) -> AddColumn:
    """Add a column of any kind: empty, with a default, or with the values of another column."""
    table, kind = pick.one(schema.tables), pick.one(list(TYPES))
    default = pick.one(["", TYPES[kind][0]])
    nullable = not (default and pick.maybe())
    same = [each.name for each in table.columns if each.type == kind]
    return AddColumn(table, Column(pick.word(), kind, nullable, default), pick.one(["", *same]))


def add_required_column(pick: Pick, schema: Schema) -> AddColumn:
    """Add a column that is NOT NULL, with a default for the existing rows."""
    kind = pick.one([kind for kind, (default, _) in TYPES.items() if default])
    return AddColumn(pick.one(schema.tables), Column(pick.word(), kind, nullable=False, default=TYPES[kind][0]))


def add_boolean(pick: Pick, schema: Schema) -> AddColumn:
    """Add a boolean column."""
    return AddColumn(pick.one(schema.tables), Column(pick.word(), "sa.Boolean", nullable=False, default="sa.false()"))


def add_enum_column(pick: Pick, schema: Schema) -> AddColumn | None:
    """Add a column with an enum type, which needs a rebuild on SQLite."""
    tables = [each for each in schema.tables if each.can_be_rebuilt]
    return AddColumn(pick.one(tables), enum_column(pick, is_added=True)) if tables else None


def drop_column(pick: Pick, schema: Schema) -> Inverse | None:
    """Drop the last column. It can be restored in the same place, but without its values."""
    found = [
        (table, last)
        for table in schema.tables
        if len(table.columns) > 1
        and not table.about(last := table.columns[-1])
        and (last.nullable or last.default)
        and (table.can_be_rebuilt or not last.enum)
    ]
    if not found:
        return None
    table, column = pick.one(found)
    return Inverse(AddColumn(replace(table, columns=table.columns[:-1]), column))


def rename_column(pick: Pick, schema: Schema) -> RenameColumns:
    """Rename any column."""
    table = pick.one(schema.tables)
    return RenameColumns(table, ((pick.one(table.columns), pick.word()),))


def rename_two_columns(pick: Pick, schema: Schema) -> RenameColumns | None:
    """Rename two columns that differ only in their names and values."""
    if not (pairs := alike(schema)):
        return None
    table, first, second = pick.one(pairs)
    return RenameColumns(table, ((first, pick.word()), (second, pick.word())))


def alter_type(pick: Pick, schema: Schema, *, widens: bool | None = None) -> AlterColumn | None:
    """Widen or narrow the type of a column. Values that are too long are cut."""
    found = []
    for table, column in changeable(schema):
        for narrow, wides in _WIDER.items():
            for wide in wides:
                if column.type in (narrow, wide):
                    new = replace(column, type=wide if column.type == narrow else narrow)
                    fit = _cut(column.name, narrow)
                    found.append(AlterColumn(table, column, new, fit, is_fit_up=column.type == wide))
    found = [each for each in found if widens is None or widens != each.is_fit_up]
    return pick.one(found) if found else None


def _cut(name: str, narrow: str) -> str:
    """Return the statement that cuts the values of a column to a narrow type."""
    column = quote(name)
    if narrow == "sa.Integer":
        return f"{column} = 0 WHERE {column} NOT BETWEEN {-_LARGEST - 1} AND {_LARGEST}"
    length = int(narrow.rpartition("(")[2][:-1])
    return f"{column} = substr({column}, 1, {length}) WHERE length({column}) > {length}"


def alter_nullable(pick: Pick, schema: Schema, *, to: bool | None = None) -> AlterColumn | None:
    """Let a column have NULL, or replace all NULLs and forbid them."""
    found = [
        AlterColumn(
            table,
            column,
            replace(column, nullable=not column.nullable),
            f"{quote(column.name)} = {column.filler} WHERE {quote(column.name)} IS NULL",
            is_fit_up=column.nullable,
        )
        for table, column in changeable(schema)
        if column.filler and column.nullable != to
    ]
    return pick.one(found) if found else None


def alter_default(pick: Pick, schema: Schema) -> AlterColumn | None:
    """Give a column a default, or remove its default."""
    found = [
        AlterColumn(table, column, replace(column, default="" if column.default else TYPES[column.type][0]))
        for table in schema.tables
        if table.can_be_rebuilt
        for column in table.columns
        if column.type in TYPES and TYPES[column.type][0]
    ]
    return pick.one(found) if found else None
