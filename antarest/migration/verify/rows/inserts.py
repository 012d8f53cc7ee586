"""Inserts rows, and returns the reason if a database refuses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause
from sqlalchemy.exc import DBAPIError, StatementError

from ...errors.text import reason
from .draw import Draw

_MOST_QUESTIONS = 200  # parameters in one statement; SQLite has a limit
_NUMBERED = {
    "sqlite": "SELECT name FROM sqlite_sequence",
    "postgresql": """
        SELECT CASE q.schemaname WHEN current_schema() THEN '' ELSE q.schemaname || '.' END || t.relname
        FROM pg_catalog.pg_sequences AS q
        JOIN pg_catalog.pg_class AS s ON s.oid = format('%I.%I', q.schemaname, q.sequencename)::regclass
        JOIN pg_catalog.pg_depend AS d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
        WHERE q.schemaname !~ '^pg_' AND q.last_value IS NOT NULL
    """,
}


class Remembered(NamedTuple):
    """The rows of a table that a database has accepted.

    Attributes:
        rows: the rows.
        numbered: the largest number that the database generated for these rows.
        statement: the INSERT statements of the rows, as the driver sent them to PostgreSQL.
        refusal: the reason why the database has accepted no row; empty if there are rows.
    """

    rows: list[Draw]
    numbered: int
    statement: bytes
    refusal: str = ""


Memory = dict[str, Remembered]
"""The rows of a table. The key is a hash of everything on which these rows depend."""


class Inserter:
    """Inserts rows into some tables.

    Attributes:
        statement: the last INSERT, as the driver sent it to PostgreSQL.
    """

    def __init__(self, connection: Connection, tables: Mapping[str, TableClause]) -> None:
        self.statement = b""
        self._connection = connection
        self._tables = tables
        self._is_postgresql = connection.dialect.name == "postgresql"

    def insert(self, table: str, rows: list[Draw]) -> str:
        """Insert rows in one statement. If the database refuses a row, insert no row, and return the reason."""
        return self._together(lambda: self._insert(table, rows))

    def insert_remembered(self, tables: Sequence[tuple[str, Remembered]]) -> str:
        """Insert rows into several tables, on PostgreSQL in one round trip. If this fails, return the reason."""
        if self._is_postgresql:
            return self._together(lambda: self._send(b";".join(known.statement for _, known in tables)))
        return self._together(
            lambda: next(filter(None, (self._insert(name, known.rows) for name, known in tables)), "")
        )

    def execute(self, statement: sa.Executable, rows: list[Draw] | None = None) -> str:
        """Execute a statement, with the values of these rows if they are given.

        If the database or a type of SQLAlchemy refuses a value, return the reason.
        """
        execute = partial(self._execute, statement, rows)
        # On PostgreSQL a failed statement aborts the transaction.
        return self._together(execute) if self._is_postgresql else execute()

    def insert_one(self, table: str, row: Draw) -> str:
        """Insert a row. If the database or a type of SQLAlchemy refuses a value, return the reason."""
        return self.execute(sa.insert(self._tables[table]), [row] if row else None)

    def with_rows(self, tables: Sequence[str]) -> set[str]:
        """Return the names of the tables that have rows."""
        found: set[str] = set()
        for start in range(0, len(tables), _MOST_QUESTIONS):
            some = tables[start : start + _MOST_QUESTIONS]
            questions: Iterator[sa.Select[Any]] = (
                sa.select(sa.literal_column(str(number), sa.Integer)).where(sa.exists().select_from(self._tables[name]))
                for number, name in enumerate(some)
            )
            found |= {some[number] for (number,) in self._connection.execute(sa.union_all(*questions))}
        return found

    def with_numbers(self) -> set[str]:
        """Return the tables for which the database has already generated numbers. Their next number is not 1."""
        if not self._is_postgresql and not sa.inspect(self._connection).has_table("sqlite_sequence"):
            return set()
        return {*self._connection.execute(sa.text(_NUMBERED[self._connection.dialect.name])).scalars()}

    def _insert(self, table: str, rows: list[Draw]) -> str:
        return self._execute(sa.insert(self._tables[table]), rows)

    def _execute(self, statement: sa.Executable, rows: list[Draw] | None = None) -> str:
        try:
            result = self._connection.execute(statement, rows)
        except StatementError as error:
            # A type raises a StatementError itself; the server raises one of its subclasses.
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            return reason(error)
        self.statement = bytes(getattr(result.context.cursor, "query", None) or b"")
        return ""

    def _send(self, statement: bytes) -> str:
        driver: Any = self._connection.connection.driver_connection
        try:
            with driver.cursor() as cursor:
                cursor.execute(statement)
        except driver.Error as error:
            return str(error)
        return ""

    def _together(self, insert: Callable[[], str]) -> str:
        """Run an insertion in a savepoint, which is rolled back if the database refuses a row."""
        driver: Any = self._connection.connection.driver_connection
        if not self._is_postgresql and not driver.in_transaction:
            self._connection.exec_driver_sql("BEGIN")  # Otherwise the end of the savepoint commits the row.
        with self._connection.begin_nested() as savepoint:
            refusal = insert()
            if refusal:
                savepoint.rollback()
        return refusal
