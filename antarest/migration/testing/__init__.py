"""The proof of a history as pytest tests, and databases for other tests: `from antarest.migration.testing import *`.

In a test file, this import defines a test for each revision, engine and property, and these fixtures:

    migrated_database   the URL of a database at head, on each engine in turn
    database_at         `database_at("0146b79f723c")` returns the URL of a database at that revision, with rows
    empty_database      the URL of an empty database, on each engine in turn
    new_database        `new_database("sqlite", "head")` returns the URL of a database on the named engine

Each test has its own databases, which are copies of a template. `MIGRATION_PROJECT` in the test file is the path of the
`alembic.ini`, relative to the folder of pytest's configuration. The default is the `alembic.ini` in that folder.

`pytest_plugins = ["antarest.migration.testing.plugin"]` in `conftest.py` gives these fixtures to all tests, starts one
PostgreSQL for all workers of pytest-xdist, and adds `--keep-db`.
"""

from . import fixtures, proof
from .fixtures import *  # noqa: F403 - this package offers all of it
from .proof import *  # noqa: F403

__all__ = [*fixtures.__all__, *proof.__all__]  # noqa: PLE0604 - they are strings
