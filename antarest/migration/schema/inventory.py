"""The words of an inventory: what a schema consists of, as frozen data without any behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A column; `type`, `default` and `computed` are spelled as the engine spells them."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    computed: str | None = None
    identity: str | None = None
    autoincrement: bool = False
    collation: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class PrimaryKey:
    """The primary key of a table."""

    columns: tuple[str, ...]
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key; its pairs of columns are sorted, since their order means nothing."""

    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    name: str | None = None
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    options: str = ""


@dataclass(frozen=True)
class Unique:
    """A unique constraint (a unique index is an `Index`)."""

    columns: tuple[str, ...]
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class Check:
    """A check constraint."""

    expression: str
    name: str | None = None
    options: str = ""


@dataclass(frozen=True)
class Index:
    """An index that no constraint owns; a key is a column or an expression, with its order unless ascending."""

    name: str
    table: str
    keys: tuple[str, ...]
    unique: bool = False
    where: str | None = None
    options: str = ""


@dataclass(frozen=True)
class Table:
    """A table with all that belongs to it; `options` are those of the table itself (STRICT, UNLOGGED, ...)."""

    name: str
    columns: tuple[Column, ...]
    primary_key: PrimaryKey | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    uniques: tuple[Unique, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    options: str = ""
    comment: str | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Enum:
    """An enum type, with its labels in their order."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """A sequence; `owner` is the "table.column" that it goes with, None where it stands alone."""

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
    """A view, trigger, function or domain: all that is compared is the text that defines it."""

    name: str
    definition: str


@dataclass(frozen=True)
class Inventory:
    """A whole schema; each mapping is keyed by name (a trigger by "table.trigger")."""

    engine: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    enums: Mapping[str, Enum] = field(default_factory=dict)
    sequences: Mapping[str, Sequence] = field(default_factory=dict)
    views: Mapping[str, Definition] = field(default_factory=dict)
    triggers: Mapping[str, Definition] = field(default_factory=dict)
    functions: Mapping[str, Definition] = field(default_factory=dict)
    domains: Mapping[str, Definition] = field(default_factory=dict)
