"""Finds out which unique constraints of PostgreSQL are deferrable, because SQLAlchemy does not read this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

_DEFERRABLE = """
    SELECT n.nspname, r.relname, c.conname, c.condeferred
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
    WHERE c.contype = 'u' AND c.condeferrable
"""


def keep_deferrable(upgrade: ops.OpContainer, connection: sa.Connection) -> None:
    """If an upgrade drops a deferrable unique constraint, let the downgrade create it as deferrable again.

    Args:
        upgrade: the operations of the upgrade. The operations that undo them are changed.
        connection: a connection to the database with the constraints that the upgrade drops.
    """
    if connection.dialect.name != "postgresql":
        return
    home = connection.dialect.default_schema_name
    found = {tuple(row[:3]): row[3] for row in connection.execute(sa.text(_DEFERRABLE))}
    for schema, table, name, options in _dropped(upgrade):
        if (is_deferred := found.get((schema or home, table, name))) is not None:
            options["deferrable"] = True
            options["initially"] = "DEFERRED" if is_deferred else None


def _dropped(operations: ops.OpContainer) -> Iterator[tuple[str | None, str, str, dict[str, Any]]]:
    """Yield the schema, table and name of each dropped unique constraint, and the options that create it again."""
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            yield from _dropped(each)
        elif isinstance(each, ops.DropTableOp):
            for constraint in each._reverse.columns if each._reverse else ():  # noqa: SLF001 - there is no public way
                if isinstance(constraint, sa.UniqueConstraint):
                    yield each.schema, each.table_name, str(constraint.name), vars(constraint)
        elif isinstance(each, ops.DropConstraintOp) and isinstance(each._reverse, ops.CreateUniqueConstraintOp):  # noqa: SLF001
            yield each.schema, each.table_name, str(each.constraint_name), each._reverse.kw  # noqa: SLF001
