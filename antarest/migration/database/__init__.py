"""The access to one database: connections, tables, the record of revisions, grants, locks, and signals."""
