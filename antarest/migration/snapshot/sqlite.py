"""Reads an SQLite database for a snapshot: the statements that create it again, and contents to compare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from ..database.catalog import shadow_tables
from ..schema.sqlite import MASTER
from ..schema.sqlite_text import read_table, with_sorted_constraints

_NAMES = "SELECT type, name, tbl_name FROM main.sqlite_master ORDER BY type, name"
_STORED = "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0 ORDER BY cid"
_HAS_SEQUENCES = "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'"
_SEQUENCES = "SELECT name, seq FROM main.sqlite_sequence ORDER BY name"
_PRESENT = r"""
    SELECT type || ' ' || name, tbl_name FROM main.sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""
_PRAGMAS = ("user_version", "application_id")
"""The numbers in the header of the file that a transaction can set."""
_ROWS = 200  # rows in one INSERT


def statements(connection: Connection, exclude: Collection[str]) -> Iterator[str]:
    """Yield the statements that create a copy of this database.

    Args:
        connection: a connection to a database that has run revisions.
        exclude: the tables to leave out: those of Alembic and the workflow.
    """
    master = _own(connection, exclude)
    tables = {name: sql for kind, name, _, sql in master if kind == "table"}
    shadows, by_kind = shadow_tables(tables), {"table": list[str](), "index": [], "view": [], "trigger": []}
    for kind, _, table, sql in master:
        if table not in shadows:
            by_kind[kind].append(with_sorted_constraints(sql) if kind == "table" else sql)
    yield from by_kind["table"]
    for name, sql in tables.items():
        if name not in shadows:
            yield from _inserts(connection, name, sql)
    yield from _sequence_rows(connection, exclude)
    yield from (sql for kind in ("index", "view", "trigger") for sql in by_kind[kind])  # No INSERT runs a trigger.
    for name in _PRAGMAS:
        if value := connection.exec_driver_sql(f"PRAGMA main.{name}").scalar():
            yield f"PRAGMA main.{name} = {value}"


def facts(connection: Connection, exclude: Collection[str]) -> Iterator[tuple[str, object]]:
    """Yield the name and content of each part that is not in an inventory: rows, sequences, numbers in the header."""
    yield "the names of the objects", [tuple(each) for each in connection.exec_driver_sql(_NAMES)]
    for kind, name, _, sql in _own(connection, exclude):
        if kind == "table":
            columns = _columns(connection, name)
            columns += [row_id] if (row_id := _row_id(sql, columns)) else []
            read = ", ".join(f"typeof({column}), {column}" for column in columns)
            rows = connection.exec_driver_sql(f"SELECT {read} FROM {_quote(name)} ORDER BY {_order(sql, columns)}")
            yield f"the rows of {name}", [tuple(row) for row in rows]
    yield "the sequences", [*_sequences(connection, exclude)]
    yield from ((name, connection.exec_driver_sql(f"PRAGMA main.{name}").scalar()) for name in _PRAGMAS)


def present(connection: Connection, exclude: Collection[str]) -> str:
    """Return the kind and name of one object of the database, such as `table study`; empty if there is no object."""
    return next((name for name, table in connection.exec_driver_sql(_PRESENT) if table not in exclude), "")


def _own(connection: Connection, exclude: Collection[str]) -> Sequence[Any]:
    return [each for each in connection.exec_driver_sql(MASTER) if each[2] not in exclude]


def _inserts(connection: Connection, table: str, sql: str) -> Iterator[str]:
    columns, order = _columns(connection, table), _order(sql, _columns(connection, table))
    # Without the row ids, an INSERT numbers the rows from 1 on. A view or the application may use the row ids.
    row_id = _row_id(sql, columns)
    numbers = connection.exec_driver_sql(f"SELECT {row_id} FROM {_quote(table)} ORDER BY 1").scalars() if row_id else ()
    if any(number != place for place, number in enumerate(numbers, 1)):
        columns = [row_id, *columns]
    texts = " || ', ' || ".join(f"quote({column})" for column in columns)
    found = connection.exec_driver_sql(f"SELECT {texts} FROM {_quote(table)} ORDER BY {order}").all()
    for start in range(0, len(found), _ROWS):
        rows = ",\n".join(f"({values})" for (values,) in found[start : start + _ROWS])
        yield f"INSERT INTO {_quote(table)} ({', '.join(columns)}) VALUES\n{rows}"


def _columns(connection: Connection, table: str) -> list[str]:
    """Return the quoted columns of a table, without generated columns."""
    return [_quote(name) for (name,) in connection.exec_driver_sql(_STORED, (table,))]


def _order(sql: str, columns: Sequence[str]) -> str:
    return _row_id(sql, columns) or ", ".join(columns)


def _row_id(sql: str, columns: Sequence[str]) -> str:
    """Return a name for the row id, such as `rowid`, that no column has; empty if there is none."""
    if "WITHOUT ROWID" in read_table(sql).options:
        return ""
    hidden = {column.strip('"').lower() for column in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in hidden), "")


def _sequence_rows(connection: Connection, exclude: Collection[str]) -> Iterator[str]:
    found = [*_sequences(connection, exclude)]
    if found:  # The INSERTs have already changed the sequences.
        yield "DELETE FROM sqlite_sequence"
        rows = ",\n".join(f"({_literal(name)}, {position})" for name, position in found)
        yield f"INSERT INTO sqlite_sequence (name, seq) VALUES\n{rows}"


def _sequences(connection: Connection, exclude: Collection[str]) -> Iterator[tuple[str, int]]:
    if connection.exec_driver_sql(_HAS_SEQUENCES).first():
        yield from (tuple(each) for each in connection.exec_driver_sql(_SEQUENCES) if each[0] not in exclude)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
