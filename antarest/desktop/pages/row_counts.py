"""The number of rows of each table: exact for small tables, and PostgreSQL's estimate for large tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from antarest.migration.errors.text import count

_MANY = 100_000
_UNITS = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"))


@dataclass(frozen=True)
class RowCount:
    """The number of rows of a table."""

    number: int
    is_exact: bool = True

    @property
    def words(self) -> str:
        """The number with its unit, such as `1,204 rows` or `about 1.2 million rows`."""
        if self.is_exact:
            return count(self.number, "row")
        size, unit = next(pair for pair in _UNITS if self.number >= pair[0])
        return f"about {self.number / size:.3g} {unit} rows"

    @property
    def short(self) -> str:
        """The number in few characters, such as `1.2M`."""
        size, unit = next((pair for pair in _UNITS if self.number >= pair[0]), (1, ""))
        if (self.number < 10 * size and self.is_exact) or size == 1:
            return f"{self.number:,}"
        return f"{self.number / size:.3g} {unit[0] if unit != 'thousand' else 'k'}"


def count_rows(session: Session, tables: Collection[sa.Table]) -> dict[str, RowCount]:
    """Return a mapping from the name of each table to its number of rows.

    Args:
        session: a session of the database.
        tables: the tables whose rows are counted. Tables that the database does not have are left out.
    """
    found = _estimates(session)
    there = set(sa.inspect(session.connection()).get_table_names())
    found = {table.name: found[table.name] for table in tables if table.name in found}
    rest = [table for table in tables if table.name in there and table.name not in found]
    if rest:
        each = [sa.select(sa.literal(table.name), sa.func.count()).select_from(table) for table in rest]
        found |= {name: RowCount(number) for name, number in session.execute(sa.union_all(*each))}
    return found


def _estimates(session: Session) -> dict[str, RowCount]:
    """Return PostgreSQL's estimates of the numbers of rows, for tables with many rows; empty on SQLite."""
    if session.connection().dialect.name != "postgresql":
        return {}
    rows = session.execute(
        sa.text("SELECT relname, reltuples FROM pg_class WHERE pg_table_is_visible(oid) AND reltuples >= :many"),
        {"many": _MANY},
    )
    return {name: RowCount(int(number), is_exact=False) for name, number in rows}


def database_size(session: Session) -> int | None:
    """Return the size of a database on a server in bytes; None for an SQLite file."""
    if session.connection().dialect.name != "postgresql":
        return None
    return int(session.scalars(sa.text("SELECT pg_database_size(current_database())")).one())
