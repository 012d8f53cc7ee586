"""The Alembic project on disk: its files, its graph, `rollback.sh`, and its git repository."""
