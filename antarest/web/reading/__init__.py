"""Reading the database: connections with time limits, queries, and the records that they return."""
