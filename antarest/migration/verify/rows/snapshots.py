"""The rows of a database as data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from ...schema.reflection import OWN_TABLES, only_reading
from .tables import reflect_tables

Row = tuple[object, ...]


@dataclass(frozen=True)
class TableRows:
    """The rows of one table, sorted. `key` has the columns of its primary key, and is empty without one."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[Row, ...]

    def pick(self, columns: Sequence[str]) -> list[Row]:
        """Return the values of some columns for each row."""
        positions = [self.columns.index(column) for column in columns]
        return [tuple(row[position] for position in positions) for row in self.rows]


@dataclass(frozen=True)
class RowSnapshot:
    """All rows of a database, by table."""

    tables: Mapping[str, TableRows]


def snapshot(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> RowSnapshot:
    """Read all rows of all tables into memory.

    Args:
        connection: to SQLite or PostgreSQL; a transaction that has begun goes on.
        exclude: the tables to leave out.

    Returns:
        The rows. SQLAlchemy converts each value by the type of its column, so that it is equal on both engines.
    """
    with only_reading(connection):
        keys = sa.inspect(connection).get_multi_pk_constraint()
        return RowSnapshot(
            {
                name: _read(connection, table, tuple(keys[None, name]["constrained_columns"]))
                for name, table in reflect_tables(connection, exclude).items()
            }
        )


def _read(connection: Connection, table: TableClause, key: tuple[str, ...]) -> TableRows:
    columns = tuple(table.c.keys())
    try:
        rows = connection.execute(sa.select(table)).all()
    except ValueError:
        # SQLite stores any value, such as a word in a DATETIME. Then the snapshot has the stored values.
        rows = connection.execute(sa.select(*(sa.type_coerce(column, sa.types.NullType()) for column in table.c))).all()
    return TableRows(columns, key, tuple(sorted(map(tuple, rows), key=repr)))
