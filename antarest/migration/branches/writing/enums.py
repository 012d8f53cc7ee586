"""Adds to a revision the statements that create and drop the enum types and domains of its columns (PostgreSQL).

In this module, an enum type can also be a domain. Alembic creates an enum type with each table that uses the type, even
if the type exists already. Alembic creates no type with a column that is added to a table, and never drops a type.
Therefore an upgrade after a rollback fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.dialects.postgresql import DOMAIN

from ...schema.compare import Difference

EnumName = tuple[str | None, str]
"""The schema and the name of an enum type."""
EnumType = sa.Enum | DOMAIN
_Placed = tuple[tuple[str | None, str, str], sa.Column[Any]]


class EnumOp(ops.MigrateOperation):
    """Creates or drops an enum type. On SQLite, this does nothing, because SQLite has no enum types."""

    def __init__(self, kind: EnumType, verb: str) -> None:
        """Create the operation for a type. The verb is `create` or `drop`."""
        self.kind, self.verb = kind, verb


@renderers.dispatch_for(EnumOp)
def _render(context: AutogenContext, operation: EnumOp) -> str:
    sqlalchemy, alembic = (context.opts[f"{each}_module_prefix"] for each in ("sqlalchemy", "alembic"))
    if isinstance(operation.kind, DOMAIN):
        kind = _domain(operation.kind, context)
    else:
        labels = operation.kind.enums if operation.verb == "create" else []
        kind = f"{sqlalchemy}Enum({_arguments(operation.kind, labels)})"
    return f"{kind}.{operation.verb}({alembic}get_bind(), checkfirst=False)"


def _domain(kind: DOMAIN, context: AutogenContext) -> str:
    context.imports.add("from sqlalchemy.dialects import postgresql")
    if kind.collation == "default":  # This comes from the database, and would be written twice.
        kind.collation = None
        if isinstance(kind.data_type, sa.String):
            kind.data_type.collation = None
    return context.migration_context.impl.render_type(kind, context) or f"postgresql.{kind!r}"


def complete_enums(upgrade: ops.OpContainer, way_back: ops.OpContainer, metadata: sa.MetaData) -> frozenset[EnumName]:
    """Add operations that create the enum types of new columns and drop the enum types of dropped columns.

    An enum type that other columns use too is left alone. A column that changes to the type counts as a new column, and
    a column that changes to another type counts as a dropped column.

    Args:
        upgrade: the operations of the upgrade. The creation of a table also creates its types.
        way_back: the operations of the downgrade.
        metadata: the models after the upgrade.

    Returns:
        The names of the enum types that the models use and that already exist before the upgrade.
    """
    tables = [*_columns(upgrade, ops.CreateTableOp)]
    added = [*_columns(upgrade, ops.AddColumnOp), *_retyped(upgrade, "modify_type")]
    new = {place for place, _ in (*tables, *added)}
    others = [each for each in _all(metadata) if (each.table.schema, each.table.name, each.name) not in new]
    # With `create_type=False`, somebody has created the type by hand.
    by_hand = {name: kind for name, kind in _enums(_all(metadata)) if getattr(kind, "create_type", True) is False}
    there = dict(_enums(others)) | by_hand
    new_tables, new_columns = (_without(there, each) for each in (tables, added))
    now = there | new_tables | new_columns
    old_tables = _without(now, _columns(upgrade, ops.DropTableOp))
    old_columns = _without(now, [*_columns(upgrade, ops.DropColumnOp), *_retyped(upgrade, "existing_type")])
    for operations, created, made, dropped in (
        (upgrade, new_columns, new_tables, old_columns | old_tables),
        (way_back, old_columns, old_tables, new_columns | new_tables),
    ):
        # A library of `env.py`, such as alembic-postgresql-enum, may have added the same operations.
        theirs = {getattr(each, "name", None) for each in operations.ops if is_of_library(each)}
        own = [kind for name, kind in (created | made).items() if _is_apart(kind) or name not in made]
        operations.ops[:0] = [EnumOp(kind, "create") for kind in own if kind.name not in theirs]
        operations.ops += [EnumOp(kind, "drop") for kind in dropped.values() if kind.name not in theirs]
    return frozenset(there)


def how_to_rename(difference: Difference) -> str:
    """Return, in brackets, the statement that renames a label of an enum; empty if not exactly one label differs."""
    before, after = difference.before, difference.after
    is_enum = difference.kind == "enum" and difference.aspect == "labels"
    if not is_enum or not isinstance(before, tuple) or not isinstance(after, tuple) or len(before) != len(after):
        return ""
    renamed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    if len(renamed) != 1 or renamed[0][1] in before:
        return ""
    labels = [f"'{label.replace(chr(39), chr(39) * 2)}'" for label in renamed[0]]
    return f" (if this is a rename: ALTER TYPE {difference.path} RENAME VALUE {labels[0]} TO {labels[1]})"


def _all(metadata: sa.MetaData) -> Iterator[sa.Column[Any]]:
    for table in metadata.tables.values():
        yield from table.columns


def is_of_library(operation: ops.MigrateOperation) -> bool:
    """Return whether an operation comes from a library of `env.py`, and not from Alembic or the workflow."""
    return type(operation).__module__.partition(".")[0] != "alembic" and not isinstance(operation, EnumOp)


def _without(others: Collection[EnumName], found: Iterable[_Placed]) -> dict[EnumName, EnumType]:
    """Return the enum types of the columns in `found`, without the types in `others`."""
    return {name: kind for name, kind in _enums(column for _, column in found) if name not in others}


def render_enum(item: Any, existing: Collection[EnumName], context: AutogenContext, *, alone: bool) -> str:
    """Return the Python code for an enum type that exists already. With this code, no table creates the type again.

    Args:
        item: the type of a column.
        existing: the enum types that exist already.
        context: receives the import that the code needs.
        alone: whether the project is for PostgreSQL only.

    Returns:
        The code; empty if `item` is not an existing enum type.
    """
    if _is_apart(item):
        text = _domain(item, context)
        return text if "create_type=" in text else f"{text[:-1]}, create_type=False)"
    if not _is_type(item) or (item.schema, item.name) not in existing:
        return ""
    context.imports.add("from sqlalchemy.dialects import postgresql")
    arguments = _arguments(item, item.enums)
    on_postgresql = f"postgresql.ENUM({arguments}, create_type=False)"
    if alone:
        return on_postgresql
    check = ", create_constraint=True" if item.create_constraint else ""
    prefix = context.opts["sqlalchemy_module_prefix"]
    return f"{prefix}Enum({arguments}{check}).with_variant({on_postgresql}, 'postgresql')"


def _arguments(kind: sa.Enum, labels: Iterable[str]) -> str:
    schema = [f"schema={kind.schema!r}"] if kind.schema else []
    return ", ".join([*map(repr, labels), f"name={str(kind.name)!r}", *schema])


def _columns(operations: ops.OpContainer, kind: type[Any]) -> Iterator[_Placed]:
    """Yield the columns that operations of this kind create or drop, each with its schema, table and name."""
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            yield from _columns(each, kind)
        elif isinstance(each, kind):
            for column in _columns_of(each):
                yield (each.schema, each.table_name, column.name), column


def _retyped(operations: ops.OpContainer, which: str) -> Iterator[_Placed]:
    """Yield the columns whose type changes, each with the type that `which` names."""
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            yield from _retyped(each, which)
        elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
            yield (each.schema, each.table_name, each.column_name), sa.Column(each.column_name, getattr(each, which))


def _columns_of(operation: Any) -> Iterable[sa.Column[Any]]:
    if isinstance(operation, ops.AddColumnOp):
        return [operation.column]
    if isinstance(operation, ops.DropColumnOp):
        return [operation.to_column()]
    table: sa.Table = operation.to_table()
    return table.columns


def _enums(columns: Iterable[sa.Column[Any]]) -> Iterator[tuple[EnumName, EnumType]]:
    """Yield the enum types that PostgreSQL creates for these columns, each with its schema and name."""
    for column in columns:
        kind: Any = column.type
        while isinstance(kind, (sa.TypeDecorator, sa.ARRAY)):
            kind = kind.item_type if isinstance(kind, sa.ARRAY) else kind.impl
        if _is_type(kind):
            yield (kind.schema, kind.name), kind


def _is_apart(kind: object) -> bool:
    """Return whether a revision creates this type by a statement of its own, and never with a table."""
    return isinstance(kind, DOMAIN)


def _is_type(kind: object) -> bool:
    is_enum = isinstance(kind, sa.Enum) and kind.native_enum
    return (is_enum or isinstance(kind, DOMAIN)) and bool(getattr(kind, "name", None))
