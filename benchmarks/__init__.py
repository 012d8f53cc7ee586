"""How fast the workflow is, beside plain Alembic in the same run: `make bench`. Ratios count, not seconds."""
