"""One database: its connection, its tables, its record, its grants, its lock, and signals."""
