"""Operations that move data: `op.move_column`, `op.backfill`, `op.copy_rows`, `op.split_json` and `op.join_json`.

No operation loops over rows in Python. An operation executes a single statement. On a large table, the operation
executes one statement for each range of keys, and the run prints the progress. All statements are part of the
revision's transaction, and load no rows into Python. With `--sql`, an operation writes a single statement. Importing
this module registers the operations, as Alembic's documentation describes for custom operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

CHUNK = 100_000
"""The most rows that one statement processes, unless a revision sets another limit."""

REPORT = "antarest_report"
"""The key in the options of Alembic's context for the function that reports the progress of an operation."""

Report = Callable[[str, int, int, float], None]
"""A function that receives the name of a table, the processed rows, the number of all rows, and the seconds so far."""


@Operations.register_operation("move_column")
@Operations.register_operation("backfill")
@Operations.register_operation("copy_rows")
@Operations.register_operation("split_json")
@Operations.register_operation("join_json")
class DataOperations(MigrateOperation):
    """The operations that this module adds to `op`. An object of this class is one operation, which moves data."""

    def __init__(self, run: Callable[[Operations], None]) -> None:
        self.run = run

    @classmethod
    def move_column(
        cls,
        operations: Operations,
        source: str,
        target: str,
        *,
        on: Mapping[str, str],
        key: str = "id",
        chunk: int = CHUNK,
    ) -> None:
        """Copy the values of a column to a column of another table. Usually a foreign key connects the two tables.

        A row of the target without a matching row in the source keeps its value.

        Args:
            operations: the object behind `op`, which Alembic passes.
            source: the column with the values, as "table.column".
            target: the column that gets the values, as "table.column".
            on: a mapping from columns of the source table to columns of the target table. A row of the source matches a
                row of the target if all these columns are equal.
            key: a unique column of the target table. A large table is processed in ranges of this column.
            chunk: the number of rows in a range; 0 for a single statement.

        Raises:
            ValueError: several rows of the source match one row of the target, but this row can take only one value.
        """
        (from_table, from_column), (to_table, to_column) = _split(source), _split(target)
        there, here = _table(from_table, from_column, *on), _table(to_table, to_column, key, *on.values())
        joined = [there.c[theirs] == here.c[ours] for theirs, ours in on.items()]
        statement = here.update().values({to_column: there.c[from_column]}).where(*joined)

        def run(operations: Operations) -> None:
            _refuse_several(operations, there, list(on), source, target)
            _in_ranges(operations, here, key, chunk, statement)

        operations.invoke(cls(run))

    @classmethod
    def backfill(
        cls,
        operations: Operations,
        table: str,
        values: Mapping[str, Any],
        *,
        where: str = "",
        key: str = "id",
        chunk: int = CHUNK,
    ) -> None:
        """Set the values of columns in the existing rows of a table.

        Args:
            operations: the object behind `op`, which Alembic passes.
            table: the name of the table.
            values: a mapping from each column to its value, or to an expression such as `sa.text("lower(name)")`.
            where: the condition for the rows, as SQL; empty for all rows.
            key: a unique column of the table. A large table is processed in ranges of this column.
            chunk: the number of rows in a range; 0 for a single statement.
        """
        here = _table(table, key, *values)
        # To write a plain value, `--sql` needs its type. The columns here have no type, so `literal` finds the type.
        given = {
            name: each if isinstance(each, sa.ClauseElement) else sa.literal(each) for name, each in values.items()
        }
        statement = here.update().values(given).where(*_condition(where))
        operations.invoke(cls(lambda operations: _in_ranges(operations, here, key, chunk, statement)))

    @classmethod
    def copy_rows(
        cls,
        operations: Operations,
        source: str,
        target: str,
        columns: Sequence[str] | Mapping[str, Any],
        *,
        where: str = "",
        key: str = "id",
        chunk: int = CHUNK,
    ) -> None:
        """Copy the rows of a table into another table.

        Args:
            operations: the object behind `op`, which Alembic passes.
            source: the table with the rows.
            target: the table that gets the rows.
            columns: the names of columns that both tables have; or a mapping from columns of the target to columns of
                the source or to expressions.
            where: the condition for the rows, as SQL; empty for all rows.
            key: a unique column of the source. A large table is processed in ranges of this column.
            chunk: the number of rows in a range; 0 for a single statement.
        """
        chosen = columns if isinstance(columns, Mapping) else {name: name for name in columns}
        names = [value for value in chosen.values() if isinstance(value, str)]
        there, here = _table(source, key, *names), _table(target, *chosen)
        values = (there.c[value] if isinstance(value, str) else value for value in chosen.values())
        rows = sa.select(*values).select_from(there).where(*_condition(where))
        operations.invoke(cls(lambda operations: _in_ranges(operations, there, key, chunk, rows, here)))

    @classmethod
    def split_json(
        cls,
        operations: Operations,
        source: str,
        target: str,
        *,
        value: str,
        keys: Mapping[str, str],
        key: str = "id",
        chunk: int = CHUNK,
    ) -> None:
        """Create a row for each different element of the JSON lists in a text column. A JSON null creates no row.

        A text that is not a JSON list stops the revision, on both engines.

        Args:
            operations: the object behind `op`, which Alembic passes.
            source: the column with the lists, as "table.column".
            target: the table that gets the rows.
            value: the column of the target that gets the element, as text.
            keys: the columns that are copied with each element, as a mapping from columns of the source table to
                columns of the target. Without keys, equal elements of several lists become one row.
            key: a unique column of the source table. A large table is processed in ranges of this column.
            chunk: the number of rows in a range; 0 for a single statement. Without `keys`, there is
                always a single statement.
        """
        table, column = _split(source)
        there, here = _table(table, key, column, *keys), _table(target, *keys.values(), value)

        def run(operations: Operations) -> None:
            element = _elements(operations, there.c[column])
            rows = sa.select(*(there.c[name] for name in keys), element.c.value).select_from(there)
            rows = rows.where(element.c.value.is_not(None)).distinct()
            _in_ranges(operations, there, key, chunk if keys else 0, rows, here)

        operations.invoke(cls(run))

    @classmethod
    def join_json(
        cls,
        operations: Operations,
        source: str,
        target: str,
        *,
        value: str,
        keys: Mapping[str, str],
        key: str = "id",
        chunk: int = CHUNK,
    ) -> None:
        """Create JSON lists from rows. This reverses `split_json`.

        The elements of a list are sorted by their code points, on both engines. A row of the target without elements
        keeps its list.

        Args:
            operations: the object behind `op`, which Alembic passes.
            source: the table with a row for each element.
            target: the column that gets the lists, as "table.column". A list is stored as text.
            value: the column of the source with the element.
            keys: a mapping from columns of the source to columns of the target table. A row of the target gets
                the elements of the source rows for which all these columns are equal.
            key: a unique column of the target table. A large table is processed in ranges of this column.
            chunk: the number of rows in a range; 0 for a single statement.
        """
        table, column = _split(target)
        here, there = _table(table, key, column, *keys.values()), _table(source, value, *keys)
        matches = [there.c[theirs] == here.c[ours] for theirs, ours in keys.items()]

        def run(operations: Operations) -> None:
            lists = _as_list(operations, there.c[value]).where(*matches).correlate(here)
            some = sa.exists(sa.select(sa.literal(1)).select_from(there).where(*matches).correlate(here))
            statement = here.update().values({column: lists.scalar_subquery()}).where(some)
            _in_ranges(operations, here, key, chunk, statement)

        operations.invoke(cls(run))


@Operations.implementation_for(DataOperations)
def _run(operations: Operations, operation: DataOperations) -> None:
    operation.run(operations)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in dict.fromkeys(columns)))


def _condition(sql: str) -> list[sa.TextClause]:
    return [sa.text(sql)] if sql else []


def _split(name: str) -> tuple[str, str]:
    table, dot, column = name.rpartition(".")
    if not dot:
        raise ValueError(f'{name!r} must have the form "table.column"')
    return table, column


def _in_ranges(
    operations: Operations,
    table: sa.TableClause,
    by: str,
    chunk: int,
    statement: Any,
    into: sa.TableClause | None = None,
) -> None:
    """Execute an update, or copy the rows of a query, for each range of keys, and report the progress."""
    context = operations.migration_context
    report: Report | None = context.opts.get(REPORT)
    if context.as_sql or not chunk:
        operations.execute(_build(statement, into))
        return
    bind, began, key = operations.get_bind(), time.monotonic(), table.c[by]
    total = bind.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    done, low = 0, None
    while True:
        rest = sa.select(key).order_by(key).offset(chunk).limit(1)
        high = bind.scalar(rest if low is None else rest.where(key >= low)) if done + chunk < total else None
        conditions = ([] if low is None else [key >= low]) + ([] if high is None else [key < high])
        bind.execute(_build(statement, into, *conditions))
        done = total if high is None else done + chunk
        if report and total > chunk:
            report(table.name, done, total, time.monotonic() - began)
        if high is None:
            return
        low = high


def _build(statement: Any, into: sa.TableClause | None, *conditions: sa.ColumnElement[bool]) -> Any:
    chosen = statement.where(*conditions)
    return chosen if into is None else into.insert().from_select(list(into.c.keys()), chosen, include_defaults=False)


def _refuse_several(
    operations: Operations, table: sa.TableClause, columns: Sequence[str], source: str, target: str
) -> None:
    """Refuse a move if several values could arrive in one row, because the result would be random."""
    if operations.migration_context.as_sql:
        return
    inspector = sa.inspect(operations.get_bind())
    unique: list[list[Any]] = [inspector.get_pk_constraint(table.name)["constrained_columns"]]
    unique += [list(each["column_names"]) for each in inspector.get_unique_constraints(table.name)]
    unique += [list(each["column_names"]) for each in inspector.get_indexes(table.name) if each["unique"]]
    if any(each and set(each) <= set(columns) for each in unique):
        return
    group = [table.c[name] for name in columns]
    several = sa.select(sa.literal(1)).select_from(table).group_by(*group).having(sa.func.count() > 1).limit(1)
    if operations.get_bind().scalar(several):
        raise ValueError(f"{source} has several values for one row of {target}: one of them would win by chance")


def _elements(operations: Operations, column: sa.ColumnElement[Any]) -> Any:
    """Return the elements of the list in a column, as a table with the column `value`."""
    if operations.migration_context.dialect.name == "postgresql":
        elements: Any = sa.func.json_array_elements_text(sa.cast(column, sa.JSON()))
    else:
        # SQLite would accept an object or a single value as a list. PostgreSQL fails on these.
        is_list = sa.func.json_type(column) == "array"
        elements = sa.func.json_each(sa.case((column.is_(None), None), (is_list, column), else_="not a list"))
    return elements.table_valued("value", joins_implicitly=True)


def _as_list(operations: Operations, column: sa.ColumnElement[Any]) -> Any:
    """Return a query for a JSON list of the values of a column, as text."""
    if operations.migration_context.dialect.name == "postgresql":
        text = sa.cast(sa.func.to_json(column), sa.Text())
        ordered = sa.func.string_agg(text, sa.literal_column("', '").op("ORDER BY")(sa.collate(column, "C")))
        return sa.select(sa.literal_column("'['").concat(ordered).concat(sa.literal_column("']'")))
    # SQLite 3.40 does not support ORDER BY in an aggregate. A window over all rows has the same effect.
    quoted = sa.func.group_concat(sa.func.json_quote(column), ", ")
    window = quoted.over(order_by=column, rows=(None, None))
    return sa.select(sa.literal_column("'['").concat(window).concat(sa.literal_column("']'"))).limit(1)
