"""The application that serves the database over HTTP, for reading only."""
