"""The work of developers: they switch branches with their database, and write and check revisions."""
