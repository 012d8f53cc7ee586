"""The tables and columns of a database, and the counts of rows and values, read with few and cheap queries.

The loss check uses this module. To read every detail of a schema, use `schema/reflection.py` instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

Catalog = dict[str, frozenset[str]]
"""The tables of a database, each with its columns."""

_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+(\w+)", re.IGNORECASE | re.DOTALL)
_HAS_CONTENT = re.compile(r"[(,]\s*content\s*=", re.IGNORECASE)  # Then the texts are in another table, or nowhere.
# The endings of the names of shadow tables, for each module of virtual tables.
_OF_FTS = ("content", "segments", "segdir", "docsize", "stat")
_OF_RTREE = ("node", "rowid", "parent")
_SHADOWS = {
    **dict.fromkeys(("fts3", "fts4"), _OF_FTS),
    "fts5": ("data", "idx", "content", "docsize", "config"),
    **dict.fromkeys(("rtree", "rtree_i32", "geopoly"), _OF_RTREE),
}
_VIRTUAL_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND rootpage = 0"
# Generated columns are left out, because they hold no data of their own.
_TABLES_QUERY = {
    "sqlite": "SELECT NULL, m.name, c.name, m.name, c.name, m.rootpage, 1, NULL,"
    # After its last parenthesis, a definition has the options of the table. With STRICT, ANY keeps values like BLOB.
    " CASE WHEN c.type = 'ANY' COLLATE NOCASE AND substr(m.sql, length(rtrim(m.sql, replace(m.sql, ')', ''))))"
    " LIKE '%strict%' THEN 'BLOB' ELSE c.type END, NULL FROM sqlite_master m"
    " JOIN pragma_table_xinfo(m.name, 'main') c ON c.hidden = 0"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    # ONLY: a partition, or a table that inherits, is counted as a table of its own.
    "postgresql": """
        SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, a.attname,
               c.oid, a.attnum, c.relfilenode,
               has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
                   AND NOT (c.relrowsecurity AND row_security_active(c.oid)), n.nspname,
               format_type(a.atttypid, a.atttypmod),
               CASE WHEN t.typoutput IN ('pg_catalog.json_out'::regproc, 'pg_catalog.jsonb_out'::regproc) THEN 'json'
                    WHEN t.typcategory = 'S' THEN 'text' END  -- also for a domain
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = ''
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        ORDER BY c.oid, a.attnum
    """,
}

# The rules of SQLite, in their order.
_AFFINITIES = {
    ("int",): "integer",
    ("char", "clob", "text"): "text",
    ("blob",): "blob",
    ("real", "floa", "doub"): "real",
}


@dataclass(frozen=True)
class CatalogTable:
    """A table that the database has now.

    Attributes:
        name: the name in messages: `study`, or `other.study` if the table is not in the current schema (PostgreSQL).
        bare_name: the name without the schema.
        schema: the schema of the table; empty on SQLite.
        sql: the quoted name, for a statement.
        identity: a value that a rename does not change. On SQLite this is the name, unless renames are tracked.
        columns: a mapping from the name of each column to its identity.
        types: a mapping from the name of each column to its type in lower case.
        texts: the columns that can hold an empty text, or the `null` of JSON. Each has its type, or "text" or "json".
        file: the number of the file (PostgreSQL) or first page (SQLite) with the rows. A TRUNCATE changes the number.
        readable: whether the role of the connection can read all rows of the table.
    """

    name: str
    bare_name: str
    schema: str
    sql: str
    identity: Hashable
    columns: Mapping[str, Hashable]
    types: Mapping[str, str]
    texts: Mapping[str, str]
    file: int
    readable: bool = True

    @property
    def is_partitioned(self) -> bool:
        """Whether all rows of the table are in its partitions (PostgreSQL)."""
        return not self.file

    @property
    def whole(self) -> CatalogTable:
        """This table, changed so that a query of `sql` includes the rows of all partitions."""
        return replace(self, sql=self.sql.removeprefix("ONLY ")) if self.is_partitioned else self

    @property
    def names(self) -> dict[Hashable, str]:
        """A mapping from the identity of each column to its name."""
        return {identity: name for name, identity in self.columns.items()}

    def old_names(self, before: CatalogTable) -> dict[str, str]:
        """Return a mapping from the present name of each column to its name in `before`. New columns are left out."""
        names = before.names
        return {name: names[identity] for name, identity in self.columns.items() if identity in names}


Tables = dict[str, CatalogTable]
"""The tables of a database by name."""


class Fullness(NamedTuple):
    """The number of values in a column.

    Attributes:
        values: the number of values that are not NULL.
        filled: the number of values that are neither NULL, nor an empty text, nor the `null` of JSON.
    """

    values: int = 0
    filled: int = 0

    def plus(self, other: Fullness) -> Fullness:
        """Return the sums of these counts and the counts of `other`."""
        return Fullness(self.values + other.values, self.filled + other.filled)

    def most(self, other: Fullness) -> Fullness:
        """Return the larger of the two counts, for `values` and for `filled`."""
        return Fullness(max(self.values, other.values), max(self.filled, other.filled))

    def minus(self, other: Fullness) -> Fullness:
        """Return these counts minus the counts of `other`."""
        return Fullness(self.values - other.values, self.filled - other.filled)


@dataclass(frozen=True)
class Measure:
    """The number of rows of a table, and the number of values in some of its columns.

    Attributes:
        rows: the number of rows.
        columns: a mapping from the name of each counted column to the number of its values.
        chosen: the number of rows for which the condition of the count is true; 0 if there is no condition.
    """

    rows: int
    columns: Mapping[str, Fullness]
    chosen: int = 0

    def of(self, column: str | None) -> int:
        """Return the number of values of a column. With None, return the number of rows."""
        return self.columns[column].values if column is not None else self.rows


def shadow_tables(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the shadow tables of SQLite, in which virtual tables keep their data.

    Shadow tables are created and dropped together with their virtual tables. Not every name has a table.

    Args:
        texts: a mapping from the name of each table to the text of its `CREATE TABLE`.

    Returns:
        A mapping from the name of each shadow table to its virtual table.
    """
    return {
        f"{name}_{ending}": name
        for name, sql in texts.items()
        if (module := _VIRTUAL.match(sql))
        for ending in _SHADOWS.get(module[1].lower(), ())
        if ending != "content" or not _HAS_CONTENT.search(sql)
    }


def read_tables(connection: Connection, *, exclude: Iterable[str] = (), only: Collection[str] | None = None) -> Tables:
    """Read the tables of a database with one query. On PostgreSQL, read the tables of every schema.

    Args:
        connection: a connection to the database.
        exclude: the names of the tables to leave out.
        only: the names of the tables to read; None for all tables. On PostgreSQL, only None is allowed.

    Returns:
        A mapping from the name of each table to the table.
    """
    hidden = set(exclude)
    if connection.dialect.name == "sqlite":  # Shadow tables are dropped together with their virtual tables.
        virtual = connection.exec_driver_sql(_VIRTUAL_TABLES)
        hidden |= shadow_tables({name: sql for name, sql in virtual}).keys()  # noqa: C416 - dict() needs a typed row
    found: dict[str, list[Any]] = {}
    query, values = _TABLES_QUERY[connection.dialect.name], {}
    if only is not None:
        query, values = f"{query} AND m.name IN (SELECT value FROM json_each(:only))", {"only": json.dumps([*only])}
    for row in connection.execute(text(query), values):
        name = f"{row[0]}.{row[1]}" if row[0] else row[1]
        if name not in hidden:
            found.setdefault(name, []).append(row)
    return {name: _table(name, rows, connection.dialect.name) for name, rows in found.items()}


def _table(name: str, rows: list[Any], engine: str) -> CatalogTable:
    """Return a table. The query returned `rows` for it: one row per column, or a single row if there are no columns."""
    first, columns = rows[0], [row for row in rows if row[2] is not None]
    types = {row[2]: row[8].lower() for row in columns}
    if engine == "sqlite":
        texts = {column: type_ for column, type_ in types.items() if affinity(type_) not in {"integer", "real"}}
    else:
        texts = {row[2]: row[9] for row in columns if row[9]}
    return CatalogTable(
        name=name,
        bare_name=first[1],
        schema="" if engine == "sqlite" else first[7],
        # A temporary table can have the same name.
        sql=f"main.{quote(first[1])}" if engine == "sqlite" else f"ONLY {quote(first[7])}.{quote(first[1])}",
        identity=first[3],
        columns={row[2]: (row[3], row[4]) for row in columns},
        types=types,
        texts=texts,
        file=first[5],
        readable=bool(first[6]),
    )


def affinity(declared: str) -> str:
    """Return the affinity that SQLite gives to a column with this declared type. The type is given in lower case."""
    for words, name in _AFFINITIES.items():
        if any(word in declared for word in words):
            return name
    return "numeric" if declared else "blob"


def read_catalog(connection: Connection, *, exclude: Iterable[str]) -> Catalog:
    """Return a mapping from the name of each table of the database to the names of its columns."""
    return {name: frozenset(table.columns) for name, table in read_tables(connection, exclude=exclude).items()}


def find(tables: Mapping[str, Collection[str]], item: str) -> tuple[str, str | None] | None:
    """Return the table and the column that "table" or "table.column" names. Without a column, the column is None.

    Both names can contain dots. Return None if there is no such table or column.
    """
    if item in tables:
        return item, None
    parts = item.split(".")
    for at in range(1, len(parts)):
        table, column = ".".join(parts[:at]), ".".join(parts[at:])
        if column in tables.get(table, ()):
            return table, column
    return None


def measure(connection: Connection, table: CatalogTable, columns: Iterable[str] = (), condition: str = "") -> Measure:
    """Count the rows of a table, the values in its columns, and the rows that fulfil a condition, in one scan."""
    names = sorted(columns)
    texts = [name for name in names if name in table.texts]
    # Without a filter SQLite counts rows without reading them.
    counts = ["count(*)", f"count(*) FILTER (WHERE {condition})" if condition else "0"]
    counts += [f"count({quote(name)})" for name in names]
    counts += [f"count({filled_value(connection.dialect.name, table, name)})" for name in texts]
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"SELECT {', '.join(counts)} FROM {table.sql}")
        rows, chosen, *found = cursor.fetchone() or (0, 0)
    finally:
        cursor.close()
    values = dict(zip(names, found, strict=False))
    full = values | dict(zip(texts, found[len(names) :], strict=True))
    return Measure(rows, {name: Fullness(values[name], full[name]) for name in names}, chosen)


def is_null(engine: str, value: str) -> str:
    """Return an SQL condition for NULL. For PostgreSQL, `ROW(NULL, NULL) IS NULL` would be true."""
    return f"{value} IS NOT DISTINCT FROM NULL" if engine == "postgresql" else f"{value} IS NULL"


def filled_value(engine: str, table: CatalogTable, column: str, prefix: str = "") -> str:
    """Return an SQL expression for a value of a column, which is NULL if the value is an empty text.

    Args:
        engine: the name of the engine.
        table: the table.
        column: the name of the column.
        prefix: the alias of the table in the query, and a point; empty without an alias.
    """
    value, type_ = prefix + quote(column), table.texts.get(column)
    if type_ is None:
        return value
    if engine == "postgresql":
        return filled(f"{value}::text", type_)  # A domain can refuse an empty text.
    # Except in a column for bytes, empty bytes are an empty text.
    return filled(value if affinity(type_) == "blob" else f"nullif({value}, x'')", type_)


def filled(text: str, type_: str) -> str:
    """Return an SQL expression for a text, which is NULL if the text is empty. For JSON, `null` counts as empty.

    Args:
        text: the SQL expression for the text.
        type_: the type of the value, in lower case.
    """
    bare = f"nullif({text}, '')"
    return f"nullif({bare}, 'null')" if type_ in {"json", "jsonb"} else bare


def quote(name: str) -> str:
    """Return a quoted name for a statement that goes directly to the driver, where a "%" needs no escape."""
    return '"' + name.replace('"', '""') + '"'


def count_rows(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Count the rows of each of these tables.

    Raises:
        Error: row security hides some rows from this role. This is an error of the driver.
    """
    tables = read_tables(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL row_security = off"))  # An error is better than hidden rows.
    return {name: measure(connection, tables[name]).rows for name in sorted(names)}


def foreign_key_violations(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the rows of an SQLite database that refer to a missing row; empty on PostgreSQL.

    A tuple describes each row: its table, its rowid, the table to which it refers, and the number of the foreign key.
    """
    if connection.dialect.name != "sqlite":
        return set()
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
