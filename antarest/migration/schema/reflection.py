"""Read the schema of a database as data.

    before = reflect(connection)
    ...
    for difference in differences(before, reflect(connection)):
        print(difference.render("before", "after"))

`compare.differences` compares two databases of the same engine, such as one with the models and one with the
migrations. `parity.parity` compares SQLite with PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ..errors.revision import VersionTable
from . import postgresql, sqlite
from .inventory import Inventory

OWN_TABLES = VersionTable().both
"""The tables of Alembic and the workflow, in a project with the default version table."""


def reflect(connection: Connection, *, exclude: Collection[str] = OWN_TABLES) -> Inventory:
    """Read the schema of a database.

    Args:
        connection: a connection to SQLite or PostgreSQL. A transaction is open afterwards only if one was open before.
        exclude: the tables to leave out, with their columns, constraints, indexes and triggers.

    Returns:
        The inventory of the database, with all schemas of PostgreSQL, or the main schema of SQLite.
    """
    engines = {"sqlite": sqlite.reflect, "postgresql": postgresql.reflect}
    with only_reading(connection):
        return engines[connection.dialect.name](connection, exclude)


@contextmanager
def only_reading(connection: Connection) -> Iterator[None]:
    """Roll back a transaction that the `with` block begins. A transaction that was open before is left open."""
    began_here = not connection.in_transaction()
    try:
        yield
    finally:
        if began_here:
            connection.rollback()
