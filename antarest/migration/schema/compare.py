"""Compares two inventories, object by object and attribute by attribute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from typing_extensions import override

from .inventory import Inventory, Table
from .objects import ObjectKey

# Fields that are not compared as attributes: they are part of the path, or are compared as separate objects.
_NOT_ASPECTS = {
    "table": {"name", "columns", "primary_key", "foreign_keys", "uniques", "checks", "indexes"},
    "primary key": set[str](),
    "foreign key": {"columns"},
    "unique": {"columns"},
    "index": {"name"},
}
_PLURALS = {"view": "views", "trigger": "triggers", "function": "functions", "domain": "domains", "policy": "policies"}
_UNMODELLED_TABLE = re.compile(
    r"(?:UNLOGGED |FOREIGN )?(?:PARTITION BY .*)?PARTITION (?:FOR|DEFAULT)\b|using\b|FOREIGN\b"
)


class Key(NamedTuple):
    """The identity of an object in an inventory: its kind, its table (empty for none), and its path."""

    kind: str
    table: str
    path: str


@dataclass(frozen=True)
class Difference:
    """One difference between two inventories.

    Attributes:
        kind: "table", "column", "primary key", "foreign key", "unique", "check", "index", "enum", "sequence", "view",
            "trigger", "policy", "function", "domain", or a kind that only PostgreSQL has, such as "extension".
        table: the table to which the object belongs; empty if the object belongs to no table.
        path: the path of the object, such as "study.path".
        aspect: the attribute that differs, such as "nullable"; empty if one side lacks the whole object.
        before: the value or the object on the first side; None if that side lacks it.
        after: the value or the object on the second side; None if that side lacks it.
    """

    kind: str
    table: str
    path: str
    aspect: str
    before: object
    after: object

    @property
    def is_name_only(self) -> bool:
        """Whether the two sides differ only in a name, of a kind that Alembic does not compare."""
        return self.aspect == "name" and self.kind in {"primary key", "foreign key", "check"}

    @override
    def __str__(self) -> str:
        """Return the difference as one line, in which the two sides are called "before" and "after"."""
        return self.render("before", "after")

    def render(self, before: str, after: str) -> str:
        """Return the difference on one line.

        Args:
            before: the name of the first side, such as "the database".
            after: the name of the second side, such as "the models".
        """
        where = self.path if self.kind == "column" else f"{self.kind} {self.path}"
        if not self.aspect:
            return f"{where}: only in {before if self.after is None else after}"
        return f"{where}: {self.aspect.replace('_', ' ')}: {_show(self.before)} -> {_show(self.after)}"


def differences(before: Inventory, after: Inventory) -> list[Difference]:
    """Compare two inventories of the same engine. The order of columns does not matter.

    Args:
        before: the inventory on the first side.
        after: the inventory on the second side.

    Returns:
        The differences, sorted. If one side lacks an object, the result has the object, but not its parts.
    """
    left, right = dict(_objects(before)), dict(_objects(after))
    shared = left.keys() & right.keys()
    found: list[Difference] = []
    for key in sorted(left.keys() | right.keys()):
        one, other = left.get(key), right.get(key)
        is_of_missing_type = key.kind == "attribute" and Key("type", "", key.path.rpartition(".")[0]) not in shared
        if one == other or is_of_missing_type:
            continue
        if one is not None and other is not None:
            found += _aspects(key, one, other)
        elif key.kind == "table" or not key.table or (key.table in before.tables and key.table in after.tables):
            found.append(Difference(*key, "", one, other))
    return found


def without_unmodelled(found: Sequence[Difference], models: Inventory) -> tuple[list[Difference], list[Difference]]:
    """Separate the objects that models do not describe, such as views, triggers, policies, extensions and partitions.

    Migrations create these objects with SQL. Models describe them only through events. So a kind of object is compared
    only if the models create at least one object of the kind.

    Args:
        found: the differences between the migrations and the models.
        models: the schema that the models create.

    Returns:
        The differences that count, and the objects that only the migrations create.
    """
    unmodelled = [each for each in found if _is_unmodelled(each, models)]
    return [each for each in found if each not in unmodelled], unmodelled


def _is_unmodelled(difference: Difference, models: Inventory) -> bool:
    if difference.aspect == "settings":
        return not difference.after
    if difference.aspect or difference.after is not None:
        return False
    if isinstance(difference.before, Table):
        return bool(_UNMODELLED_TABLE.match(difference.before.options))
    if difference.kind in _PLURALS:
        return not getattr(models, _PLURALS[difference.kind])
    return isinstance(difference.before, ObjectKey) and all(each.kind != difference.kind for each in models.others)


def _objects(inventory: Inventory) -> Iterator[tuple[Key, object]]:
    for table in inventory.tables.values():
        yield Key("table", table.name, table.name), table
        yield from _parts(table)
    for kind in ("enums", "views", "functions", "domains"):
        for name, each in getattr(inventory, kind).items():
            yield Key(kind[:-1], "", name), each
    for name, sequence in inventory.sequences.items():  # A sequence that a column owns is not separate.
        yield Key("sequence", (sequence.owner or "").rpartition(".")[0], name), sequence
    for kind, each in (("trigger", inventory.triggers), ("policy", inventory.policies)):
        for path, definition in each.items():
            yield Key(kind, path.rpartition(".")[0], path), definition
    for each in inventory.others:
        yield Key(each.kind, "", each.name), each


def _parts(table: Table) -> Iterator[tuple[Key, object]]:
    """Yield the parts of a table with their keys.

    A check is identified by its name; any other constraint by its columns.
    """
    for column in table.columns:
        yield Key("column", table.name, f"{table.name}.{column.name}"), column
    if table.primary_key:
        yield Key("primary key", table.name, table.name), table.primary_key
    seen: Counter[Key] = Counter()
    keyed = [
        *((Key("foreign key", table.name, _listed(table, each.columns)), each) for each in table.foreign_keys),
        *((Key("unique", table.name, _listed(table, each.columns)), each) for each in table.uniques),
        *((Key("check", table.name, f"{table.name}.{each.name or each.expression}"), each) for each in table.checks),
        *((Key("index", table.name, each.name), each) for each in table.indexes),
    ]
    for key, each in keyed:
        seen[key] += 1
        yield (key if seen[key] == 1 else key._replace(path=f"{key.path} #{seen[key]}")), each


def _listed(table: Table, columns: tuple[str, ...]) -> str:
    return f"{table.name}({', '.join(columns)})"


def _aspects(key: Key, one: object, other: object) -> Iterator[Difference]:
    for field in fields(one):  # type: ignore[arg-type]  # every object of an inventory is a dataclass
        before, after = getattr(one, field.name), getattr(other, field.name)
        if before != after and field.name not in _NOT_ASPECTS.get(key.kind, ()):
            yield Difference(*key, field.name, before, after)


def _show(value: object) -> str:
    if value is None or value in ("", ()):
        return "none"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def were_not_imported(found: Sequence[Difference], migrated: Inventory) -> int:
    """Return the number of tables without a model, if these are more than half of all tables; otherwise 0.

    If so many tables have no model, the modules of the models were probably not imported.
    """
    dropped = sum(each.kind == "table" and each.after is None for each in found)
    return dropped if dropped > 1 and dropped * 2 > len(migrated.tables) else 0
