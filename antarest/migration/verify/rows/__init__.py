"""Generated rows that respect the constraints of a schema, and snapshots that show how rows have changed."""
