"""What the database itself does at head: it refuses, fills in, or deletes more. Tried on real rows, and undone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from types import NoneType

import sqlalchemy as sa
from sqlalchemy import URL, Connection, NullPool
from sqlalchemy.exc import DBAPIError

from ...database.engines import create_db_engine
from ...schema.inventory import Inventory, Table
from ..rows.snapshots import RowSnapshot, TableRows
from .integrity import violations

_NO_LABEL = "no such label"
_COMPARED = (bool, int, float, Decimal, str, dict, list)
_OF_THE_MOMENT = re.compile(r"nextval|now|current|random|uuid|datetime|strftime|clock", re.IGNORECASE)


def behaviour(url: URL, schema: Inventory, rows: RowSnapshot) -> dict[str, str]:
    """What happens when somebody repeats, misspells, leaves out or deletes something.

    Args:
        url: a database with rows; it is left as it is.
        schema: its schema.
        rows: its rows.

    Returns:
        By what is done, such as "repeat tag(label)", what comes of it.
    """
    engine = create_db_engine(url, poolclass=NullPool)  # As the application: SQLite has to enforce foreign keys.
    with engine.connect() as connection:
        found = dict(_defaults(connection, schema))
        for name, table in sorted(schema.tables.items()):
            if rows.tables[name].rows:
                found |= dict(_misspelt(connection, table, schema))
                found |= dict(_repeated(connection, table, rows.tables[name]))
                found |= dict(_deleted(connection, table, schema, rows))
        connection.rollback()
    return found


def momentary(schema: Inventory) -> set[str]:
    """The "table.column" whose default is of the moment: a row that is written again has another value."""
    columns = ((name, column) for name, table in schema.tables.items() for column in table.columns)
    return {f"{name}.{column.name}" for name, column in columns if _OF_THE_MOMENT.search(column.default or "")}


def differing_behaviour(sqlite: Mapping[str, str], postgresql: Mapping[str, str]) -> list[str]:
    """Where the two engines do not do the same, as far as both could be tried."""
    return [
        f"{what}: SQLite {sqlite[what]}, PostgreSQL {postgresql[what]}"
        for what in sorted(sqlite.keys() & postgresql.keys())
        if sqlite[what] != postgresql[what]
    ]


def _misspelt(connection: Connection, table: Table, schema: Inventory) -> Iterator[tuple[str, str]]:
    """A value is written that is no label of its enum."""
    checked = " ".join(check.expression.lower() for check in table.checks)
    for column in table.columns:
        if column.type in schema.enums or re.search(rf"\b{re.escape(column.name.lower())}\b\"? in \(", checked):
            change = sa.update(_clause(table)).values({column.name: _NO_LABEL})
            with _undone(connection) as undone:
                refused = _is_refused(connection, change)
                undone.rollback()
            yield f"write {_NO_LABEL!r} to {table.name}.{column.name}", "refuses it" if refused else "takes it"


def _repeated(connection: Connection, table: Table, rows: TableRows) -> Iterator[tuple[str, str]]:
    """A row gets the unique values of another one."""
    if not rows.key:
        return
    for unique in table.uniques:
        values = [row for row in rows.pick([*rows.key, *unique.columns]) if None not in row]
        if len(values) > 1:
            first, other = values[0][len(rows.key) :], values[1][: len(rows.key)]
            change = (
                sa.update(_clause(table))
                .where(sa.and_(*(sa.column(name) == value for name, value in zip(rows.key, other, strict=True))))
                .values(dict(zip(unique.columns, first, strict=True)))
            )
            with _undone(connection) as undone:
                refused = _is_refused(connection, change)
                undone.rollback()
            yield f"repeat {table.name}({', '.join(unique.columns)})", "refuses it" if refused else "takes it"


def _deleted(connection: Connection, table: Table, schema: Inventory, rows: RowSnapshot) -> Iterator[tuple[str, str]]:
    """A row is deleted that others refer to; one for each set of foreign keys by which they do."""
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
        # Where one row refers to it twice, PostgreSQL decides by the order in which the keys were made.
        if what and what not in tried and len({*referring}) == len(referring):
            tried.add(what)
            where = sa.and_(*(sa.column(name) == value for name, value in zip(own.key, identity, strict=True)))
            delete = sa.delete(_clause(table)).where(where)
            yield (
                f"delete from {table.name} what {what} refers to",
                _consequence(connection, delete, {*children.values()}),
            )


def _consequence(connection: Connection, delete: sa.Delete, children: Collection[str]) -> str:
    """What a delete does to the rows that refer to the one that it deletes."""
    with _undone(connection) as undone:
        before, broken = _counts(connection, children), violations(connection)
        if connection.dialect.name == "postgresql":  # Else a deferred constraint would wait for a commit.
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        refused = _is_refused(connection, delete) or violations(connection) - broken
        after = before if refused else _counts(connection, children)
        undone.rollback()
    if refused:
        return "refuses it"
    gone = [name for name in sorted(children) if before[name] - after[name] > (name == delete.table.description)]
    return f"deletes those of {', '.join(gone)} too" if gone else "keeps the others"


def _counts(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    return {name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0 for name in tables}


def _defaults(connection: Connection, schema: Inventory) -> Iterator[tuple[str, str]]:
    """A default is filled in."""
    for name, table in sorted(schema.tables.items()):
        for column in table.columns:
            if column.default and not _OF_THE_MOMENT.search(column.default):
                default = column.default.replace(":", "\\:")  # As it is: no parameter, and no % of the driver.
                with _undone(connection) as undone:
                    try:
                        value = connection.execute(sa.text(f"SELECT {default}")).scalar()
                    except DBAPIError:
                        continue  # It is a default all the same, such as a word without quotes for SQLite.
                    finally:
                        undone.rollback()
                if isinstance(value, (*_COMPARED, NoneType)):  # Times and the like are texts for SQLite.
                    yield f"leave {name}.{column.name} to its default", f"fills in {_plain(value)}"


def _clause(table: Table) -> sa.TableClause:
    return sa.table(table.name, *(sa.column(column.name) for column in table.columns))


def _plain(value: object) -> str:
    """One spelling for a value, however the driver of an engine hands it over."""
    with suppress(ValueError):
        if isinstance(value, (int, float, Decimal, str)):
            return format(float(value), ".15g")
    with suppress(ValueError):
        value = json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return "nothing" if value is None else str(value)


def _is_refused(connection: Connection, change: sa.Executable) -> bool:
    try:
        connection.execute(change)
    except DBAPIError:
        return True
    return False


def _undone(connection: Connection) -> sa.NestedTransaction:
    return connection.begin_nested()
