"""The background tasks of the server, and their messages."""
