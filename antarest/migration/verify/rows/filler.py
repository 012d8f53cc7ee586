"""Generates rows for every table of a schema, from the schema alone.

Each column has a pool of awkward values. Each value appears at least once if the constraints allow it. The generated
rows respect foreign keys, unique keys and checks of one column. The database checks all other constraints. If it
refuses a row, another row is tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...schema.inventory import ForeignKey, Inventory, Table
from ...schema.reflection import OWN_TABLES, reflect
from .draw import Draw, NoValidRow, TableDraw
from .inserts import Inserter, Memory, Remembered
from .order import DeferredKey, insertion_order, is_nullable
from .pools import PoolMaker, awkward
from .snapshots import reflect_tables

_ATTEMPTS = 50
_ADVANCE = sa.text("""
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass,
        greatest(coalesce(last_value, start_value), :numbered))
    FROM pg_catalog.pg_sequences WHERE schemaname !~ '^pg_'
""")


def fill(
    connection: Connection,
    *,
    seed: int = 0,
    rows: int = 3,
    values: Mapping[str, Sequence[object]] | None = None,
    exclude: Collection[str] = OWN_TABLES,
    pools: PoolMaker = awkward,
    formerly: Mapping[str, Table] | None = None,
    schema: Inventory | None = None,
    memory: Memory | None = None,
) -> dict[str, int]:
    """Add rows to every empty table, in the transaction of the caller.

    Args:
        connection: a connection to SQLite or PostgreSQL.
        seed: the same seed, schema and values give the same rows.
        rows: the number of rows that each table gets. A table gets fewer if its constraints do not allow so many, and
            more if one of its columns has a pool with more values.
        values: a mapping from "table.column" to values that replace the generated values; None is NULL. Columns that
            the schema does not have are ignored. Therefore one mapping is enough for a whole history.
        exclude: the tables that get no rows.
        pools: makes the pool of each column.
        formerly: earlier versions of the tables. The rows also respect the unique keys of the earlier versions.
        schema: the schema of the database, if the caller has already read it.
        memory: the generated rows of other databases. If a table would get the same rows again, the rows are taken
            from this memory.

    Returns:
        A mapping from each table to the number of rows that were added; 0 for a table that had rows.

    Raises:
        NoValidRow: a table stays empty, because its constraints refuse every row that was tried.
    """
    schema = reflect(connection, exclude=exclude) if schema is None else schema
    tables = {name: table for name, table in schema.tables.items() if name not in exclude}
    return _Filler(
        connection, seed, rows, values or {}, exclude, pools, formerly or {}, replace(schema, tables=tables), memory
    ).fill()


class _Filler:
    def __init__(
        self,
        connection: Connection,
        seed: int,
        rows: int,
        values: Mapping[str, Sequence[object]],
        exclude: Collection[str],
        pools: PoolMaker,
        formerly: Mapping[str, Table],
        schema: Inventory,
        memory: Memory | None,
    ) -> None:
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._seed = seed
        self._rows = rows
        self._pools = pools
        self._formerly = formerly
        self._values = values
        self._inventory = schema
        self._memory = memory
        self._drawn: dict[str, list[Draw]] = {}  # the rows of each table that was filled by one statement
        self._tables = reflect_tables(connection, exclude)
        self._inserter = Inserter(connection, self._tables)
        self._order, self._cuts = insertion_order(self._inventory.tables)
        self._numbered = 0
        self._advanced: set[str] = set()
        self._waiting: list[tuple[Table, Remembered]] = []  # tables with the remembered rows to insert
        self._statements: list[bytes] = []  # the statements that have added the rows of the last table

    def fill(self) -> dict[str, int]:
        added = dict.fromkeys(sorted(self._order), 0)
        with self._foreign_keys_deferred():
            filled = self._inserter.with_rows(self._order)
            self._advanced = self._inserter.with_numbers() if self._memory is not None else set()
            for name in self._order:
                if name not in filled:
                    added[name] = self._fill_table(self._inventory.tables[name])
            self._insert_waiting()
            for cut in self._cuts:
                if added[cut.table]:
                    self._set_deferred(cut)
        if self._is_postgresql and self._numbered:  # Every sequence continues after the generated ids.
            self._connection.execute(_ADVANCE, {"numbered": self._numbered})
        return added

    def _fill_table(self, table: Table) -> int:
        if (origin := self._origin(table)) and self._memory is not None:
            if known := self._memory.get(origin):
                if known.refusal:
                    raise NoValidRow(table.name, known.refusal)
                self._waiting.append((table, known))
                self._drawn[table.name] = known.rows
                return len(known.rows)
            self._insert_waiting()
            try:
                added = self._draw_table(table)
            except NoValidRow as error:
                self._memory[origin] = Remembered([], self._numbered, b"", error.reason)
                raise
            if rows := self._drawn.get(table.name):
                self._memory[origin] = Remembered(rows, self._numbered, b";".join(self._statements))
            return added
        self._insert_waiting()
        return self._draw_table(table)

    def _insert_waiting(self) -> None:
        """Insert the remembered rows. If the database refuses these rows, generate new rows."""
        waiting, self._waiting = self._waiting, []
        if not waiting or not self._inserter.insert_remembered([(table.name, known) for table, known in waiting]):
            self._numbered = max([self._numbered, *(known.numbered for _, known in waiting)])
            return
        for table, _ in waiting:
            del self._drawn[table.name]
            self._draw_table(table)

    def _draw_table(self, table: Table) -> int:
        self._statements.clear()
        draw = self._draw(table)
        numbers = range(max(self._rows, draw.longest + 1))
        rows = self._add_together(table.name, draw, numbers)
        is_together = bool(rows)
        if is_together:
            self._statements.append(self._inserter.statement)
        else:
            draw = self._draw(table)
            refusals = [self._add(table.name, draw, number, rows) for number in numbers]
            if not rows:
                raise NoValidRow(table.name, draw.obstacle or refusals[0])
        if is_together or (draw.is_repeatable and any(rows)):
            self._drawn[table.name] = rows
        self._numbered = max(self._numbered, draw.numbered)
        return len(rows)

    def _draw(self, table: Table) -> TableDraw:
        table, later = self._drawn_as(table)
        return TableDraw(self._connection, table, self._tables, self._values, later, self._seed, self._pools)

    def _drawn_as(self, table: Table) -> tuple[Table, list[ForeignKey]]:
        """Return the table with its earlier unique keys, and the foreign keys that have to wait for other rows."""
        before = self._formerly.get(table.name)
        later = [cut.key for cut in self._cuts if cut.table == table.name]
        return (_with_keys_of(table, before) if before else table), later

    def _origin(self, table: Table) -> str:
        """Return a hash of everything on which the rows of a table depend; empty if a part of this is not known."""
        facts_of = getattr(self._pools, "facts", None)
        if self._memory is None or facts_of is None or table.name in self._advanced:
            return ""
        referred = []
        for key in table.foreign_keys:
            if key.referred_table == table.name:
                continue  # These rows depend on nothing else.
            if key.referred_table not in self._drawn or key.referred_table in self._advanced:
                return ""
            rows = self._drawn[key.referred_table]  # Numbers from the database depend only on the order of the rows.
            referred.append([[row.get(column) for column in key.referred_columns] for row in rows])
        columns = [*self._tables[table.name].c]
        pools = facts_of(table.name, [column.name for column in columns])
        given = [repr(self._values.get(f"{table.name}.{each.name}")) for each in columns]
        facts = (self._drawn_as(table), [repr(each.type) for each in columns], pools, given, referred)
        return "" if pools is None else hashlib.sha256(repr(facts).encode()).hexdigest()

    def _add_together(self, table: str, draw: TableDraw, numbers: Iterable[int]) -> list[Draw]:
        """Add all rows in one statement, and return them; add none if a row is refused, or the table refers to itself.

        On PostgreSQL, this saves three round trips to the server for each row. On SQLite, it saves time too.
        """
        rows: list[Draw] = []
        for number in numbers if not draw.refers_to_itself else ():
            drawn = (draw.row(number, attempt) for attempt in range(_ATTEMPTS))
            if (row := next((row for row in drawn if row is not None), None)) is not None:
                draw.accept(row)
                rows.append(row)
        if not any(rows) or self._inserter.insert(table, rows):  # A row may have no values.
            return []
        return rows

    def _add(self, table: str, draw: TableDraw, number: int, rows: list[Draw]) -> str:
        """Try rows until the database accepts one, and add it to `rows`. Return the reason if it accepts no row."""
        reason = "every row that was tried breaks a unique key"
        for attempt in range(_ATTEMPTS):
            row = draw.row(number, attempt)
            if row is None:
                continue
            refusal = self._inserter.insert_one(table, row)
            if not refusal:
                draw.accept(row)
                rows.append(row)
                self._statements.append(self._inserter.statement)
                return ""
            reason = refusal
        return reason

    def _set_deferred(self, cut: DeferredKey) -> None:
        """Set a foreign key that had to wait until the referenced table had rows."""
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
            refusal = self._inserter.execute(sa.update(table).where(*which).values(target))
            if refusal and not is_nullable(facts, cut.key):
                raise NoValidRow(cut.table, refusal)

    @contextmanager
    def _foreign_keys_deferred(self) -> Iterator[None]:
        """Check foreign keys only at the end of the `with` block, if one of the deferred keys does not accept NULL."""
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
            # The pragma needs a transaction. sqlite3 itself would begin a transaction only before the first INSERT.
            self._connection.exec_driver_sql("BEGIN")
        self._connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        yield


def _with_keys_of(table: Table, before: Table) -> Table:
    """Return the table with additional unique keys and indexes: those of `before` whose columns still exist."""
    names = {column.name for column in table.columns}
    uniques = (*table.uniques, *(each for each in before.uniques if names.issuperset(each.columns)))
    indexes = (each for each in before.indexes if each.unique and each.where is None and names.issuperset(each.keys))
    return replace(table, uniques=tuple(dict.fromkeys(uniques)), indexes=(*table.indexes, *indexes))


def shorten_moments(connection: Connection, *, exclude: Collection[str]) -> None:
    """On SQLite, remove the microseconds from one timestamp in each column.

    Programs without SQLAlchemy often write timestamps in this form.
    """
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
