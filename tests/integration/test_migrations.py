"""Every revision, on both engines, with rows in every table.

Whatever moves a database here is an Alembic run of its own, as in production: one run remembers the enum types that it
created, and so hides what a later one stumbles over. In the last two tests each run is a process as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.history import BASE, Direction, Revision
from antarest.migration.inventory import Inventory, differences, parity, reflect
from antarest.migration.rows import Snapshot, changes
from antarest.migration.scratch import EngineName, PostgresServer, scratch_database
from tests.database import HISTORY, PROJECT, Database
from tests.support import ConfigFile, Run


@pytest.fixture
def database(empty_database: URL) -> Database:
    return Database(empty_database)


@pytest.fixture
def migrated(migrated_database: URL) -> Database:
    return Database(migrated_database)


# ---- what may become of rows


def below(revision: Revision) -> str:
    """The revision, or base, that a rollback of this one goes to."""
    return HISTORY.states_below([revision.id])[0]


def items(rows: Snapshot) -> set[str]:
    """Every "table" and "table.column"."""
    return {*rows.tables, *(f"{name}.{column}" for name, table in rows.tables.items() for column in table.columns)}


def values(rows: Snapshot, column: str) -> set[tuple[object, ...]]:
    """The values of a "table.column" that are not NULL, each with the key of its row."""
    table, _, name = column.partition(".")
    found = rows.tables[table].pick([*rows.tables[table].key, name])
    return {row for row in found if row[-1] is not None}


def without(rows: Snapshot, lost: Mapping[str, str]) -> Snapshot:
    """The rows without the tables and columns that are declared as lost."""
    kept = {}
    for name, table in rows.tables.items():
        columns = [column for column in table.columns if f"{name}.{column}" not in lost]
        if name not in lost:
            kept[name] = replace(table, columns=tuple(columns), rows=tuple(table.pick(columns)))
    return Snapshot(kept)


def both_ways(revision: Revision) -> dict[str, str]:
    """What it loses on its way up and on its way down."""
    return {**revision.losses("upgrade"), **revision.losses("downgrade")}


def renames(revision: Revision, direction: Direction) -> dict[str, str]:
    """The moves that only give another name: to a table, or to a column of the same table."""
    result = {}
    for source, (destination, *_) in revision.destinations(direction).items():
        (table, _, column), (new_table, _, new_column) = source.partition("."), destination.partition(".")
        if not column and not new_column:
            result[source] = new_table
        elif column and new_column and table == new_table:
            result[source] = new_column
    return result


def assert_kept(before: Snapshot, after: Snapshot, revision: Revision, direction: Direction) -> None:
    """Nothing is missing but what the revision declares as lost, and what it moves has arrived."""
    lost, moves, renamed = revision.losses(direction), revision.destinations(direction), renames(revision, direction)
    kept = without(before, lost).renamed(renamed)
    assert changes(kept, after) == []
    gone = items(kept) - items(after)
    assert {item for item in gone if "." not in item or item.partition(".")[0] not in gone} <= moves.keys()
    for source, places in moves.items():
        assert items(after).issuperset(places)
        if source not in lost and source not in renamed and all("." in place for place in (source, *places)):
            assert values(before, source) <= set[tuple[object, ...]]().union(*(values(after, each) for each in places))


# ---- each revision


@dataclass(frozen=True)
class Filled:
    """A database at some revision, with rows in every table, to be copied."""

    engine: EngineName
    database: Database
    rows: Snapshot
    schema: Inventory
    sequences: dict[str, int]


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Filled]:
    engine, revision = request.param
    with scratch_database(engine, postgres) as url:
        database = Database(url)
        database.upgrade(revision)
        yield Filled(engine, database, database.fill(), database.schema(), database.sequences())


@pytest.fixture
def copy(filled: Filled, postgres: PostgresServer) -> Iterator[Database]:
    with scratch_database(filled.engine, postgres, template=filled.database.url.database) as url:
        yield Database(url)


REVISIONS = [(engine, HISTORY[id_]) for engine in ("sqlite", "postgresql") for id_ in HISTORY.order]


def parametrize(state: Callable[[Revision], str]) -> pytest.MarkDecorator:
    """Each revision on each engine, with a database that is filled at the state.

    With the scope of a module pytest brings those together that need the same one: it is filled once for both tests.
    """
    return pytest.mark.parametrize(
        ("filled", "revision"),
        [pytest.param((engine, state(each)), each, id=f"{engine}-{each.path.stem}") for engine, each in REVISIONS],
        indirect=["filled"],
        scope="module",
    )


@parametrize(below)
def test_rows_survive_up_and_down_and_up(filled: Filled, copy: Database, revision: Revision) -> None:
    copy.upgrade(revision.id)
    rows, schema = copy.rows(), copy.schema()
    assert_kept(filled.rows, rows, revision, "upgrade")

    copy.downgrade(below(revision))
    assert differences(filled.schema, copy.schema()) == []
    assert changes(without(filled.rows, both_ways(revision)), copy.rows()) == []
    assert copy.sequences() == filled.sequences

    copy.upgrade(revision.id)
    assert differences(schema, copy.schema()) == []
    assert changes(without(rows, both_ways(revision)), copy.rows()) == []


@parametrize(lambda revision: revision.id)
def test_rows_survive_down_and_up(filled: Filled, copy: Database, revision: Revision) -> None:
    copy.downgrade(below(revision))
    assert_kept(filled.rows, copy.rows(), revision, "downgrade")

    copy.upgrade(revision.id)
    assert differences(filled.schema, copy.schema()) == []
    assert changes(without(filled.rows, both_ways(revision)), copy.rows()) == []


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


def test_a_downgrade_to_base_leaves_nothing_but_the_empty_version_table(migrated: Database) -> None:
    migrated.fill()

    migrated.downgrade(BASE)

    with migrated.connected() as connection:
        left = reflect(connection, exclude=())
    assert left.tables.keys() == {PROJECT.version_table}
    assert replace(left, tables={}) == Inventory(engine=left.engine)
    assert migrated.query(f"SELECT * FROM {PROJECT.version_table}") == []


def test_the_models_and_the_migrations_make_the_same_schema(migrated: Database, database: Database) -> None:
    with database.connected() as connection:
        PROJECT.metadata().create_all(connection)

    assert [str(each) for each in differences(migrated.schema(), database.schema())] == []


def test_both_engines_have_the_same_schema_at_each_revision(postgres: PostgresServer) -> None:
    found = {}
    with ExitStack() as stack:
        sqlite = Database(stack.enter_context(scratch_database("sqlite")))
        postgresql = Database(stack.enter_context(scratch_database("postgresql", postgres)))
        for revision in HISTORY.order:
            sqlite.upgrade(revision)
            postgresql.upgrade(revision)
            found[revision] = [str(each) for each in parity(sqlite.schema(), postgresql.schema())]

    assert {revision: differing for revision, differing in found.items() if differing} == {}
    assert len(found) == len(HISTORY)


# ---- each step a process

# Processes that know nothing of each other; forked, so that none has to import everything first.
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
    """Run an Alembic command once for each revision; returns the revisions that it ran."""
    done = run("python", "-c", STEPS, str(len(HISTORY)), *command, env={"ANTAREST_CONF": str(config)})
    assert done.code == 0, done.err
    steps = re.findall(r"Running (?:upgrade|downgrade) (\w*) -> (\w*)", done.err)
    return [new if "upgrade" in command else old for old, new in steps]


def test_upgraded_one_by_one_by_alembic_it_is_as_upgraded_in_one_run(
    database: Database, migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    assert walk(run, config_file(database.url), "upgrade", "+1") == list(HISTORY.order)

    assert database.workflow.current() == (HISTORY.head,)
    assert differences(migrated.schema(), database.schema()) == []


def test_downgraded_one_by_one_by_alembic_nothing_is_left(
    migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    migrated.fill()
    command = ("-x", "allow-data-loss", "downgrade", "-1")
    assert walk(run, config_file(migrated.url), *command) == list(reversed(HISTORY.order))

    left = migrated.schema()
    assert (migrated.workflow.current(), left) == ((), Inventory(engine=left.engine))
