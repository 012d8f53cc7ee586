"""The tables that Alembic and the workflow keep in a database. They belong to no application's schema."""


def history_table(version_table: str) -> str:
    """Return the name of the history table beside a version table: `alembic_history` for `alembic_version`."""
    return "alembic_history" if version_table == "alembic_version" else f"{version_table}_history"


def workflow_tables(version_table: str) -> tuple[str, str]:
    """Return the names of the version table and of the history table."""
    return version_table, history_table(version_table)
