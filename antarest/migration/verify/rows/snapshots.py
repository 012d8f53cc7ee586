"""Reads the rows of a database. Column types are chosen so that equal rows compare equal on both engines."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, TableClause
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from ...database.catalog import find, shadow_tables
from ...schema.postgresql import without_warnings
from ...schema.reflection import OWN_TABLES, only_reading

Row = tuple[object, ...]
_MOST_REFLECTIONS = 16
_MOST_ROWS = 5000  # tables whose rows are remembered
_MOST_QUESTIONS = 200  # queries in one statement
_STATE = {
    "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_master",
    "postgresql": """
        SELECT current_schema(), n.nspname, c.oid, c.relname, c.relkind, a.attname, a.attnum, a.atttypid, a.atttypmod,
            a.attnotnull, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e
                WHERE e.enumtypid = a.atttypid)
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^(pg_|information_schema$)' AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0
        UNION ALL
        SELECT '', '', conindid, conname, contype, conkey::text, 0, 0, 0, FALSE, '' FROM pg_catalog.pg_constraint
        WHERE contype = 'p' AND connamespace::regnamespace::text !~ '^(pg_|information_schema$)'
        ORDER BY 3, 4, 7
    """,
}
"""The query for the part of the catalogue on which the reflected tables depend, by engine."""
_FIRST_WITH_JSONB = (3, 45)
Sample = list[tuple[str, ...]]
"""The names of the columns of a table, and the texts of a few of its rows."""
_SAMPLE = 5  # rows of a table
_CELL = 40  # characters of a value


@dataclass(frozen=True)
class TableRows:
    """The rows of one table, sorted. `key` has the columns of the primary key; empty without a primary key."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[Row, ...]

    def pick(self, columns: Sequence[str]) -> list[Row]:
        """Return the values of some columns for each row."""
        positions = [self.columns.index(column) for column in columns]
        return [tuple(row[position] for position in positions) for row in self.rows]


@dataclass(frozen=True)
class RowSnapshot:
    """All rows of a database.

    Attributes:
        tables: a mapping from the name of each table to its rows. The name includes the schema, unless this is the
            current schema.
    """

    tables: Mapping[str, TableRows]

    def find(self, item: str) -> tuple[str, str | None] | None:
        """Split "table" or "table.column" into its names; return None if there is no such table or column."""
        return find({name: rows.columns for name, rows in self.tables.items()}, item)


def samples(before: RowSnapshot, after: RowSnapshot) -> dict[str, tuple[Sample, Sample]]:
    """Return, for each table that differs between two snapshots, a few rows of each snapshot."""
    names = sorted({*before.tables, *after.tables})
    sides = {name: (before.tables.get(name), after.tables.get(name)) for name in names}
    changed = {
        name: pair for name, pair in sides.items() if pair[0] != pair[1] and any(each and each.rows for each in pair)
    }
    return {name: (_sample(one), _sample(other)) for name, (one, other) in changed.items()}


def _sample(table: TableRows | None) -> Sample:
    if table is None:
        return []
    return [table.columns, *(tuple(_shown(value) for value in row) for row in table.rows[:_SAMPLE])]


def _shown(value: object) -> str:
    """Return a value as text, cut if it is long."""
    text = "NULL" if value is None else repr(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def snapshot(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> RowSnapshot:
    """Read all rows of all tables into memory.

    Args:
        connection: a connection to SQLite or PostgreSQL; an open transaction stays open.
        exclude: the tables to leave out.

    Returns:
        The rows. SQLAlchemy converts each value by the type of its column. Therefore equal rows have equal values on
        both engines.
    """
    with only_reading(connection):
        return RowSnapshot(_read_all(connection, _reflect(connection), exclude))


_rows: dict[object, TableRows] = {}  # rows that were read before, by their table and content


def _read_all(connection: Connection, found: _Reflection, exclude: Collection[str]) -> dict[str, TableRows]:
    """Return the rows of the tables. If the content of a table was read before, the rows are not read again."""
    hidden = {*exclude, *_shadows(connection)}
    tables = {name: table for name, table in found.tables.items() if name not in hidden}
    digests, read = contents(connection, tables), dict[str, TableRows]()
    for name, table in tables.items():
        content = (connection.dialect.name, name, found.types[name], found.keys[name], digests[name])
        if content not in _rows:
            if len(_rows) >= _MOST_ROWS:
                _rows.clear()
            _rows[content] = _read(connection, table, found.keys[name])
        read[name] = _rows[content]
    return read


def _shadows(connection: Connection) -> Collection[str]:
    """Return the tables in which virtual tables of SQLite keep their data."""
    if connection.dialect.name != "sqlite":
        return set()
    texts = connection.exec_driver_sql("SELECT name, sql FROM main.sqlite_master WHERE type = 'table'")
    return shadow_tables({name: sql for name, sql in texts if sql})


def contents(connection: Connection, tables: Mapping[str, TableClause]) -> dict[str, object]:
    """Return a digest or the raw rows of each table. Tables with different rows get different values."""
    spelt = {name: connection.dialect.identifier_preparer.format_table(table) for name, table in tables.items()}
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        return {name: repr(driver.execute(f"SELECT * FROM {table}").fetchall()) for name, table in spelt.items()}
    names, found = list(spelt), dict[str, object]()
    for start in range(0, len(names), _MOST_QUESTIONS):
        questions = (
            f"SELECT {number}, count(*), md5(string_agg(r::text, ' ' ORDER BY r::text)) FROM {spelt[name]} AS r"
            for number, name in enumerate(names[start : start + _MOST_QUESTIONS], start)
        )
        for number, *content in connection.exec_driver_sql(" UNION ALL ".join(questions)):
            found[names[number]] = tuple(content)
    return found


def _read(connection: Connection, table: TableClause, key: tuple[str, ...]) -> TableRows:
    columns = tuple(table.c.keys())
    try:
        rows: Sequence[Sequence[object]] = connection.execute(sa.select(table)).all()
    except DBAPIError:
        raise
    except Exception:  # noqa: BLE001 - a type may raise anything when it reads a value that is not of this type
        rows = _read_what_can_be_read(connection, table)
    if any(isinstance(column.type, sa.JSON) for column in table.c):
        rows = [[_in_order(value) for value in row] for row in rows]
    return TableRows(columns, key, tuple(sorted(map(tuple, rows), key=repr)))


def _in_order(value: object) -> object:
    """Return JSON with its keys sorted, because their order means nothing."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


def _read_what_can_be_read(connection: Connection, table: TableClause) -> list[Row]:
    """Read each value with the type of its column. If this fails, use the stored value.

    SQLite stores any value in any column, such as a word in a DATETIME. On PostgreSQL, an enum may have a new label
    that the reflected type lacks.
    """
    result = connection.execute(sa.select(*(_stored(column, connection) for column in table.c)))
    cursor: Any = result.cursor
    readers = [_reader(column, connection, each[1]) for column, each in zip(table.c, cursor.description, strict=True)]
    return [tuple(_value(reader, value) for reader, value in zip(readers, row, strict=True)) for row in result]


def _is_driven(column: sa.ColumnClause[Any], connection: Connection) -> bool:
    """Return whether the driver converts the values of a column.

    Such a conversion fails for years unknown to Python.
    """
    return connection.dialect.name == "postgresql" and isinstance(column.type, (sa.DateTime, sa.Date))


def _stored(column: sa.ColumnClause[Any], connection: Connection) -> sa.ColumnElement[Any]:
    if _is_driven(column, connection):
        return sa.cast(column, sa.Text)
    return sa.type_coerce(column, sa.types.NullType())


def _reader(column: sa.ColumnClause[Any], connection: Connection, code: object) -> Callable[[Any], Any] | None:
    if _is_driven(column, connection):
        return (dt.datetime if isinstance(column.type, sa.DateTime) else dt.date).fromisoformat
    return column.type.dialect_impl(connection.dialect).result_processor(connection.dialect, code)


def _value(reader: Callable[[Any], Any] | None, value: object) -> object:
    if reader is None:
        return value
    try:
        return reader(value)
    except Exception:  # noqa: BLE001 - see above
        return value


class FloatAsDecimal(sa.TypeDecorator[Decimal]):
    """The type of a NUMERIC column of SQLite. SQLite stores floats; this type returns decimals as PostgreSQL does."""

    impl = sa.Float
    cache_ok = True

    def __init__(self, numeric: sa.Numeric[Any]) -> None:
        super().__init__()
        self.numeric = numeric  # `sa.Float` does not keep the number of digits.

    @override
    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> float | None:
        return None if value is None else float(value)

    @override
    def process_result_value(self, value: float | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(str(value))


def reflect_tables(connection: Connection, exclude: Collection[str]) -> dict[str, TableClause]:
    """Return a mapping from the name of each table in an `Inventory` to the table with the types of its columns."""
    return {name: table for name, table in _reflect(connection).tables.items() if name not in exclude}


class _Reflection(NamedTuple):
    """The tables of a schema, the columns of their primary keys, and the name and type of each column, as text."""

    tables: dict[str, TableClause]
    keys: dict[str, tuple[str, ...]]
    types: dict[str, tuple[tuple[str, str], ...]]


_reflections: dict[object, _Reflection] = {}  # of the last schemas: many databases of a proof have the same schema


def _reflect(connection: Connection) -> _Reflection:
    """Return the tables of a database. If the same schema was reflected before, this takes only one query."""
    state = (connection.dialect.name, *map(tuple, connection.exec_driver_sql(_STATE[connection.dialect.name])))
    if state not in _reflections:
        if len(_reflections) >= _MOST_REFLECTIONS:
            del _reflections[next(iter(_reflections))]
        inspector, found, keys = sa.inspect(connection), dict[str, TableClause](), dict[str, tuple[str, ...]]()
        for schema, read in _schemas(connection).items():
            of_tables = inspector.get_multi_pk_constraint(read)
            with without_warnings():  # about types that SQLAlchemy does not know
                of_columns = inspector.get_multi_columns(read)
            for (_, bare), columns in of_columns.items():
                name = f"{schema}.{bare}" if schema else bare
                parts = (sa.column(each["name"], _storage(each["type"], connection)) for each in columns)
                found[name] = sa.table(bare, *parts, schema=schema)
                keys[name] = tuple(of_tables[read, bare]["constrained_columns"])
        tables = {name: found[name] for name in sorted(found)}
        types = {name: tuple((each.name, repr(each.type)) for each in table.c) for name, table in tables.items()}
        _reflections[state] = _Reflection(tables, keys, types)
    return _reflections[state]


def _schemas(connection: Connection) -> dict[str | None, str | None]:
    """Return a mapping from the name of each schema in an `Inventory` to the real name of the schema.

    An `Inventory` has no name (None) for the current schema, and for the only schema of SQLite. The current schema is
    still read by its real name, because `env.py` may have changed the search path.
    """
    if connection.dialect.name == "sqlite":
        return {None: None}
    current = connection.scalar(sa.text("SELECT current_schema()"))
    names = {*sa.inspect(connection).get_schema_names()} - {"information_schema"}
    return {None if name == current else name: name for name in sorted(names)}


def _storage(kind: sa.types.TypeEngine[Any], connection: Connection) -> sa.types.TypeEngine[Any]:
    if isinstance(kind, sa.JSON):
        kind.none_as_null = True
        if connection.dialect.name == "sqlite" and sqlite3.sqlite_version_info < _FIRST_WITH_JSONB:
            return sa.JSON(none_as_null=True)  # SQLAlchemy would call `jsonb()` for a column that is declared so.
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float) and connection.dialect.name == "sqlite":
        return FloatAsDecimal(kind)
    return kind
