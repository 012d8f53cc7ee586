"""Functions for developers. They switch branches together with the database, and write and check revisions."""
