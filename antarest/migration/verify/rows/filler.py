"""Generates rows for every table of a schema, from the schema alone.

Each column has a pool of awkward values. Each value appears at least once if the constraints allow it. Foreign keys,
unique keys and checks of one column are respected beforehand. The database checks all other constraints. If it refuses
a row, another row is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from ...errors.text import reason
from ...schema.inventory import Table
from ...schema.reflection import OWN_TABLES, reflect
from .draw import Draw, NoValidRow, TableDraw
from .order import DeferredKey, insertion_order, is_nullable
from .pools import PoolMaker, awkward
from .snapshots import reflect_tables

_ATTEMPTS = 50
_ADVANCE = sa.text("""
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass,
        greatest(coalesce(last_value, start_value), :numbered))
    FROM pg_catalog.pg_sequences WHERE schemaname !~ '^pg_'
""")
NOTHING: Mapping[str, Table] = {}


def fill(
    connection: Connection,
    *,
    seed: int = 0,
    rows: int = 3,
    values: Mapping[str, Sequence[object]] | None = None,
    exclude: Collection[str] = OWN_TABLES,
    pools: PoolMaker = awkward,
    formerly: Mapping[str, Table] | None = None,
) -> dict[str, int]:
    """Add rows to every empty table, in the transaction of the caller.

    Args:
        connection: a connection to SQLite or PostgreSQL.
        seed: the same seed, schema and values give the same rows.
        rows: the smallest number of rows of a table. Constraints may allow fewer; a column with many values needs more.
        values: by "table.column", values that replace the generated ones; None is NULL. Columns that the schema does
            not have are ignored, so that one mapping is enough for a whole history.
        exclude: the tables that get no rows.
        pools: makes the pool of each column.
        formerly: earlier versions of the tables. The rows also respect the unique keys of these.

    Returns:
        The number of rows added, by table; 0 for a table that had rows.

    Raises:
        NoValidRow: a table stays empty, because its constraints refuse every row that was tried.
    """
    return _Filler(connection, seed, rows, values or {}, exclude, pools, formerly or {}).fill()


class _Filler:
    def __init__(
        self,
        connection: Connection,
        seed: int,
        rows: int,
        values: Mapping[str, Sequence[object]],
        exclude: Collection[str],
        pools: PoolMaker = awkward,
        formerly: Mapping[str, Table] = NOTHING,
    ) -> None:
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._seed = seed
        self._rows = rows
        self._pools = pools
        self._formerly = formerly
        self._values = values
        self._inventory = reflect(connection, exclude=exclude)
        self._tables = reflect_tables(connection, exclude)
        self._order, self._cuts = insertion_order(self._inventory.tables)
        self._numbered = 0

    def fill(self) -> dict[str, int]:
        added = dict.fromkeys(sorted(self._order), 0)
        with self._foreign_keys_deferred():
            for name in self._order:
                if not self._connection.execute(sa.select(sa.exists().select_from(self._tables[name]))).scalar():
                    added[name] = self._fill_table(self._inventory.tables[name])
            for cut in self._cuts:
                if added[cut.table]:
                    self._set_deferred(cut)
        if self._is_postgresql and self._numbered:
            self._advance_sequences()
        return added

    def _fill_table(self, table: Table) -> int:
        draw = self._draw(table)
        numbers = range(max(self._rows, draw.longest + 1))
        added = self._add_together(table.name, draw, numbers)
        if not added:
            draw = self._draw(table)
            refusals = [self._add(table.name, draw, number) for number in numbers]
            added = refusals.count("")
            if not added:
                raise NoValidRow(table.name, draw.obstacle or refusals[0])
        self._numbered = max(self._numbered, draw.numbered)
        return added

    def _draw(self, table: Table) -> TableDraw:
        later = [cut.key for cut in self._cuts if cut.table == table.name]
        if before := self._formerly.get(table.name):
            table = _with_keys_of(table, before)
        return TableDraw(self._connection, table, self._tables, self._values, later, self._seed, self._pools)

    def _add_together(self, table: str, draw: TableDraw, numbers: Iterable[int]) -> int:
        """Add all rows in one statement. Return 0 if the database refuses a row, or if rows depend on each other.

        This saves three round trips to the server for each row. SQLite has no server, so there the rows are added one
        by one.
        """
        rows: list[Draw] = []
        for number in numbers if self._is_postgresql and not draw.refers_to_itself else ():
            drawn = (draw.row(number, attempt) for attempt in range(_ATTEMPTS))
            if (row := next((row for row in drawn if row is not None), None)) is not None:
                draw.accept(row)
                rows.append(row)
        if not any(rows) or self._execute(sa.insert(self._tables[table]), rows):  # A row may have no values.
            return 0
        return len(rows)

    def _add(self, table: str, draw: TableDraw, number: int) -> str:
        """Try rows until the database accepts one. Return the reason if it accepts none."""
        reason = "every row that was tried breaks a unique key"
        for attempt in range(_ATTEMPTS):
            row = draw.row(number, attempt)
            if row is None:
                continue
            refusal = self._execute(sa.insert(self._tables[table]).values(row))
            if not refusal:
                draw.accept(row)
                return ""
            reason = refusal
        return reason

    def _execute(self, statement: sa.Executable, rows: list[Draw] | None = None) -> str:
        """Execute a statement. Return the reason if the database, or a type, refuses its values."""
        try:
            with self._savepoint():
                self._connection.execute(statement, rows)
        except StatementError as error:
            # A type raises a StatementError itself; the server raises one of its subclasses.
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            return reason(error)
        return ""

    def _savepoint(self) -> AbstractContextManager[object]:
        """Begin a savepoint on PostgreSQL, where a failed statement aborts the transaction."""
        return self._connection.begin_nested() if self._is_postgresql else nullcontext()

    def _set_deferred(self, cut: DeferredKey) -> None:
        """Set a foreign key of a table to rows of a table that was filled after it."""
        if not cut.key.referred_columns:
            return
        table, referred = self._tables[cut.table], self._tables[cut.key.referred_table]
        facts = self._inventory.tables[cut.table]
        found = self._connection.execute(sa.select(*(referred.c[column] for column in cut.key.referred_columns)))
        targets = sorted(map(tuple, found), key=repr)
        identity = [table.c[column] for column in (facts.primary_key.columns if facts.primary_key else cut.key.columns)]
        rows = sorted(map(tuple, self._connection.execute(sa.select(*identity))), key=repr)
        # One row keeps NULL, so that this value is tried too.
        for number, row in enumerate(rows[1:] if is_nullable(facts, cut.key) else rows):
            which = (column.is_not_distinct_from(value) for column, value in zip(identity, row, strict=True))
            target: Draw = dict(zip(cut.key.columns, targets[number % len(targets)], strict=True))
            refusal = self._execute(sa.update(table).where(*which).values(target))
            if refusal and not is_nullable(facts, cut.key):
                raise NoValidRow(cut.table, refusal)

    @contextmanager
    def _foreign_keys_deferred(self) -> Iterator[None]:
        """Check foreign keys only at the end of the block, if a cycle has no foreign key that may be NULL."""
        if all(is_nullable(self._inventory.tables[cut.table], cut.key) for cut in self._cuts):
            yield
            return
        if self._is_postgresql:
            self._connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
            yield
            self._connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            return
        driver = self._connection.connection.driver_connection
        if driver is not None and not driver.in_transaction:
            # The pragma ends with the transaction, and sqlite3 begins one only with the first row.
            self._connection.exec_driver_sql("BEGIN")
        self._connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        yield

    def _advance_sequences(self) -> None:
        """Move every sequence past the ids that were generated here."""
        self._connection.execute(_ADVANCE, {"numbered": self._numbered})


def _with_keys_of(table: Table, before: Table) -> Table:
    """Return the table with the unique keys and indexes that it had before, if it still has their columns."""
    names = {column.name for column in table.columns}
    uniques = (*table.uniques, *(each for each in before.uniques if names.issuperset(each.columns)))
    indexes = (each for each in before.indexes if each.unique and each.where is None and names.issuperset(each.keys))
    return replace(table, uniques=tuple(dict.fromkeys(uniques)), indexes=(*table.indexes, *indexes))


def shorten_moments(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> None:
    """Change one time of each column to a time without microseconds, as other programs write it on SQLite."""
    if connection.dialect.name != "sqlite":
        return
    quote = connection.dialect.identifier_preparer.quote
    for name, table in reflect_tables(connection, exclude).items():
        for column in (quote(each.name) for each in table.c if isinstance(each.type, sa.DateTime)):
            row = f"(SELECT max(rowid) FROM {quote(name)} WHERE {column} LIKE '____-__-__ __:__:__.%')"
            with suppress(DBAPIError):  # A table may have no rowid, and a check or a unique key may refuse the text.
                connection.exec_driver_sql(
                    f"UPDATE {quote(name)} SET {column} = substr({column}, 1, 19) WHERE rowid = {row}"
                )
