"""The state of a database: its recorded revisions, its schema and its rows; and the differences between two states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL, Connection, NullPool, create_engine

from antarest.migration.database.connection import read_current
from antarest.migration.errors.revision import VersionTable
from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import Inventory, Table
from antarest.migration.schema.reflection import reflect

_BETWEEN_ROWS = "\x1e"  # the separator of records


@dataclass(frozen=True)
class State:
    """The complete content of a database.

    Attributes:
        revisions: the revisions that the database records.
        schema: the schema of the database, without the version table.
        rows: the rows of each table as one text, sorted.
    """

    revisions: tuple[str, ...]
    schema: Inventory
    rows: Mapping[str, str]

    def other_objects(self, other: State) -> list[str]:
        """Return the differences between the schemas of two states, one on each line."""
        return [str(each) for each in differences(self.schema, other.schema)]

    def other_rows(self, other: State) -> list[str]:
        """Return the tables that both states have with different rows, one on each line."""
        shared = self.rows.keys() & other.rows.keys()
        return [f"other rows in {table}" for table in sorted(shared) if self.rows[table] != other.rows[table]]

    def rows_missing_in(self, other: State) -> int:
        """Return how many rows of this state another state lacks, or has only with other values."""
        return 0 if self.rows == other.rows else (_counted(self) - _counted(other)).total()


def read_state(url: URL) -> State:
    """Read the complete content of a database.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    with create_engine(url, poolclass=NullPool).connect() as connection:
        schema = reflect(connection)
        return State(
            read_current(connection, VersionTable()),
            schema,
            {name: _rows(connection, table) for name, table in schema.tables.items()},
        )


def _rows(connection: Connection, table: Table) -> str:
    quote = connection.dialect.identifier_preparer.quote
    # The columns are compared by name, because a rollback and an upgrade may change their order.
    columns = [quote(name) for name in sorted(column.name for column in table.columns)]
    if connection.dialect.name == "postgresql":
        row = f"ROW({', '.join(columns)})::text"
        query = (
            f'SELECT string_agg(r, chr(30) ORDER BY r) FROM (SELECT {row} COLLATE "C" FROM {quote(table.name)}) AS t(r)'
        )
    else:
        row = " || '|' || ".join(f"quote({column})" for column in columns)
        query = f"SELECT group_concat(r, char(30)) FROM (SELECT {row} AS r FROM {quote(table.name)} ORDER BY r)"
    return connection.exec_driver_sql(query).scalar() or ""


def _counted(state: State) -> Counter[str]:
    # The names of the tables do not count: a table that was only renamed has lost no row.
    return Counter(row for rows in state.rows.values() if rows for row in rows.split(_BETWEEN_ROWS))
