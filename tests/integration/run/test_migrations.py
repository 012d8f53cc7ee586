"""Every revision, on both engines, with rows in every table.

Here each move of a database is a separate run of Alembic, as in production. One long run would remember the enum types
that it created, and so hide faults. In the last two tests each run is also a separate process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.revision import BASE, Direction, Revision
from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import Inventory
from antarest.migration.schema.reflection import reflect
from antarest.migration.testing.proof import *  # noqa: F403 - the proof of each revision, as any project has it
from antarest.migration.verify.rows.snapshots import RowSnapshot
from tests.support.data.database import HISTORY, PROJECT, Database
from tests.support.data.row_changes import changes
from tests.support.projects.checkouts import ConfigFile, Run


@pytest.fixture
def database(empty_database: URL) -> Database:
    return Database(empty_database)


@pytest.fixture
def migrated(migrated_database: URL) -> Database:
    return Database(migrated_database)


def without(rows: RowSnapshot, lost: Mapping[str, str]) -> RowSnapshot:
    """Return the rows without the tables and columns that are declared as lost."""
    kept = {}
    for name, table in rows.tables.items():
        columns = [column for column in table.columns if f"{name}.{column}" not in lost]
        if name not in lost:
            kept[name] = replace(table, columns=tuple(columns), rows=tuple(table.pick(columns)))
    return RowSnapshot(kept)


def renames(revision: Revision, direction: Direction) -> dict[str, str]:
    """Return the moves that only rename a table, or a column in the same table."""
    result = {}
    for source, (destination, *_) in revision.destinations(direction).items():
        (table, _, column), (new_table, _, new_column) = source.partition("."), destination.partition(".")
        if not column and not new_column:
            result[source] = new_table
        elif column and new_column and table == new_table:
            result[source] = new_column
    return result


# ---- the whole history


def test_an_upgrade_from_empty_reaches_head(database: Database) -> None:
    move = database.workflow.upgrade()

    assert [revision.id for revision, _, _ in move.steps] == list(HISTORY.order)
    assert database.workflow.current() == (HISTORY.head,)


def test_rows_of_the_oldest_schema_reach_head_in_one_run(database: Database) -> None:
    database.upgrade(HISTORY.order[0])
    rows = database.fill()

    database.upgrade()

    revisions = [HISTORY[id_] for id_ in HISTORY.order]
    lost = {item: why for revision in revisions for item, why in revision.losses("upgrade").items()}
    renamed = {source: new for revision in revisions for source, new in renames(revision, "upgrade").items()}
    assert changes(without(rows, lost), database.rows(), renamed=renamed) == []


def test_a_database_can_be_had_at_any_revision_with_rows_in_each_table(database_at: Callable[[str], URL]) -> None:
    databases = [Database(database_at(revision)) for revision in (HISTORY.order[5], HISTORY.order[5], HISTORY.head)]
    databases[0].downgrade(BASE)

    assert [database.workflow.current() for database in databases[1:]] == [(HISTORY.order[5],), (HISTORY.head,)]
    for database in databases[1:]:
        assert all(table.rows for table in database.rows().tables.values())


def test_a_downgrade_to_base_leaves_nothing_but_our_own_tables(migrated: Database) -> None:
    migrated.fill()

    migrated.downgrade(BASE)

    with migrated.connected() as connection:
        left = reflect(connection, exclude=())
    assert left.tables.keys() == {*PROJECT.workflow_tables}
    assert replace(left, tables={}) == Inventory(engine=left.engine)
    assert migrated.query(f"SELECT * FROM {PROJECT.version_table.name}") == []


# ---- each step a process

# The processes share nothing. They are forked, so that they do not have to import everything first.
STEPS = """
import os, sys
import antarest.dbmodel, antarest.migration.environment
from alembic.config import main

for _ in range(int(sys.argv[1])):
    if not (child := os.fork()):
        sys.exit(main(sys.argv[2:], prog="alembic"))
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(code)
"""


def walk(run: Run, config: Path, *command: str) -> list[str]:
    """Run an Alembic command once for each revision. Return the revisions that it ran."""
    done = run("python", "-c", STEPS, str(len(HISTORY)), *command, env={"ANTAREST_CONF": str(config)})
    assert done.code == 0, done.err
    steps = re.findall(r"Running (?:upgrade|downgrade) (\w*) -> (\w*)", done.err)
    return [new if "upgrade" in command else old for old, new in steps]


on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # only PostgreSQL has enum types


@on_postgresql
def test_upgraded_one_by_one_by_alembic_it_is_as_upgraded_in_one_run(
    database: Database, migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    assert walk(run, config_file(database.url), "upgrade", "+1") == list(HISTORY.order)

    assert database.workflow.current() == (HISTORY.head,)
    assert differences(migrated.schema(), database.schema()) == []


@on_postgresql
def test_downgraded_one_by_one_by_alembic_nothing_is_left(
    migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    migrated.fill()
    command = ("-x", "allow-data-loss", "downgrade", "-1")
    assert walk(run, config_file(migrated.url), *command) == list(reversed(HISTORY.order))

    left = migrated.schema()
    assert (migrated.workflow.current(), left) == ((), Inventory(engine=left.engine))
