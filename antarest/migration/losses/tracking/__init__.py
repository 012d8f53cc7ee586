"""Tracks which tables a statement is about to take something from, and how many rows a transaction changed.

Each engine has its own tracker: SQLite says before a statement what it writes to, and PostgreSQL counts after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from .base import ChangeTracker
from .postgresql import PostgresTracker
from .sqlite import SqliteTracker


def open_tracker(connection: Connection, exclude: Iterable[str]) -> ChangeTracker:
    """The tracker for the engine of this connection, without the tables in `exclude`."""
    trackers: dict[str, Callable[..., ChangeTracker]] = {"sqlite": SqliteTracker, "postgresql": PostgresTracker}
    return trackers[connection.dialect.name](connection, exclude)
