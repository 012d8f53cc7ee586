"""The facts of a database, for the comparison of two databases: the inventory, the rows and the sequences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import Connection

from ..schema.inventory import Inventory
from ..schema.reflection import only_reading, reflect
from . import postgresql, sqlite

_PARTS = ("tables", "enums", "sequences", "views", "triggers", "functions", "domains")


def read_facts(connection: Connection, exclude: Collection[str]) -> Mapping[str, object]:
    """Return a mapping from names to facts about a database. Equal databases have equal facts.

    Args:
        connection: a connection to the database.
        exclude: the tables of Alembic and the workflow. Their rows are not facts. Their columns are facts, because a
            revision may change these tables.
    """
    more = {"sqlite": sqlite.facts, "postgresql": postgresql.facts}[connection.dialect.name]
    with only_reading(connection):
        return {**dict(_schema(reflect(connection, exclude=()))), **dict(more(connection, exclude))}


def unequal(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Return the names of the facts that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _schema(inventory: Inventory) -> Iterator[tuple[str, object]]:
    for part in _PARTS:
        yield from ((f"{part.removesuffix('s')} {name}", each) for name, each in getattr(inventory, part).items())
