"""The contents of a database: its revisions and the number of rows of each table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from ..database.catalog import count_rows, read_catalog
from ..database.connection import engine_version, read_current
from ..errors.workflow_tables import workflow_tables

Progress = Callable[[int, int], None]
"""Called with the progress of a copy: the part that is done, and the total (0 where it is not known)."""


@dataclass(frozen=True)
class Contents:
    """The contents of a database.

    Attributes:
        revisions: its current revisions.
        rows: the number of rows of each table.
        engine: its engine and version, such as `PostgreSQL 15.18`.
    """

    revisions: tuple[str, ...]
    rows: Mapping[str, int]
    engine: str = ""

    @property
    def total(self) -> int:
        """The number of all rows."""
        return sum(self.rows.values())


def read_contents(connection: Connection, version_table: str) -> Contents:
    """Read the contents of a database. This counts every row."""
    rows = count_rows(connection, read_catalog(connection, exclude=workflow_tables(version_table)))
    return Contents(read_current(connection, version_table), rows, engine_version(connection))
