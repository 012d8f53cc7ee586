"""Reads everything that is compared between two databases: the inventory, the rows, the sequences and more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import Connection

from ..schema.inventory import Inventory
from ..schema.reflection import only_reading, reflect
from . import postgresql, sqlite

_PARTS = ("tables", "enums", "sequences", "views", "triggers", "functions", "domains")


def read_facts(connection: Connection, exclude: Collection[str]) -> Mapping[str, object]:
    """Return the contents of all parts of a database that are compared. The key is the name of the part.

    Args:
        connection: a connection to the database.
        exclude: the tables of Alembic and the workflow. The result has no rows of these tables. It has their columns,
            because a revision may change these tables.
    """
    more = {"sqlite": sqlite.facts, "postgresql": postgresql.facts}[connection.dialect.name]
    with only_reading(connection):
        return {**dict(_schema(reflect(connection, exclude=()))), **dict(more(connection, exclude))}


def unequal(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Return the names of the parts in which two results of `read_facts` differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _schema(inventory: Inventory) -> Iterator[tuple[str, object]]:
    for part in _PARTS:
        yield from ((f"{part.removesuffix('s')} {name}", each) for name, each in getattr(inventory, part).items())
