"""Every revision, on both engines, with rows in every table.

Whoever moves the database here does it in an Alembic run of its own, as production does: one run remembers the enum
types that it created, and so hides what a later one stumbles over. Twice, at the end, each run is a process as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import URL, Connection, NullPool, text

from antarest.core.config import DbConfig
from antarest.core.persistence import create_db_engine
from antarest.migration.history import BASE, Direction, Revision
from antarest.migration.inventory import Inventory, differences, parity, reflect
from antarest.migration.loss import Agreement
from antarest.migration.plan import RollbackPlan
from antarest.migration.project import Project
from antarest.migration.rows import Snapshot, changes, fill, snapshot
from antarest.migration.scratch import EngineName, PostgresServer, scratch_database
from antarest.migration.workflow import MigrationWorkflow
from tests.rows import values_at
from tests.support import ROOT, ConfigFile, Run

PROJECT = Project.load(ROOT / "alembic.ini")
HISTORY = PROJECT.history

each_revision = pytest.mark.parametrize(
    "revision", [pytest.param(HISTORY[id_], id=HISTORY[id_].path.stem) for id_ in HISTORY.order]
)


@dataclass(frozen=True)
class Database:
    """A database that moves by runs of its own, and shows its schema and its rows."""

    url: URL

    @property
    def workflow(self) -> MigrationWorkflow:
        return MigrationWorkflow(PROJECT, DbConfig(url=self.url))

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection as the application has it: foreign keys are enforced. What is done with it is committed."""
        with create_db_engine(self.url, poolclass=NullPool).begin() as connection:
            yield connection

    def upgrade(self, to: str = "head") -> None:
        if to != BASE:
            self.workflow.upgrade(to)

    def downgrade(self, to: str) -> None:
        """Without a plan, which takes longer than the run; that has tests of its own."""
        plan = RollbackPlan(self.workflow.current(), to, ())
        self.workflow.rollback(plan, Agreement(everything=True))

    def fill(self) -> Snapshot:
        """Put rows into every table."""
        applied = HISTORY.applied(self.workflow.current())
        with self.connected() as connection:
            added = fill(connection, values=values_at(id_ for id_ in HISTORY.order if id_ in applied))
        assert all(added.values()), added
        return self.rows()

    def rows(self) -> Snapshot:
        with self.connected() as connection:
            return snapshot(connection)

    def schema(self) -> Inventory:
        with self.connected() as connection:
            return reflect(connection)

    def sequences(self) -> dict[str, int]:
        """How far each sequence is; SQLite has none."""
        if self.url.get_backend_name() == "sqlite":
            return {}
        with self.connected() as connection:
            found = connection.execute(text("SELECT sequencename, last_value FROM pg_sequences"))
            return dict(found.tuples().all())


@pytest.fixture
def database(empty_database: URL) -> Database:
    return Database(empty_database)


@pytest.fixture
def migrated(migrated_database: URL) -> Database:
    return Database(migrated_database)


# ---- what may become of rows


def below(revision: Revision) -> str:
    """The revision, or base, that is below it."""
    return HISTORY.states_below([revision.id])[0]


def items(rows: Snapshot) -> set[str]:
    """Every "table" and "table.column"."""
    return {*rows.tables, *(f"{name}.{column}" for name, table in rows.tables.items() for column in table.columns)}


def without(rows: Snapshot, lost: Mapping[str, str]) -> Snapshot:
    """The rows without the tables and columns that are declared as lost."""
    kept = {}
    for name, table in rows.tables.items():
        columns = [column for column in table.columns if f"{name}.{column}" not in lost]
        if name not in lost:
            kept[name] = replace(table, columns=tuple(columns), rows=tuple(table.pick(columns)))
    return Snapshot(kept)


def renames(revision: Revision, direction: Direction) -> dict[str, str]:
    """The moves that only give another name: of a table, or of a column within its table."""
    result = {}
    for source, (destination, *_) in revision.destinations(direction).items():
        (table, _, column), (new_table, _, new_column) = source.partition("."), destination.partition(".")
        if not column and not new_column:
            result[source] = new_table
        elif column and new_column and table == new_table:
            result[source] = new_column
    return result


def assert_kept(before: Snapshot, after: Snapshot, revision: Revision, direction: Direction) -> None:
    """Nothing but declared losses is missing after the revision ran, and what it moves has arrived."""
    declared, destinations = revision.losses(direction), revision.destinations(direction)
    kept, renamed = without(before, declared), renames(revision, direction)
    assert changes(kept, after, renamed=renamed) == []
    gone = items(kept.renamed(renamed)) - items(after)
    assert {item for item in gone if item.partition(".")[0] not in gone or "." not in item} <= destinations.keys()
    for source, places in destinations.items():
        assert items(after).issuperset(places)
        if source not in declared and source not in renamed and all("." in item for item in (source, *places)):
            arrived = {pair for place in places for pair in values(after, place)}
            assert [pair for pair in values(before, source) if pair not in arrived] == []


def values(rows: Snapshot, item: str) -> list[tuple[object, ...]]:
    """The values of a column that are not NULL, each with the key of its row."""
    table, _, column = item.partition(".")
    found = rows.tables[table].pick([*rows.tables[table].key, column])
    return [row for row in found if row[-1] is not None]


def both_ways(revision: Revision) -> dict[str, str]:
    return {**revision.losses("upgrade"), **revision.losses("downgrade")}


# ---- one revision


@each_revision
def test_rows_survive_up_and_down_and_up(database: Database, revision: Revision) -> None:
    database.upgrade(below(revision))
    old_rows, old_schema, sequences = database.fill(), database.schema(), database.sequences()

    database.upgrade(revision.id)
    rows, schema = database.rows(), database.schema()
    assert_kept(old_rows, rows, revision, "upgrade")

    database.downgrade(below(revision))
    assert differences(old_schema, database.schema()) == []
    assert changes(without(old_rows, both_ways(revision)), database.rows()) == []
    assert database.sequences() == sequences

    database.upgrade(revision.id)
    assert differences(schema, database.schema()) == []
    assert changes(without(rows, both_ways(revision)), database.rows()) == []


@each_revision
def test_rows_survive_down_and_up(database: Database, revision: Revision) -> None:
    database.upgrade(revision.id)
    rows, schema = database.fill(), database.schema()

    database.downgrade(below(revision))
    assert_kept(rows, database.rows(), revision, "downgrade")

    database.upgrade(revision.id)
    assert differences(schema, database.schema()) == []
    assert changes(without(rows, both_ways(revision)), database.rows()) == []


# ---- the whole history


def test_an_upgrade_from_empty_reaches_head(database: Database) -> None:
    move = database.workflow.upgrade()

    assert [revision.id for revision, _, _ in move.steps] == list(HISTORY.order)
    assert database.workflow.current() == (HISTORY.head,)


def test_rows_of_the_oldest_schema_reach_head_in_one_run(database: Database) -> None:
    first = HISTORY[HISTORY.order[0]]
    database.upgrade(first.id)
    rows = database.fill()

    losses = database.workflow.upgrade().losses

    renamed = {source: new for id_ in HISTORY.order for source, new in renames(HISTORY[id_], "upgrade").items()}
    declared = {loss.item: loss.reason for loss in losses}
    assert changes(without(rows, declared | {"bots.is_author": "now a boolean"}), database.rows(), renamed=renamed) == []


def test_a_downgrade_to_base_leaves_nothing(migrated: Database) -> None:
    migrated.fill()

    migrated.downgrade(BASE)

    with migrated.connected() as connection:
        left = reflect(connection, exclude=())
        rows = connection.execute(text(f"SELECT count(*) FROM {PROJECT.version_table}")).scalar()
    assert left.tables.keys() == {PROJECT.version_table}
    assert rows == 0
    assert (left.enums, left.sequences, left.views, left.triggers, left.functions, left.domains) == ({}, {}, {}, {}, {}, {})


def test_no_upgrade_leaves_a_temporary_table(migrated: Database) -> None:
    assert [table for table in migrated.schema().tables if table.startswith("_alembic_tmp_")] == []


def test_the_models_and_the_migrations_make_the_same_schema(migrated: Database, database: Database) -> None:
    with database.connected() as connection:
        PROJECT.metadata().create_all(connection)

    assert [str(difference) for difference in differences(migrated.schema(), database.schema())] == []


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
    assert found.keys() == set(HISTORY.order)


# ---- each step a process


def test_upgraded_one_by_one_by_alembic_it_is_as_upgraded_in_one_run(
    database: Database, migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    environment = {"ANTAREST_CONF": str(config_file(database.url))}
    for revision in HISTORY.order:
        done = run("alembic", "upgrade", "+1", env=environment)
        assert done.code == 0, done.err
        assert database.workflow.current() == (revision,)

    assert differences(migrated.schema(), database.schema()) == []


def test_downgraded_one_by_one_by_alembic_nothing_is_left(
    migrated: Database, config_file: ConfigFile, run: Run
) -> None:
    migrated.fill()
    environment = {"ANTAREST_CONF": str(config_file(migrated.url))}
    for revision in reversed(HISTORY.order):
        done = run("alembic", "-x", "allow-data-loss", "downgrade", "-1", env=environment)
        assert done.code == 0, done.err
        assert migrated.workflow.current() == tuple(HISTORY[revision].down)

    assert migrated.schema() == Inventory(engine=migrated.schema().engine)
