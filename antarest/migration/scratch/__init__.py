"""Scratch databases, and revisions that are run on them."""
