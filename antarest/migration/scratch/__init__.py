"""Scratch databases and servers, and the runner of revisions on them."""
