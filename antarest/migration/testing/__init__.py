"""The proof of a history as pytest tests, and databases for other tests: `from antarest.migration.testing import *`.

In a test file this gives a test for each revision, engine and property, from one proof, and these fixtures:

    migrated_database   the URL of a database at head, on each engine in turn
    database_at         `database_at("0146b79f723c")` returns the URL of one at that revision, with rows
    empty_database      the URL of an empty one, on each engine in turn
    new_database        `new_database("sqlite", "head")` returns the URL of one on the engine that is named

Each test has databases of its own, copied and not migrated again. `MIGRATION_PROJECT` in the test file names the
`alembic.ini`, seen from the folder of pytest's configuration; without it that folder's own is meant.

`pytest_plugins = ["antarest.migration.testing.plugin"]` in `conftest.py` gives all tests these fixtures, lets all
workers of pytest-xdist have one PostgreSQL, and adds `--keep-db`.
"""

from __future__ import annotations

from . import fixtures, proof
from .fixtures import *  # noqa: F403 - what they offer is what this offers
from .proof import *  # noqa: F403

__all__ = [*fixtures.__all__, *proof.__all__]  # noqa: PLE0604 - they are texts
