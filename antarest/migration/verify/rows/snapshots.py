"""The rows of a database as data, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from reprlib import Repr

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from ...errors.text import count
from ...schema.reflection import OWN_TABLES, only_reading
from .tables import reflect_tables

Row = tuple[object, ...]

_short = Repr()
_short.maxstring = _short.maxother = 60


@dataclass(frozen=True)
class TableRows:
    """The rows of one table, sorted; `key` are the columns of its primary key, empty where it has none."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[Row, ...]

    def pick(self, columns: Sequence[str]) -> list[Row]:
        """The rows cut down to some columns, in the order given."""
        positions = [self.columns.index(column) for column in columns]
        return [tuple(row[position] for position in positions) for row in self.rows]


@dataclass(frozen=True)
class RowSnapshot:
    """All rows of all tables, by table."""

    tables: Mapping[str, TableRows]

    def renamed(self, names: Mapping[str, str]) -> RowSnapshot:
        """The same rows under other names.

        Args:
            names: the new name of a table by its old one, or of a column by its old "table.column".
        """
        return RowSnapshot({names.get(name, name): _renamed(name, table, names) for name, table in self.tables.items()})


def snapshot(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> RowSnapshot:
    """Read all rows of all tables into memory.

    Args:
        connection: to SQLite or PostgreSQL; left as it was found, in a transaction or not.
        exclude: tables to leave out.

    Returns:
        The rows, each value as SQLAlchemy reads it by the type of its column, so that it is equal on both engines.
    """
    with only_reading(connection):
        keys = sa.inspect(connection).get_multi_pk_constraint()
        return RowSnapshot(
            {
                name: _read(connection, table, tuple(keys[None, name]["constrained_columns"]))
                for name, table in reflect_tables(connection, exclude).items()
            }
        )


def changes(before: RowSnapshot, after: RowSnapshot, *, renamed: Mapping[str, str] | None = None) -> list[str]:
    """What became of the rows, on the tables and columns that both snapshots have.

    Args:
        before: the first snapshot.
        after: the second snapshot.
        renamed: tables ("old": "new") and columns ("table.old": "new") that got another name in between.

    Returns:
        One line for each row lost, row added and value changed; empty when all is as it was.
    """
    before = before.renamed(renamed or {})
    return [
        line
        for name in sorted(before.tables.keys() & after.tables.keys())
        for line in _table_changes(name, before.tables[name], after.tables[name])
    ]


def _read(connection: Connection, table: TableClause, key: tuple[str, ...]) -> TableRows:
    columns = tuple(table.c.keys())
    try:
        rows = connection.execute(sa.select(table)).all()
    except ValueError:
        # SQLite keeps what it is given, such as a word in a DATETIME; then the stored values have to do.
        rows = connection.execute(sa.select(*(sa.type_coerce(column, sa.types.NullType()) for column in table.c))).all()
    return TableRows(columns, key, tuple(sorted(map(tuple, rows), key=repr)))


def _renamed(name: str, table: TableRows, names: Mapping[str, str]) -> TableRows:
    def new(column: str) -> str:
        return names.get(f"{name}.{column}", column)

    return replace(table, columns=tuple(map(new, table.columns)), key=tuple(map(new, table.key)))


def _table_changes(name: str, before: TableRows, after: TableRows) -> Iterator[str]:
    shared = [column for column in before.columns if column in after.columns]
    key = [column for column in before.key if column in shared]
    old, new = before.pick(shared), after.pick(shared)
    old_keys, new_keys = before.pick(key), after.pick(key)
    if not key or len(set(old_keys)) < len(old) or len(set(new_keys)) < len(new):
        yield from _unkeyed_changes(name, shared, old, new)
        return
    olds, news = dict(zip(old_keys, old, strict=True)), dict(zip(new_keys, new, strict=True))
    for values, row in olds.items():
        where = f"{name} {_named(key, values)}"
        if values not in news:
            yield f"{where}: row lost"
            continue
        for column, one, other in zip(shared, row, news[values], strict=True):
            if one != other:
                yield f"{where}: {column}: {_short.repr(one)} -> {_short.repr(other)}"
    for values in news:
        if values not in olds:
            yield f"{name} {_named(key, values)}: row added"


def _unkeyed_changes(name: str, columns: Sequence[str], old: Sequence[Row], new: Sequence[Row]) -> Iterator[str]:
    """Rows without a key have no identity: what is not there any more is lost, and what was not there is added."""
    texts = {repr(row): row for row in (*old, *new)}
    olds, news = Counter(map(repr, old)), Counter(map(repr, new))
    for rows, word in ((olds - news, "lost"), (news - olds, "added")):
        for text, number in rows.items():
            yield f"{name} {_named(columns, texts[text])}: {'row' if number == 1 else count(number, 'row')} {word}"


def _named(columns: Sequence[str], values: Row) -> str:
    return ", ".join(f"{column}={_short.repr(value)}" for column, value in zip(columns, values, strict=True))
