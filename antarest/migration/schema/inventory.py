"""The inventory of a schema: its tables, columns, constraints and other objects as frozen data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .objects import ObjectKey


@dataclass(frozen=True)
class Column:
    """A column of a table. `type`, `default` and `computed` are in the engine's own spelling."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    computed: str | None = None
    identity: str | None = None
    autoincrement: bool = False
    collation: str | None = None
    comment: str | None = None

    @property
    def is_generated(self) -> bool:
        """Whether PostgreSQL numbers the column, as an identity or from a sequence."""
        return self.identity is not None or (self.default or "").startswith("nextval(")


@dataclass(frozen=True)
class PrimaryKey:
    """The primary key of a table."""

    columns: tuple[str, ...]
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key. Its pairs of columns are sorted, since their order has no meaning."""

    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    name: str | None = None
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    options: str = ""


@dataclass(frozen=True)
class Unique:
    """A unique constraint. A unique index that belongs to no constraint is an `Index`."""

    columns: tuple[str, ...]
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class CheckConstraint:
    """A check constraint."""

    expression: str
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class Index:
    """An index that belongs to no constraint.

    A key is a column or an expression, followed by its order unless this is ascending.
    """

    name: str
    table: str
    keys: tuple[str, ...]
    unique: bool = False
    where: str | None = None
    options: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its columns, constraints and indexes.

    `options` has the options of the table (STRICT, UNLOGGED, PARTITION BY ...). `settings` has the properties that
    statements set and models cannot describe: row level security, replica identity and storage parameters (PostgreSQL).
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: PrimaryKey | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    uniques: tuple[Unique, ...] = ()
    checks: tuple[CheckConstraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    options: str = ""
    settings: str = ""
    comment: str | None = None

    def column(self, name: str) -> Column | None:
        """Return the column with this name; None if the table has no such column."""
        return next((column for column in self.columns if column.name == name), None)

    def is_sole_key(self, column: str) -> bool:
        """Return whether the primary key is this column alone."""
        return self.primary_key is not None and self.primary_key.columns == (column,)

    @property
    def unique_keys(self) -> list[tuple[str, ...]]:
        """The columns of each unique key, without the unique indexes on expressions or on only some rows."""
        names = {column.name for column in self.columns}
        indexes = (each for each in self.indexes if each.unique and each.where is None)
        return [
            *([self.primary_key.columns] if self.primary_key else ()),
            *(each.columns for each in self.uniques),
            *(each.keys for each in indexes if names.issuperset(each.keys)),
        ]


@dataclass(frozen=True)
class Enum:
    """An enum type, with its labels in their order."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """A sequence. `owner` is the "table.column" that owns it, or None."""

    name: str
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    owner: str | None = None


@dataclass(frozen=True)
class Definition:
    """A view, trigger, policy, function or domain. Only the text that defines it is compared."""

    name: str
    definition: str


@dataclass(frozen=True)
class Inventory:
    """A whole schema. The keys of each mapping are names. The key of a trigger or policy is "table.name".

    `others` has the objects of further kinds, such as extensions. For these kinds, only the names are compared.
    """

    engine: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    enums: Mapping[str, Enum] = field(default_factory=dict)
    sequences: Mapping[str, Sequence] = field(default_factory=dict)
    views: Mapping[str, Definition] = field(default_factory=dict)
    triggers: Mapping[str, Definition] = field(default_factory=dict)
    functions: Mapping[str, Definition] = field(default_factory=dict)
    domains: Mapping[str, Definition] = field(default_factory=dict)
    policies: Mapping[str, Definition] = field(default_factory=dict)
    others: Collection[ObjectKey] = frozenset()
