"""The `op` that a revision uses while it runs.

This is Alembic's `op` with three changes. First, `op.batch_alter_table` reads only the table that it rebuilds. Alembic
also reads each table to which foreign keys lead, although this is not needed for the new table. With a chain of 20
tables, this took 60 % of the time of all revisions. Second, `RebuildGuard` receives each operation, because a batch
executes no statement of its own for an operation. Third, a batch on SQLite does not CAST to a date or a time: a CAST
would keep only the year. Alembic has no hook for these changes, so they are made on the `Operations` object of the
run, and not on Alembic's classes.
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
    """Let revisions use `op` in the `with` block, as `Operations.context` does."""
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
        if context.dialect.name == "sqlite":
            _keep_dates(context)
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


_DATES = (sa.Date, sa.DateTime, sa.Time, sa.Interval)


def _keep_dates(context: MigrationContext) -> None:
    """Let a batch copy values into a column for dates or times without a CAST. A CAST would keep only the year."""
    cast = context.impl.cast_for_batch_migrate

    def copy_or_cast(existing: sa.Column[Any], transfer: dict[str, Any], type_: Any) -> None:
        old, new = existing.type._type_affinity, type_._type_affinity  # noqa: SLF001 - as Alembic compares them
        if (old, new) == (sa.Date, sa.DateTime):
            transfer["expr"] = sa.type_coerce(transfer["expr"], sa.String()) + sa.literal_column("' 00:00:00.000000'")
        elif (old, new) == (sa.DateTime, sa.Date):
            transfer["expr"] = sa.func.substr(transfer["expr"], sa.literal_column("1"), sa.literal_column("10"))
        elif new not in _DATES:
            cast(existing, transfer, type_)  # type: ignore[no-untyped-call]

    context.impl.cast_for_batch_migrate = copy_or_cast  # type: ignore[method-assign]


def _has_untyped_column(context: MigrationContext, table: str) -> bool:
    """Return whether a table has a column without a type.

    Such a column gets the type of the column to which it refers, so Alembic has to read the referenced table too.
    """
    connection = context.connection
    if connection is None or connection.dialect.name != "sqlite":
        return False
    return bool(connection.scalar(sa.text("SELECT 1 FROM pragma_table_info(:name) WHERE type = ''"), {"name": table}))
