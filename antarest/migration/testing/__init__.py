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

from antarest.migration.testing.fixtures import (
    NewDatabase,
    database_at,
    database_pool,
    empty_database,
    engine_name,
    migrated_database,
    new_database,
    postgres,
    sqlite_templates,
)
from antarest.migration.testing.proof import (
    pytest_generate_tests,
    test_both_engines_have_the_same_schema,
    test_the_downgrade_runs,
    test_the_history_is_sound,
    test_the_models_are_what_the_migrations_make,
    test_the_rows_come_back,
    test_the_schema_comes_back,
    test_the_upgrade_runs,
    verification,
)

__all__ = [
    "NewDatabase",
    "database_at",
    "database_pool",
    "empty_database",
    "engine_name",
    "migrated_database",
    "new_database",
    "postgres",
    "pytest_generate_tests",
    "sqlite_templates",
    "test_both_engines_have_the_same_schema",
    "test_the_downgrade_runs",
    "test_the_history_is_sound",
    "test_the_models_are_what_the_migrations_make",
    "test_the_rows_come_back",
    "test_the_schema_comes_back",
    "test_the_upgrade_runs",
    "verification",
]
