"""Gives two rows equal values in the columns of a unique key that a revision adds.

Nothing in the schema before the revision forbids such rows, so an application may have written them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from ...schema.inventory import Inventory, Table
from .inserts import Inserter
from .plain import may_repeat
from .snapshots import reflect_tables

_TRIED = 6  # rows of a table: each pair of them is tried

Key = tuple[str, tuple[str, ...]]
"""A table, and columns of this table."""


def new_keys(before: Inventory, after: Inventory) -> list[Key]:
    """Return the unique keys that a revision adds to columns that existed before."""
    return [
        (name, columns)
        for name in sorted(before.tables.keys() & after.tables.keys())
        for columns in dict.fromkeys(after.tables[name].unique_keys)
        if columns not in before.tables[name].unique_keys and all(map(before.tables[name].column, columns))
    ]


def make_equal(connection: Connection, key: Key, facts: Table) -> None:
    """Give two rows of a table the same values in some columns, if the database accepts this.

    Nothing changes if a column has UUIDs and refers to nothing, because programs generate a new UUID for each row.
    """
    name, columns = key
    tables = reflect_tables(connection, ())
    inserter, table = Inserter(connection, tables), tables[name]
    referring = {column for foreign in facts.foreign_keys for column in foreign.columns}
    if not all(each in referring or may_repeat(each, table.c[each].type) for each in columns):
        return
    row: sa.ColumnClause[Any] = sa.literal_column("rowid" if connection.dialect.name == "sqlite" else "ctid")
    question = sa.select(row, *(table.c[each] for each in columns)).order_by(row).limit(_TRIED)
    try:
        rows = [tuple(each) for each in connection.execute(question)]
    except OperationalError:  # Some tables of SQLite have no rowid.
        return
    pairs = ((one, other) for one in rows if None not in one for other in rows if other != one)
    for one, other in pairs:
        change = sa.update(table).where(row == other[0]).values(dict(zip(columns, one[1:], strict=True)))
        if not inserter.execute(change):
            return
