"""Tracks from which tables a statement is about to remove data, and how many rows a transaction has changed.

Each engine has its own tracker. SQLite reports, before a statement runs, where the statement will write. PostgreSQL
counts the changed rows after the statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from .base import ChangeTracker
from .postgresql import PostgresTracker
from .sqlite import SqliteTracker


def open_tracker(connection: Connection, exclude: Iterable[str]) -> ChangeTracker:
    """Return the tracker for the engine of this connection. The tracker does not watch the tables in `exclude`."""
    trackers: dict[str, type[ChangeTracker]] = {"sqlite": SqliteTracker, "postgresql": PostgresTracker}
    return trackers[connection.dialect.name](connection, exclude)
