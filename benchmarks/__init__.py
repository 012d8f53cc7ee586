"""Measure the workflow beside plain Alembic in the same run: `make bench`. The ratios count, not the seconds."""
