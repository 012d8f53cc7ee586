"""Operations on whole tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from tests.random_histories.operation import Inverse, Operation, ToName
from tests.random_histories.parts import CONDITIONS, index_of
from tests.random_histories.schema import TYPES, Check, Column, Declared, ForeignKey, Part, Pick, Schema, Table, Unique

_KINDS_OF_PARTS = 5


@dataclass(frozen=True)
class CreateTables(Operation):
    """New tables. Each may refer to the table before it."""

    new: tuple[Table, ...]

    @property
    @override
    def tables(self) -> set[str]:
        return {each.name for each in self.new}

    @property
    @override
    def declared(self) -> Declared:
        return Declared(downgrade={each.name: "only this revision has it" for each in self.new})

    @override
    def up(self) -> tuple[str, ...]:
        return tuple(line for each in self.new for line in each.create())

    @override
    def down(self) -> tuple[str, ...]:
        return tuple(line for each in reversed(self.new) for line in each.drop())

    @override
    def apply(self, schema: Schema) -> Schema:
        return Schema((*schema.tables, *self.new))

    @override
    def revert(self, schema: Schema) -> Schema:
        return Schema(tuple(each for each in schema.tables if each.name not in self.tables))


@dataclass(frozen=True)
class RenameTable(ToName):
    """A table gets another name."""

    @property
    @override
    def declared(self) -> Declared:
        return Declared(moves={self.table.name: self.name})

    @override
    def up(self) -> tuple[str, ...]:
        return (f"op.rename_table({self.table.name!r}, {self.name!r})",)

    @override
    def down(self) -> tuple[str, ...]:
        return (f"op.rename_table({self.name!r}, {self.table.name!r})",)

    @override
    def apply(self, schema: Schema) -> Schema:
        return schema.renamed(self.table, self.name)


def create_table(pick: Pick, schema: Schema) -> CreateTables:
    """Create a table with columns of all kinds, which may refer to any other table."""
    return CreateTables((_table(pick, schema.tables, [pick.maybe() for _ in range(_KINDS_OF_PARTS)]),))


def create_enum(pick: Pick, schema: Schema) -> CreateTables:
    """Create a table that certainly has an enum type."""
    has = [True, *(pick.maybe() for _ in range(_KINDS_OF_PARTS - 1))]
    return CreateTables((_table(pick, schema.tables, has),))


def create_all_kinds(pick: Pick, _schema: Schema) -> CreateTables:
    """Create two tables with every kind of object, so that later operations can drop or change something."""
    has = [True] * _KINDS_OF_PARTS
    first = _table(pick, (), has)
    return CreateTables((first, _table(pick, (first,), has)))


def drop_table(pick: Pick, schema: Schema) -> Inverse | None:
    """Drop a table to which no other table refers. At least one table stays.

    A renamed table is not dropped. PostgreSQL has kept the old names of its key and sequence, and the table would get
    other names when it is created again.
    """
    as_made = [each for each in schema.tables if each.made_as in {"", each.name}]
    leaves = [each for each in as_made if not schema.referring(each)]
    return Inverse(CreateTables((pick.one(leaves),))) if leaves and len(schema.tables) > 1 else None


def rename_table(pick: Pick, schema: Schema) -> RenameTable:
    """Rename any table."""
    return RenameTable(pick.one(schema.tables), pick.word())


def enum_column(pick: Pick, *, is_added: bool = False) -> Column:
    """Return a column with an enum type. If it is added later, it may be NOT NULL only with a default."""
    name = pick.name("kind")
    kind = f'sa.Enum("low", "high", "it\'s", name={name!r}, create_constraint=True)'
    default = pick.one(["", '"low"'])
    return Column(pick.word(), kind, pick.one([True, is_added and not default]), default, enum=name)


def _table(pick: Pick, referred: Sequence[Table], has: Sequence[bool]) -> Table:
    """Return a table. `has` says whether it has an enum type, a unique constraint, a check, an index, a foreign key."""
    enum, unique, check, index, reference = has
    kinds = ["sa.String(40)", "sa.String(40)", "sa.Integer", "sa.Boolean"]
    kinds += [pick.one(list(TYPES)) for _ in range(pick.number(0, 2))]
    columns = [_column(pick, kind) for kind in kinds]
    parts: list[Part] = []
    if unique:
        parts.append(Unique(pick.name("uq"), (_more(columns, pick, pick.one(["sa.String(40)", "sa.Integer"])),)))
    if check:
        kind = pick.one(list(CONDITIONS))
        parts.append(Check(pick.name("ck"), (_more(columns, pick, kind),), *CONDITIONS[kind]))
    if index:
        parts.append(index_of(pick, _more(columns, pick, "sa.String(40)"), is_new=True))
    if reference and referred:
        to, action = pick.one(referred).name, pick.one(["CASCADE", "SET NULL", ""])
        parts.append(ForeignKey(pick.name("fk"), (_more(columns, pick, "sa.Integer"),), to, action))
    if enum:
        columns.append(enum_column(pick))
    columns.append(Column(pick.word(), "sa.String(40)"))  # The last one can be dropped or moved.
    return Table(pick.word(), tuple(columns), tuple(parts))


def _more(columns: list[Column], pick: Pick, kind: str) -> str:
    """Return the name of one more column, for an index or a constraint."""
    columns.append(Column(pick.word(), kind))
    return columns[-1].name


def _column(pick: Pick, kind: str) -> Column:
    default = TYPES[kind][0] if pick.maybe() else ""
    return Column(pick.word(), kind, nullable=not pick.maybe(), default=default)
