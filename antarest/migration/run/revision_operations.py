"""The `op` that a revision uses while it runs.

It is Alembic's `op` with two changes. First, `op.batch_alter_table` reads only the table that it rebuilds, and not all
tables that foreign keys lead to. The new table does not need those: with 20 tables in a chain, reading them took 60 %
of the time of all revisions. Second, the watcher of rebuilds gets each operation, since inside a batch there is no
statement to watch. Alembic has no hook for either, so both are set on the `Operations` of the run; the classes
stay as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.operations.base import AbstractOperations
from alembic.runtime.migration import MigrationContext

from ..losses.rebuilds import report_operation
from ..losses.tracking.base import NotAllowed
from . import operations as _  # noqa: F401 - registers `op.move_column` and the others


@contextmanager
def revision_operations(context: MigrationContext) -> Iterator[Operations]:
    """Let revisions use `op`, as `Operations.context` does."""
    with Operations.context(context) as operations:
        batch_alter_table = operations.batch_alter_table
        signature = inspect.signature(batch_alter_table)

        @contextmanager
        def read_one_table(*arguments: Any, **named: Any) -> Iterator[Any]:
            called = signature.bind(*arguments, **named)
            given = called.arguments
            if not given.get("naming_convention") and not _has_untyped_column(context, given["table_name"]):
                given["reflect_kwargs"] = {"resolve_fks": False, **(given.get("reflect_kwargs") or {})}
            with batch_alter_table(*called.args, **called.kwargs) as batch:
                _note_operations(batch)
                yield batch

        operations.batch_alter_table = read_one_table  # type: ignore[method-assign]
        operations.run_async = _refuse_async  # type: ignore[method-assign, assignment]
        _note_operations(operations)
        yield operations


def _refuse_async(*_arguments: object, **_named: object) -> None:
    """Refuse `op.run_async`: our drivers are not asynchronous.

    Raises:
        NotAllowed: always.
    """
    raise NotAllowed("it calls op.run_async, which needs an asynchronous driver: use op.get_bind() and op.execute()")


def _note_operations(operations: AbstractOperations) -> None:
    invoke = operations.invoke

    def note_and_invoke(operation: MigrateOperation) -> Any:
        report_operation(operations.migration_context, operation)
        return invoke(operation)

    operations.invoke = note_and_invoke  # type: ignore[method-assign]


def _has_untyped_column(context: MigrationContext, table: str) -> bool:
    """Whether a column has no type. It gets the type of the column that it refers to, so that table is read too."""
    connection = context.connection
    if connection is None or connection.dialect.name != "sqlite":
        return False
    return bool(connection.scalar(sa.text("SELECT 1 FROM pragma_table_info(:name) WHERE type = ''"), {"name": table}))
