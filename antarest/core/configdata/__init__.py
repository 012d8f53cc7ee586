"""Settings that are kept in the database."""
