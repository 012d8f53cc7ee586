"""The HTTP API. Each module has the router of one subject."""
