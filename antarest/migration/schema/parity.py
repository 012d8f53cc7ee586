"""Parity: compares the schemas of SQLite and PostgreSQL, as far as both engines can have the same schema.

Both inventories are translated into one spelling and then compared strictly. The comparison omits the properties that
only PostgreSQL has: enum types, sequences, functions, domains, comments, NOT VALID, and the options of tables and
indexes. Views and triggers are written for one engine, so only their names are compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from .compare import Difference, differences
from .expression import canonical
from .inventory import CheckConstraint, Column, Definition, Index, Inventory, Table
from .sql import name_of

_FAMILIES = {
    "INT": "INTEGER",
    "TIMESTAMP": "DATETIME",
    "TIMESTAMP WITHOUT TIME ZONE": "DATETIME",
    "TIME WITHOUT TIME ZONE": "TIME",
    "REAL": "FLOAT",
    "DOUBLE": "FLOAT",
    "DOUBLE PRECISION": "FLOAT",
    "DECIMAL": "NUMERIC",
    "CHARACTER VARYING": "VARCHAR",
    "CHARACTER": "CHAR",
    "CLOB": "TEXT",
    "BYTEA": "BLOB",
    "JSONB": "JSON",
    "UUID": "CHAR(32)",
}
_INTEGERS = {"SMALLINT", "INTEGER", "BIGINT"}
_TEXTS = ("VARCHAR", "CHAR", "TEXT")
_TYPE = re.compile(r"([A-Z ]+?) ?(\([^)]*\))?([A-Z ]*)")
_STRING = r"'(?:[^']|'')*'"
_NAME = r'\w+|"(?:[^"]|"")*"'
_LABELS = re.compile(rf"\(({_NAME}) (?:in \(({_STRING}(?:, {_STRING})*)\)|= ({_STRING}))\)")
_BOOLEAN_CHECK = re.compile(rf"\(({_NAME}) in \([01], [01]\)\)")
_GENERATED = "generated"


def parity(sqlite: Inventory, postgresql: Inventory) -> list[Difference]:
    """Return the differences between two schemas, except those that are unavoidable between the two engines.

    Args:
        sqlite: the inventory of the SQLite database, the first side of each difference.
        postgresql: the inventory of the PostgreSQL database.

    Returns:
        The differences, sorted; empty if the schemas are the same.
    """
    left = {name: _translate(table, sqlite, postgresql.tables.get(name)) for name, table in sqlite.tables.items()}
    right = {name: _translate(table, postgresql, sqlite.tables.get(name)) for name, table in postgresql.tables.items()}
    found = differences(_bare(sqlite, left), _bare(postgresql, right))
    # SQLite can leave a constraint without a name, PostgreSQL cannot.
    return [each for each in found if not (each.aspect == "name" and each.before is None)]


def _bare(inventory: Inventory, tables: Mapping[str, Table]) -> Inventory:
    return Inventory(
        engine="any",
        tables=tables,
        views={name: Definition(name, "") for name in inventory.views},
        triggers={path: Definition(path, "") for path in inventory.triggers},
    )


def _translate(table: Table, inventory: Inventory, counterpart: Table | None) -> Table:
    every = [replace(check, expression=canonical(check.expression), options="") for check in table.checks]
    checks = dict.fromkeys(every)  # Alembic before 1.20 adds the check of an enum twice in a batch.
    enums = {name: f"ENUM({', '.join(sorted(each.labels))})" for name, each in inventory.enums.items()}
    types = {column.name: enums.get(column.type) or _family(column.type) for column in table.columns}
    kept: list[CheckConstraint] = []
    for check in checks:
        column, labels = _labels(check.expression)
        if column in types and labels and types[column].startswith(_TEXTS):
            types[column] = f"ENUM({', '.join(labels)})"
        elif not ((match := _BOOLEAN_CHECK.fullmatch(check.expression)) and types.get(name_of(match[1])) == "BOOLEAN"):
            kept.append(check)
    key = table.primary_key
    return Table(
        name=table.name,
        columns=tuple(_column(each, types[each.name], table, inventory, counterpart) for each in table.columns),
        primary_key=replace(key, options="") if key else None,
        foreign_keys=tuple(
            replace(key, options=key.options.replace("NOT VALID", "").strip()) for key in table.foreign_keys
        ),
        uniques=table.uniques,
        checks=tuple(_named(kept, counterpart)),
        indexes=tuple(_index(index) for index in table.indexes),
    )


def _family(spelling: str) -> str:
    match = _TYPE.fullmatch(spelling)
    if not match:
        return spelling
    base = (match[1] + match[3]).strip()
    if base in {"NUMERIC", "DECIMAL", *_TEXTS, "CHARACTER VARYING", "CHARACTER"}:
        return _FAMILIES.get(base, base) + (match[2] or "").replace(" ", "")
    return _FAMILIES.get(base, base)


def _labels(expression: str) -> tuple[str, list[str]]:
    """Return the column and the sorted labels of a check that lists the values of a column."""
    match = _LABELS.fullmatch(expression)
    if not match:
        return "", []
    return name_of(match[1]), sorted(
        text[1:-1].replace("''", "'") for text in re.findall(_STRING, match[2] or match[3])
    )


def _column(column: Column, family: str, table: Table, inventory: Inventory, counterpart: Table | None) -> Column:
    # SQLite's row number, which is never NULL and always generated
    alias = inventory.engine == "sqlite" and column.type == "INTEGER" and table.is_sole_key(column.name)
    other = counterpart.column(column.name) if counterpart else None
    default = _GENERATED if column.is_generated else _default(column.default, family)
    if alias and other and other.is_generated:
        default = _GENERATED
    if (alias or _refers(table, column)) and inventory.engine == "sqlite" and family == "INTEGER" and other:
        # An INTEGER of SQLite has 64 bits. It stands for a BIGINT id, and for columns that refer to one.
        family = other.type if other.type in _INTEGERS else family
    return Column(
        name=column.name,
        type=family,
        nullable=column.nullable and not alias,
        default=default,
        computed=_computed(column.computed) if column.computed else None,
        collation=column.collation,
    )


def _computed(text: str) -> str:
    """Return the canonical expression of a generated column.

    Whether the value is stored or virtual is left out: the defaults of the engines differ, and the value is the same.
    """
    return canonical(text.rpartition(" ")[0])


def _refers(table: Table, column: Column) -> bool:
    return any(column.name in key.columns for key in table.foreign_keys)


def _default(default: str | None, family: str) -> str | None:
    """Return the value of a default, without its quotes and casts."""
    if default is None:
        return None
    text = canonical(default)
    if re.fullmatch(_STRING, text):
        text = text[1:-1].replace("''", "'")
    if family == "JSON":
        with suppress(ValueError):  # PostgreSQL sorts the keys of a JSONB.
            return json.dumps(json.loads(text), sort_keys=True)
    if family == "BOOLEAN":
        return {"0": "false", "1": "true"}.get(text.lower(), text.lower())
    return {"null": None, "now()": "current_timestamp"}.get(text, text)


def _named(checks: Iterable[CheckConstraint], counterpart: Table | None) -> Iterable[CheckConstraint]:
    """Return the checks. The name of a check is replaced by None if no check of `counterpart` has this name."""
    names = {check.name for check in counterpart.checks} if counterpart else set()
    return [check if check.name in names else replace(check, name=None) for check in checks]


def _index(index: Index) -> Index:
    return replace(
        index,
        keys=tuple(_index_key(key) for key in index.keys),
        where=_condition(index.where) if index.where else None,
        options="",
    )


def _condition(where: str) -> str:
    """Return the condition of an index. `x IS FALSE` and `NOT x` become `x = 0`: none is true if x is NULL."""
    text = re.sub(r"\(not (\w+)\)", r"(\1 = 0)", canonical(where))
    text = f"({text} = 1)" if re.fullmatch(r"[^\W\d]\w*", text) else text
    is_negated = "(not " in text or "not (" in text
    return text if is_negated else re.sub(r" is (?=[01]\b)", " = ", text)


def _index_key(key: str) -> str:
    key = re.sub(r" \w+_ops\b", "", key)
    key, order, _ = re.sub(r" nulls (first|last)$", "", key).partition(" desc")
    return canonical(key) + order
