"""`op.batch_alter_table` reads the one table that it rebuilds, and not all that can be reached from it by foreign keys.

Nothing of those goes into the new table, and Alembic reads them all at each rebuild: with 20 tables in a chain that was
60 % of the time of all revisions. There is no hook for it, so the operation is wrapped, for everybody in the process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations


def _alone(batch_alter_table: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(batch_alter_table)

    @wraps(batch_alter_table)
    def alone(*arguments: Any, **named: Any) -> Any:
        called = signature.bind(*arguments, **named)
        given = called.arguments
        if not given.get("naming_convention") and not _has_untyped(given["self"], given["table_name"]):
            given["reflect_kwargs"] = {"resolve_fks": False, **(given.get("reflect_kwargs") or {})}
        return batch_alter_table(*called.args, **called.kwargs)

    return alone


def _has_untyped(operations: Operations, table: str) -> bool:
    """Whether a column has no type: it gets that of the column to which it refers, so that one has to be read too."""
    connection = operations.migration_context.connection
    if connection is None or connection.dialect.name != "sqlite":
        return False
    return bool(connection.scalar(sa.text("SELECT 1 FROM pragma_table_info(:name) WHERE type = ''"), {"name": table}))


Operations.batch_alter_table = _alone(Operations.batch_alter_table)  # type: ignore[method-assign]  # No hook, as said.
