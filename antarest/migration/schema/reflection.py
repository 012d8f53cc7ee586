"""The schema of a database as data: reflected faithfully, compared strictly, and compared across the engines.

    before = reflect(connection)
    ...
    for difference in differences(before, reflect(connection)):
        print(difference.render("before", "after"))

`differences` is for two databases of the same engine (models against migrations, before against after); `parity` is
for SQLite against PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ..errors.own_tables import own_tables
from . import postgresql, sqlite
from .across_engines import parity
from .compare import Difference, differences
from .inventory import (
    Check,
    Column,
    Definition,
    Enum,
    ForeignKey,
    Index,
    Inventory,
    PrimaryKey,
    Sequence,
    Table,
    Unique,
)

__all__ = [
    "OWN_TABLES",
    "VERSION_TABLE",
    "Check",
    "Column",
    "Definition",
    "Difference",
    "Enum",
    "ForeignKey",
    "Index",
    "Inventory",
    "PrimaryKey",
    "Sequence",
    "Table",
    "Unique",
    "differences",
    "only_reading",
    "parity",
    "reflect",
]

VERSION_TABLE = "alembic_version"
OWN_TABLES = own_tables(VERSION_TABLE)
"""What Alembic and the workflow keep in a database, unless a project says otherwise."""


def reflect(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> Inventory:
    """Read the schema of a database.

    Args:
        connection: to SQLite or PostgreSQL; left as it was found, in a transaction or not.
        exclude: tables to leave out, with all that belongs to them.

    Returns:
        The inventory of the schema that the connection sees by default.
    """
    engines = {"sqlite": sqlite.reflect, "postgresql": postgresql.reflect}
    with only_reading(connection):
        return engines[connection.dialect.name](connection, exclude)


@contextmanager
def only_reading(connection: Connection) -> Iterator[None]:
    """Leave a connection as it was found: a transaction that reading has begun is ended."""
    began_here = not connection.in_transaction()
    try:
        yield
    finally:
        if began_here:
            connection.rollback()
