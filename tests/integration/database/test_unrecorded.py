"""A database without a recorded revision is not taken for an empty one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.commands.rendering import results
from antarest.migration.errors.facts.refusal import RowsOverlap, Unrecorded
from antarest.migration.errors.loss import Agreement
from tests.support.projects.checkouts import ROOT, ConfigFile, Run
from tests.support.projects.histories import Database, Notes, Script, write_project

TABLES = Script("a1", upgrade='sql("CREATE TABLE t (id INTEGER)")', downgrade='op.drop_table("t")')
COLUMN = Script("b2", upgrade='op.add_column("t", sa.Column("price", sa.Integer))')
CENTS = Script("c3", upgrade='sql("UPDATE t SET price = price * 100")')
THERE = ("CREATE TABLE t (id INTEGER, price INTEGER)", "INSERT INTO t VALUES (1, 500)")

Build = Callable[..., Database]


@pytest.fixture
def history(tmp_path: Path, empty_database: URL) -> Build:
    """Create a history on an empty database, on each engine in turn: `history(*scripts)`."""
    numbers = count()
    return lambda *scripts: Database(empty_database, write_project(tmp_path / f"project{next(numbers)}", *scripts))


def test_an_upgrade_stops_where_tables_are_there_and_names_the_revision_whose_tables_fit(history: Build) -> None:
    database = history(TABLES, COLUMN)
    database.execute(*THERE, "CREATE TABLE theirs (id INTEGER)")
    before = database.state()

    for upgrade in (database.workflow.upgrade, database.workflow.plan_upgrade):
        with pytest.raises(Unrecorded, match="no recorded revision") as error:
            upgrade()
        assert (error.value.tables, error.value.fits) == (("t",), ("b2",))
        assert "alembic stamp b2" in [hint.command for hint in error.value.hints]
    assert database.state() == before


def test_a_history_for_postgresql_alone_is_asked_on_postgresql(tmp_path: Path, postgres_database: URL) -> None:
    only = Script("a1", upgrade='sql("CREATE TABLE t (id INTEGER)", "COMMENT ON TABLE t IS NULL")')
    leaves = Script("c3", upgrade='[sql(f"CREATE TABLE {name} (id INTEGER)") for name in ("left_alone",)]')
    listener, database = Notes(), Database(postgres_database, write_project(tmp_path, only, COLUMN, leaves))
    database.execute(*THERE)

    with pytest.raises(Unrecorded) as error:
        database.workflow.upgrade()
    assert error.value.fits == ("b2",)
    database.execute("DROP TABLE t")
    workflow = database.workflow_with(listener)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement())
    assert "left behind: left_alone, which no downgrade has dropped" in listener.notes


def test_a_history_that_expects_tables_does_not_start_at_base_by_itself(history: Build) -> None:
    """The first revision of the history is empty, because the tables existed before the history."""
    database = history(Script("a1"), COLUMN)
    database.execute("CREATE TABLE t (id INTEGER)", "CREATE TABLE theirs (id INTEGER)")
    before = database.state()

    with pytest.raises(Unrecorded) as error:
        database.workflow.upgrade()
    assert error.value.tables == ("t",)
    assert database.state() == before
    assert database.workflow.upgrade(from_base=True).after == ("b2",)


def test_where_several_revisions_fit_all_are_named(history: Build) -> None:
    database = history(TABLES, COLUMN, CENTS)
    database.execute(*THERE)

    with pytest.raises(Unrecorded) as error:
        database.workflow.upgrade()
    assert error.value.fits == ("b2", "c3")


def test_plain_alembic_stops_too_and_goes_on_as_the_error_says(
    history: Build, config_file: ConfigFile, run: Run
) -> None:
    database = history(TABLES, COLUMN, CENTS)
    database.execute(*THERE)
    alembic = ["alembic", "-c", database.project.ini]
    environment = {"ANTAREST_CONF": str(config_file(database.url)), "PYTHONPATH": str(ROOT)}

    stopped = run(*alembic, "upgrade", "head", env=environment)
    assert (stopped.code, "error db.E706" in stopped.err) == (1, True)
    assert run(*alembic, "stamp", "b2", env=environment).code == 0
    assert run(*alembic, "upgrade", "head", env=environment).code == 0
    assert database.value("SELECT price FROM t") == 50000


def test_a_history_that_is_meant_to_meet_tables_runs_when_it_is_said(history: Build) -> None:
    meets = Script("a1", upgrade='sql("CREATE TABLE IF NOT EXISTS t (id INTEGER, price INTEGER)")')
    database = history(meets, CENTS)
    database.execute(*THERE)

    with pytest.raises(Unrecorded):
        database.workflow.upgrade()
    database.workflow.upgrade(from_base=True)

    assert database.value("SELECT price FROM t") == 50000


def test_tables_of_others_do_not_stop_an_upgrade(history: Build) -> None:
    database = history(TABLES, COLUMN)
    database.execute("CREATE TABLE theirs (id INTEGER)")

    database.workflow.upgrade()

    assert database.workflow.current() == ("b2",)


def test_a_version_table_in_another_schema_is_found(tmp_path: Path, postgres_database: URL) -> None:
    database = Database(postgres_database, write_project(tmp_path / "project", TABLES, COLUMN))
    database.execute(
        "CREATE SCHEMA theirs",
        "CREATE TABLE theirs.alembic_version AS SELECT 'c0ffee' AS version_num",
        "CREATE SCHEMA ours",
        "CREATE TABLE ours.alembic_version AS SELECT 'a1' AS version_num",
    )

    with pytest.raises(Unrecorded) as error:
        database.workflow.upgrade()
    assert error.value.hints[0].command == "version_table_schema = ours"
    assert database.workflow.status().recorded_elsewhere == {"ours": ("a1",)}


def test_each_tenant_has_a_schema_with_a_history_of_its_own(tmp_path: Path, postgres_database: URL) -> None:
    project = write_project(tmp_path / "project", TABLES, COLUMN)
    hints, statuses = [], []
    for tenant in ("first", "second", "third"):
        there = Database(postgres_database.update_query_dict({"options": f"-csearch_path={tenant}"}), project)
        there.execute(f"CREATE SCHEMA {tenant}")
        if tenant != "first":
            with pytest.raises(Unrecorded) as error:
                there.workflow.upgrade()
            hints.append([hint.command for hint in error.value.hints])
            assert "as for tenants" in error.value.hints[-1].text

        assert there.workflow.upgrade(from_base=True).after == ("b2",)
        statuses.append(there.workflow.status())

    assert hints == [["version_table_schema = first", "inv db.upgrade --from-base"], ["inv db.upgrade --from-base"]]
    assert [each.schema for each in statuses] == ["first", "second", "third"]
    assert [[*each.recorded_elsewhere] for each in statuses] == [[], ["first"], ["first", "second"]]
    shown = results.status(statuses[-1], "", "", "")
    assert "current        b2 (head) in schema third\n" in shown
    assert "not shown      the schemas first (at b2), second (at b2)" in shown


def test_two_revisions_of_which_one_includes_the_other_are_refused(history: Build) -> None:
    database = history(TABLES, COLUMN, CENTS)
    database.workflow.upgrade(to="b2")
    database.execute("INSERT INTO alembic_version VALUES ('a1')")
    before = database.state()

    for change in (
        database.workflow.upgrade,
        lambda: database.workflow.upgrade(to="b2"),  # Nothing is pending, and the rows are wrong.
        database.workflow.plan_rollback,
        lambda: database.workflow.plan_rollback(to="a1"),
    ):
        with pytest.raises(RowsOverlap, match="revision b2, and a1, which is below it"):
            change()
    assert database.state() == before


def test_a_rollback_names_the_tables_that_its_downgrades_leave_behind(history: Build) -> None:
    database = history(TABLES, Script("b2", upgrade='sql("CREATE TABLE left_alone (id INTEGER)")'))
    listener = Notes()
    workflow = database.workflow_with(listener)
    workflow.upgrade()

    workflow.rollback(workflow.plan_rollback(), Agreement())
    assert [note for note in listener.notes if "left_alone" in note] == [
        "left behind: left_alone, which no downgrade has dropped"
    ]
    workflow.rollback(workflow.plan_rollback(), Agreement())
    with pytest.raises(Unrecorded, match="is not empty"):
        workflow.upgrade()
