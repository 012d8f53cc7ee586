"""Tries changes to rows at head, to see how the database itself reacts. Every change is rolled back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from types import NoneType

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...schema.inventory import Inventory, Table
from ..rows.snapshots import RowSnapshot, TableRows, reflect_tables
from .integrity import violations

_NO_LABEL = "no such label"
_COMPARED = (bool, int, float, Decimal, str, dict, list)
_OF_THE_MOMENT = re.compile(r"nextval|now|current|random|uuid|datetime|strftime|clock", re.IGNORECASE)


def behaviour(connection: Connection, schema: Inventory, rows: RowSnapshot) -> dict[str, str]:
    """Try changes to rows at head, and return the reaction of the database to each change.

    The changes repeat unique values, write unknown labels, omit values, and delete rows.

    Args:
        connection: a connection to a database with rows. Every change is rolled back. On SQLite, the connection must
            enforce foreign keys.
        schema: the schema of the database.
        rows: the rows of the database.

    Returns:
        A mapping from each change to the reaction, for example from "repeat tag(label)" to "refuses it".
    """
    clauses = reflect_tables(connection, ())
    found = dict(_defaults(connection, schema))
    for name, table in sorted(schema.tables.items()):
        if rows.tables[name].rows:
            found |= dict(_unknown_labels(connection, table, schema, _untyped(clauses[name])))
            found |= dict(_repeated_values(connection, table, rows.tables[name], clauses[name]))
            found |= dict(_deleted_rows(connection, table, schema, rows, clauses))
    connection.rollback()
    return found


def momentary(schema: Inventory) -> set[str]:
    """Return each "table.column" whose default depends on the time, such as `CURRENT_TIMESTAMP`."""
    columns = ((name, column) for name, table in schema.tables.items() for column in table.columns)
    return {f"{name}.{column.name}" for name, column in columns if _OF_THE_MOMENT.search(column.default or "")}


def differing_behaviour(sqlite: Mapping[str, str], postgresql: Mapping[str, str]) -> list[str]:
    """Return a description of each change to which the two engines reacted differently."""
    return [
        f"{what}: SQLite {sqlite[what]}, PostgreSQL {postgresql[what]}"
        for what in sorted(sqlite.keys() & postgresql.keys())
        if sqlite[what] != postgresql[what]
    ]


def _unknown_labels(
    connection: Connection, table: Table, schema: Inventory, clause: sa.TableClause
) -> Iterator[tuple[str, str]]:
    """Try to write an unknown label to each column with fixed labels. Yield what was tried, and the reaction.

    The labels are those of an enum, or of a CHECK such as `color IN ('red', 'blue')`.
    """
    checked = " ".join(check.expression.lower() for check in table.checks)
    for column in table.columns:
        if column.type in schema.enums or re.search(rf"\b{re.escape(column.name.lower())}\b\"? in \(", checked):
            change = sa.update(clause).values({column.name: _NO_LABEL})
            yield f"write {_NO_LABEL!r} to {table.name}.{column.name}", _answer(connection, change)


def _repeated_values(
    connection: Connection, table: Table, rows: TableRows, clause: sa.TableClause
) -> Iterator[tuple[str, str]]:
    """Try to write the unique values of one row to another row. Yield what was tried, and the reaction.

    The database copies the values itself. On SQLite, the stored text of a time may differ from the text that the
    driver would write for the same time.
    """
    if not rows.key:
        return
    source = clause.alias()
    for unique in table.uniques:
        values = [row[: len(rows.key)] for row in rows.pick([*rows.key, *unique.columns]) if None not in row]
        if len(values) > 1:
            first, other = _is_row(source, rows.key, values[0]), _is_row(clause, rows.key, values[1])
            copies = {name: sa.select(source.c[name]).where(first).scalar_subquery() for name in unique.columns}
            change = sa.update(clause).where(other).values(copies)
            yield f"repeat {table.name}({', '.join(unique.columns)})", _answer(connection, change)


def _deleted_rows(
    connection: Connection, table: Table, schema: Inventory, rows: RowSnapshot, clauses: Mapping[str, sa.TableClause]
) -> Iterator[tuple[str, str]]:
    """Try to delete rows to which other rows refer. Yield what was tried, and the reaction.

    If the same foreign keys refer to several rows, only one of these rows is tried.
    """
    own = rows.tables[table.name]
    tried: set[str] = set()
    for position, identity in enumerate(own.pick(own.key) if own.key else []):
        children: dict[str, str] = {}
        referring: list[tuple[str, int]] = []
        for name, other in schema.tables.items():
            for key in other.foreign_keys:
                if key.referred_table == table.name:
                    referred = own.pick(key.referred_columns)[position]
                    picked = enumerate(rows.tables[name].pick(key.columns))
                    found = [(name, at) for at, values in picked if values == referred and None not in values]
                    referring += found
                    children |= {f"{name}({', '.join(key.columns)})": name for _ in found}
        what = ", ".join(sorted(children))
        # If a row refers to the deleted row twice, the reaction of PostgreSQL depends on which foreign key is older.
        if what and what not in tried and len({*referring}) == len(referring):
            tried.add(what)
            delete = sa.delete(clauses[table.name]).where(_is_row(clauses[table.name], own.key, identity))
            reaction = _reaction(connection, delete, {child: clauses[child] for child in children.values()})
            yield f"delete a row of {table.name} to which {what} refers", reaction


def _is_row(table: sa.FromClause, key: Sequence[str], values: Sequence[object]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in zip(key, values, strict=True)))


def _reaction(connection: Connection, delete: sa.Delete, children: Mapping[str, sa.TableClause]) -> str:
    """Try to delete a row, and return how the database reacts: for example, "refuses it"."""
    with _rolled_back(connection):
        before, broken = _counts(connection, children), violations(connection)
        if connection.dialect.name == "postgresql":  # Otherwise a deferred constraint waits for a commit.
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        refused = _is_refused(connection, delete) or violations(connection) - broken
        after = before if refused else _counts(connection, children)
    if refused:
        return "refuses it"
    gone = [name for name in sorted(children) if before[name] - after[name] > (children[name] is delete.table)]
    return f"also deletes the rows of {', '.join(gone)}" if gone else "keeps the other rows"


def _counts(connection: Connection, tables: Mapping[str, sa.TableClause]) -> dict[str, int]:
    return {
        name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for name, table in tables.items()
    }


def _defaults(connection: Connection, schema: Inventory) -> Iterator[tuple[str, str]]:
    """Yield a text about each column that has a default, and a text about the value of this default."""
    for name, table in sorted(schema.tables.items()):
        for column in table.columns:
            if column.default and not _OF_THE_MOMENT.search(column.default):
                default = column.default.replace(":", "\\:")  # For SQLAlchemy, a colon begins a parameter.
                # An engine may accept the text only as a default: SQLite accepts a word without quotes there.
                with suppress(DBAPIError), _rolled_back(connection):
                    value = connection.execute(sa.text(f"SELECT {default}")).scalar()
                    if isinstance(value, (*_COMPARED, NoneType)):  # SQLite returns times and similar values as text.
                        yield f"leave {name}.{column.name} to its default", f"fills in {_plain(value)}"


def _untyped(table: sa.TableClause) -> sa.TableClause:
    """Return a table without the types of its columns, so that only the database can refuse a value."""
    return sa.table(table.name, *(sa.column(name) for name in table.c.keys()), schema=table.schema)  # noqa: SIM118


def _plain(value: object) -> str:
    """Return a value in one spelling for both engines, whose drivers return different types."""
    with suppress(ValueError):
        if isinstance(value, (int, float, Decimal, str)):
            return format(float(value), ".15g")
    with suppress(ValueError):
        value = json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return "nothing" if value is None else str(value)


def _answer(connection: Connection, change: sa.Executable) -> str:
    with _rolled_back(connection):
        return "refuses it" if _is_refused(connection, change) else "accepts it"


def _is_refused(connection: Connection, change: sa.Executable) -> bool:
    try:
        connection.execute(change)
    except DBAPIError:
        return True
    return False


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    nested = connection.begin_nested()
    try:
        yield
    finally:
        nested.rollback()
