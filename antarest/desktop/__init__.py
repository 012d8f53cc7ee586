"""The local desktop application: pages over the database, one running instance for each."""
