"""What developers need: to switch branches together with the database, and to write and check revisions."""
