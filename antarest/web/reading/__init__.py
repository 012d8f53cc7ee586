"""The connections to the database with their time limits, the queries, and the records that the queries return."""
