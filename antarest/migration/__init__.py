"""The workflow that moves a database safely between revisions, usable on any Alembic project."""
