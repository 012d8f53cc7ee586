"""What a database holds, with few and cheap queries: its tables, their columns, and how full they are.

`antarest.migration.inventory` knows a schema in every detail; this knows only what data can be lost from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

Catalog = dict[str, frozenset[str]]
"""The tables of a database, each with its columns."""

Identities = dict[str, Hashable]
"""What each "table" and "table.column" is, whatever it is called: PostgreSQL's numbers outlive a rename."""

_CATALOG_QUERY = {
    "sqlite": "SELECT m.name, c.name, NULL, NULL FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    "postgresql": "SELECT c.relname, a.attname, c.oid, a.attnum FROM pg_catalog.pg_class c"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace"
    " WHERE nspname = current_schema())",
}


@dataclass(frozen=True)
class Measure:
    """How full a table is: its rows, and for each column the values that are not NULL."""

    rows: int
    values: Mapping[str, int]

    def of(self, item: str) -> int:
        """The count that belongs to "table" or "table.column"."""
        _, _, column = item.partition(".")
        return self.values.get(column, 0) if column else self.rows


def read_catalog(connection: Connection, *, exclude: Iterable[str] = ()) -> Catalog:
    """Read the tables of the database (PostgreSQL: of the current schema) and their columns, with one query."""
    return tables_of(read_identities(connection, exclude=exclude))


def read_identities(connection: Connection, *, exclude: Iterable[str] = ()) -> Identities:
    """Read what the tables and columns are; on SQLite there is nothing but their names to know them by."""
    hidden = set(exclude)
    found: Identities = {}
    for table, column, oid, number in connection.execute(text(_CATALOG_QUERY[connection.dialect.name])):
        if table not in hidden:
            found[table] = oid or table
            if column is not None:
                found[f"{table}.{column}"] = (oid, number) if oid else f"{table}.{column}"
    return found


def tables_of(identities: Identities) -> Catalog:
    """The tables and columns by name."""
    columns: dict[str, set[str]] = {item: set() for item in identities if "." not in item}
    for item in identities:
        table, dot, column = item.partition(".")
        if dot:
            columns[table].add(column)
    return {table: frozenset(names) for table, names in columns.items()}


def measure(connection: Connection, table: str, columns: Iterable[str]) -> Measure:
    """Count the rows of a table and the values in its columns, in one scan.

    It goes past SQLAlchemy's events, so that it can be called while a statement is about to run.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = sorted(columns)
    counts = ", ".join(["count(*)", *(f"count({quote(name)})" for name in names)])
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"SELECT {counts} FROM {quote(table)}")
        rows, *values = cursor.fetchone() or (0,)
    finally:
        cursor.close()
    return Measure(rows, dict(zip(names, values, strict=False)))


def count_rows(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    """Count the rows of each of these tables."""
    return {table: measure(connection, table, ()).rows for table in sorted(tables)}


def foreign_key_violations(connection: Connection) -> set[tuple[Any, ...]]:
    """The rows of an SQLite database that refer to a row that does not exist (table, rowid, referred table, key)."""
    if connection.dialect.name != "sqlite":
        return set()
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
