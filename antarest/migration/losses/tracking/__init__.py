"""Tracks which tables a statement is about to take something from, and how many rows a transaction changed.

Each engine has a tracker of its own: SQLite knows before a statement what PostgreSQL knows after it, and the reverse.
"""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from .base import ChangeTracker
from .postgresql import PostgresTracker
from .sqlite import SqliteTracker


def open_tracker(connection: Connection, exclude: Iterable[str]) -> ChangeTracker:
    """The tracker for the engine of this connection, without the tables in `exclude`."""
    trackers: dict[str, Callable[..., ChangeTracker]] = {"sqlite": SqliteTracker, "postgresql": PostgresTracker}
    return trackers[connection.dialect.name](connection, exclude)
