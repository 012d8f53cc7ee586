"""The Alembic project on disk: its files, its graph, `rollback.sh`, and what git has."""
