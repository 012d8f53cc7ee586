"""What a database holds, as a backup of it remembers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from ..database.catalog import count_rows, read_catalog
from ..database.connection import engine_version, read_current
from ..errors.own_tables import own_tables

Progress = Callable[[int, int], None]
"""Hears how far a copy is: what is done, and all of it (0 where nobody knows)."""


@dataclass(frozen=True)
class Contents:
    """What a database holds.

    Attributes:
        revisions: the revisions that it records.
        rows: its tables, each with its rows.
        engine: its engine and version, such as `PostgreSQL 15.18`.
    """

    revisions: tuple[str, ...]
    rows: Mapping[str, int]
    engine: str = ""

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def read_contents(connection: Connection, version_table: str) -> Contents:
    """Look at what the database holds; every row is counted."""
    rows = count_rows(connection, read_catalog(connection, exclude=own_tables(version_table)))
    return Contents(read_current(connection, version_table), rows, engine_version(connection))
