"""The schema of a database as data: read, normalised and compared."""
