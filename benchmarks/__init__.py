"""Measure the workflow and plain Alembic in the same run: `make bench`. The results to compare are the ratios."""
