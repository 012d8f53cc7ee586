"""Commands for developers, which switch branches together with the database, and write and check revisions."""
