"""The tables that Alembic and the workflow keep in a database: they are part of nobody's schema."""

from __future__ import annotations


def table_of(version_table: str) -> str:
    """The name of the record that belongs to Alembic's table: `alembic_history` to `alembic_version`."""
    return "alembic_history" if version_table == "alembic_version" else f"{version_table}_history"


def own_tables(version_table: str) -> tuple[str, str]:
    """The tables of the workflow itself, which belong to nobody's schema."""
    return version_table, table_of(version_table)
