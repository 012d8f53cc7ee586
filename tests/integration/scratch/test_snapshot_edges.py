"""Snapshots with options of env.py, several heads, downgrades and unusual databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.branches import snapshots
from antarest.migration.database.connection import moving, read_current
from antarest.migration.database.record import read_record
from antarest.migration.errors.facts.project import SnapshotUnfit
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.revision import VersionTable
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.scratch.comparison import connected_at_head
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.scratch.migrated import load_snapshot
from antarest.migration.snapshot.file import Snapshot, path_of
from tests.support.projects.histories import ENV, Script, write_project, write_script
from tests.support.projects.snapshots import COUNTED, LATER, TABLE, Snapshotted

pytestmark = pytest.mark.usefixtures("scratch_here")

SNAPSHOT = ["snapshot"] * 2
BACK = replace(TABLE, downgrade='op.drop_table("t")', lossy={"downgrade": {"t": "made by it"}})
LATER_BACK = replace(LATER, downgrade='op.drop_table("later")', lossy={"downgrade": {"later": "made by it"}})


def with_env(folder: Path, url: URL, options: str, *scripts: Script) -> Snapshotted:
    project = write_project(folder, *scripts)
    project.env.path.write_text(ENV.replace("run(context)", f"run(context, {options})"))
    made = Snapshotted(url, Project.load(project.ini))
    snapshots.write(made.project, made.engine)
    return made


@pytest.mark.parametrize(
    "options",
    ["version_table='versions'", "include_schemas=True", "transaction_per_migration=True", "version_table_pk=False"],
)
def test_options_of_env_py_count(tmp_path: Path, empty_database: URL, elsewhere: URL, options: str) -> None:
    assert_used(tmp_path, empty_database, elsewhere, options)


@pytest.mark.parametrize("name", ["", "version_table='v', "])
def test_the_version_table_may_lie_in_another_schema(
    tmp_path: Path, postgres_database: URL, postgres: PostgresServer, name: str
) -> None:
    with scratch_database("postgresql", postgres) as elsewhere:
        assert_used(tmp_path, postgres_database, elsewhere, f"{name}version_table_schema='sales'")


def assert_used(folder: Path, url: URL, elsewhere: URL, options: str) -> None:
    """Check that the snapshot of a project with these options in env.py is right, is loaded, and is written again."""
    there = Script("there", 'if is_postgresql(): sql("CREATE SCHEMA apart", "CREATE TABLE apart.x (id INT)")')
    database = with_env(folder / "p", url, options, BACK, there)

    with connected_at_head(database.project, DbConfig(url)) as connection:
        assert "t" in connection.dialect.get_table_names(connection)
    assert "2 revisions from" in database.upgraded()
    assert database.workflow.current() == ("there",)
    assert database.value(COUNTED) == "1 1"
    assert [direction for _, direction, _ in database.marks] == ["snapshot"] * 2
    other = database.replayed(elsewhere)
    assert database.differs(other) == []
    write_script(database.versions, LATER_BACK, "there")
    snapshots.write(database.again.project, database.engine)
    assert database.upgraded() == ""
    assert database.workflow.current() == ("later",)


def test_it_may_have_several_heads_and_their_merge(tmp_path: Path, empty_database: URL) -> None:
    right = Script("right", 'op.create_table("r", sa.Column("id", sa.Integer))')
    database = Snapshotted(empty_database, write_project(tmp_path / "p", TABLE, LATER))
    write_script(database.versions, right, "table")
    snapshots.write(database.again.project, database.engine)
    with moving(database.url) as connection:
        assert load_snapshot(database.again.project, connection, ["later", "right"]) == 3
        assert read_current(connection, VersionTable()) == ("later", "right")
    write_script(database.versions, Script("merged"), ("later", "right"))
    snapshots.write(database.again.project, database.engine)

    assert database.upgraded() == ""

    assert database.again.workflow.current() == ("merged",)
    assert Snapshot.parse(database.file.read_bytes()).current == ("merged",)


def test_its_revisions_can_be_rolled_back_and_loaded_again(tmp_path: Path, empty_database: URL) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, BACK, LATER_BACK)
    database.upgraded()
    workflow = database.again.workflow
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
    assert workflow.current() == ("table",)
    assert database.upgraded() == ""
    workflow.rollback(workflow.plan_rollback(to="base"), Agreement(everything=True))
    assert workflow.current() == ()
    assert "2 revisions from" in database.upgraded()
    with moving(database.url) as connection:
        done = [line.direction for line in read_record(connection, database.project.version_table)]
    assert done == [*SNAPSHOT, "downgrade", "upgrade", "downgrade", "downgrade", *SNAPSHOT]
    assert workflow.status().edited == ()


WIDE = Script(
    "wide",
    'if is_postgresql(): sql("ALTER TABLE alembic_version ALTER COLUMN version_num TYPE VARCHAR(99)")',
    "pass",
)
LONG = replace(LATER_BACK, id="a_long_id_that_needs_the_room_which_the_first_revision_made")


@pytest.mark.parametrize("last", [TABLE, LONG], ids=["room for later ids", "a long id"])
def test_a_revision_may_give_the_version_table_room_for_long_ids(
    tmp_path: Path, empty_database: URL, last: Script
) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, WIDE, last)
    assert "2 revisions from" in database.upgraded()
    write_script(database.project.versions[0], replace(LONG, id=f"{LONG.id}_too", upgrade="pass"), last.id)
    assert database.again.workflow.upgrade().after == (f"{LONG.id}_too",)


def test_line_ends_of_windows_are_no_change(tmp_path: Path, empty_database: URL) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, BACK, LATER_BACK)
    for path in (*database.versions.glob("*.py"), database.file):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(snapshots.stale(database.again.project)) == []
    assert "2 revisions from" in database.upgraded()


SETTINGS = [
    "datestyle = 'German, DMY'",
    "intervalstyle = sql_standard",
    "standard_conforming_strings = off",
    "bytea_output = escape",
    "default_transaction_isolation = serializable",
    "default_transaction_deferrable = on",
    "timezone = 'Asia/Kathmandu'",
    "check_function_bodies = on",
    "search_path = '$user', public",
    "lock_timeout = '1s'",
    "row_security = off",
    "backslash_quote = off",
    "extra_float_digits = 0",
    "xmloption = document",
    "session_replication_role = replica",
    "client_encoding = latin1",
    "array_nulls = off",
    "transform_null_equals = on",
]


@pytest.mark.parametrize("owner", ["DATABASE", "ROLE CURRENT_USER IN DATABASE"])
def test_settings_of_the_database_and_the_role_have_no_effect(
    tmp_path: Path, postgres_database: URL, postgres: PostgresServer, owner: str
) -> None:
    rows = r"""
        sql("CREATE TABLE d (id SERIAL, at DATE, m TIMESTAMPTZ, i INTERVAL, b BYTEA, x TEXT, f FLOAT, a INT[])")
        op.get_bind().exec_driver_sql(
            "INSERT INTO d (at, m, i, b, x, f, a) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            ("2020-02-01", "2020-02-01 12:00+02", "-1 days +02:03:00", b"\x00\xff", "a\\b'é", 0.1, [1, None]),
        )
    """
    database = Snapshotted.create(tmp_path / "p", postgres_database, BACK, Script("d", rows))
    with scratch_database("postgresql", postgres) as elsewhere:
        for url in (postgres_database, elsewhere):
            database.execute(*(f'ALTER {owner} "{url.database}" SET {setting}' for setting in SETTINGS))

        assert "2 revisions from" in database.upgraded()

        assert database.differs(database.replayed(elsewhere)) == []


def test_a_database_with_only_extensions_is_empty(tmp_path: Path, postgres_database: URL) -> None:
    database = Snapshotted.create(tmp_path / "p", postgres_database, BACK)
    # The embedded server has other extensions than a server in a container.
    there = "SELECT min(name) FROM pg_available_extensions WHERE name IN ('hstore', 'vector')"
    database.execute(f"CREATE EXTENSION {database.value(there)}")
    assert "1 revision from" in database.upgraded()


def test_an_extension_that_an_administrator_installs_is_not_in_the_snapshot(
    tmp_path: Path, postgres_database: URL
) -> None:
    """The snapshot needs the extension. In a database without the extension, the revisions run, and say what fails."""
    database = Snapshotted(postgres_database, write_project(tmp_path / "p", TABLE))
    there = database.value("SELECT min(name) FROM pg_available_extensions WHERE name IN ('citext', 'vector')")
    type_ = {"citext": "citext", "vector": "vector(3)"}[str(there)]
    uses = replace(BACK, upgrade=f'sql("CREATE TABLE t (id SERIAL PRIMARY KEY, x {type_})")')
    database = Snapshotted(postgres_database, write_project(tmp_path / "q", uses))
    told: list[str] = []

    snapshots.write(database.project, database.engine, told.append)
    write_script(tmp_path / "q" / "alembic" / "versions", LATER, "table")
    database = Snapshotted(postgres_database, Project.load(database.project.ini))
    snapshots.write(database.project, database.engine, told.append)

    assert {*told} == {f"extension {there}: no revision creates it, so it is assumed"}
    assert "EXTENSION" not in path_of(database.project, database.engine).read_text()
    with pytest.raises(RevisionFailed, match="does not exist"):
        database.upgraded()
    database.execute(f"CREATE EXTENSION {there}")
    assert "2 revisions from" in database.upgraded()


CLOCKS = {
    "odd differ": """sql("CREATE TABLE d (at DATE)", "INSERT INTO d VALUES ('01/02/2020')")""",
    "odd fails in a second database": """sql("CREATE TABLE d (at DATE)", "INSERT INTO d VALUES ('02/13/2020')")""",
    "odd reads the clock, and writes the rows of d": (
        'sql("CREATE TABLE d (y INT)", "INSERT INTO d VALUES (extract(year from now()))")'
    ),
    "odd reads the clock, and writes the rows of e": """
        import datetime
        sql("CREATE TABLE e (y INT)", f"INSERT INTO e VALUES ({datetime.date.today().month})")
    """,
}


@pytest.mark.parametrize("why", CLOCKS)
def test_a_date_that_is_not_always_the_same_has_no_snapshot(tmp_path: Path, postgres_database: URL, why: str) -> None:
    scripts = TABLE, Script("odd", upgrade=CLOCKS[why]), LATER
    database = Snapshotted(postgres_database, write_project(tmp_path, *scripts))
    with pytest.raises(SnapshotUnfit, match=why):
        snapshots.write(database.project, database.engine)
