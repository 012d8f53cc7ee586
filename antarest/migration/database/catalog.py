"""The tables and columns of a database, and their counts, read with few and cheap queries.

This is what the loss check needs. `schema/reflection.py` reads a schema in every detail.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

Catalog = dict[str, frozenset[str]]
"""The tables of a database, each with its columns."""

# Generated columns are left out, because they hold no data of their own.
_TABLES_QUERY = {
    "sqlite": "SELECT NULL, m.name, c.name, m.name, c.name, m.rootpage, 1 FROM sqlite_master m"
    " JOIN pragma_table_xinfo(m.name, 'main') c ON c.hidden = 0"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    # ONLY: a partition, or a table that inherits, is counted as a table of its own.
    "postgresql": """
        SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, a.attname,
               c.oid, a.attnum, c.relfilenode,
               has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
                   AND NOT (c.relrowsecurity AND row_security_active(c.oid)), n.nspname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = ''
        WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    """,
}


@dataclass(frozen=True)
class CatalogTable:
    """A table of the database as it is now.

    Attributes:
        name: its name, with its schema where that is not the current one (PostgreSQL).
        bare_name: its name without its schema.
        schema: its schema; empty on SQLite.
        sql: its name as SQL.
        identity: a value that a rename does not change. On SQLite it is the name, unless renames are tracked.
        columns: the identity of each column, by name.
        file: the file that stores its rows; a TRUNCATE changes it.
        readable: whether this role may read all of its rows.
    """

    name: str
    bare_name: str
    schema: str
    sql: str
    identity: Hashable
    columns: Mapping[str, Hashable]
    file: int
    readable: bool = True


Tables = dict[str, CatalogTable]
"""The tables of a database by name."""


@dataclass(frozen=True)
class Measure:
    """The number of rows of a table, and for some of its columns the number of values that are not NULL."""

    rows: int
    values: Mapping[str, int]

    def of(self, column: str | None) -> int:
        """Return the number of values of a column, or of rows where it is None."""
        return self.values[column] if column is not None else self.rows


def read_tables(connection: Connection, *, exclude: Iterable[str] = (), only: Collection[str] | None = None) -> Tables:
    """Read the tables with one query; on PostgreSQL those of every schema.

    Args:
        connection: a connection to the database.
        exclude: the tables to leave out.
        only: the tables to read (SQLite only); None for all of them.

    Returns:
        The tables by name.
    """
    hidden = set(exclude)
    found: dict[str, tuple[Any, dict[str, Hashable]]] = {}
    query, values = _TABLES_QUERY[connection.dialect.name], {}
    if only is not None:
        query, values = f"{query} AND m.name IN (SELECT value FROM json_each(:only))", {"only": json.dumps([*only])}
    for row in connection.execute(text(query), values):
        name = f"{row[0]}.{row[1]}" if row[0] else row[1]
        if name not in hidden:
            columns = found.setdefault(name, (row, {}))[1]
            if row[2] is not None:
                columns[row[2]] = (row[3], row[4])
    is_sqlite = connection.dialect.name == "sqlite"
    return {
        name: CatalogTable(
            name=name,
            bare_name=row[1],
            schema="" if is_sqlite else row[7],
            sql=_quote(row[1]) if is_sqlite else f"ONLY {_quote(row[7])}.{_quote(row[1])}",
            identity=row[3],
            columns=columns,
            file=row[5],
            readable=bool(row[6]),
        )
        for name, (row, columns) in found.items()
    }


def read_catalog(connection: Connection, *, exclude: Iterable[str] = ()) -> Catalog:
    """Read the names of the tables of the database and of their columns."""
    return {name: frozenset(table.columns) for name, table in read_tables(connection, exclude=exclude).items()}


def find(tables: Mapping[str, Collection[str]], item: str) -> tuple[str, str | None] | None:
    """Split "table" or "table.column", whose names may have dots in them; None where it does not exist."""
    if item in tables:
        return item, None
    parts = item.split(".")
    for at in range(1, len(parts)):
        table, column = ".".join(parts[:at]), ".".join(parts[at:])
        if column in tables.get(table, ()):
            return table, column
    return None


def measure(connection: Connection, table: CatalogTable, columns: Iterable[str] = ()) -> Measure:
    """Count the rows of a table and the values in its columns, in one scan."""
    names = sorted(columns)
    counts = ", ".join(["count(*)", *(f"count({_quote(name)})" for name in names)])
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"SELECT {counts} FROM {table.sql}")
        rows, *values = cursor.fetchone() or (0,)
    finally:
        cursor.close()
    return Measure(rows, dict(zip(names, values, strict=True)))


def _quote(name: str) -> str:
    """Quote a name for the driver, where a "%" needs no escape as it does in SQLAlchemy."""
    return '"' + name.replace('"', '""') + '"'


def count_rows(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Count the rows of each of these tables.

    Raises:
        Error: the error of the driver, where this role may not see all rows.
    """
    tables = read_tables(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL row_security = off"))  # An error is better than hidden rows.
    return {name: measure(connection, tables[name]).rows for name in sorted(names)}


def foreign_key_violations(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the rows of an SQLite database that refer to a missing row, as (table, rowid, referred table, key)."""
    if connection.dialect.name != "sqlite":
        return set()
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
