"""The plan of a rollback: what it names, with counts. The plan locks and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import URL

from antarest.migration.commands.rendering import results
from antarest.migration.database.catalog import count_rows
from antarest.migration.errors.facts.loss import Irreversible, LossNotConfirmed, LossNotDeclared
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.workflow.plan import RollbackPlan
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.histories import Database, Script, write_project, write_script
from tests.support.servers.roles import owner_of

Build = Callable[..., Database]

CREATED = "created by this revision"
STUDY = Script(
    "study",
    upgrade='op.create_table("study", sa.Column("id", sa.Integer), sa.Column("name", sa.String(50)))',
    downgrade='op.drop_table("study")',
    lossy={"downgrade": {"study": CREATED}},
)
PATH = Script(
    "path",
    upgrade='op.add_column("study", sa.Column("path", sa.String(50)))',
    downgrade='op.drop_column("study", "path")',
    lossy={"downgrade": {"study.path": CREATED}},
)
TAG = Script(
    "tag",
    upgrade='op.create_table("tag", sa.Column("label", sa.String(50)))',
    downgrade='op.drop_table("tag")',
    lossy={"downgrade": {"tag": CREATED}},
)


@pytest.fixture
def at_head(tmp_path: Path, empty_database: URL) -> Build:
    """A database at the head of a history, with rows: `at_head(*scripts, rows=[...])`."""

    def build(*scripts: Script, rows: tuple[str, ...] = ()) -> Database:
        database = Database(empty_database, write_project(tmp_path / "project", *scripts))
        database.workflow.upgrade()
        database.execute(*rows)
        return database

    return build


def named(plan: RollbackPlan) -> dict[str, dict[str, int | None]]:
    """Return each revision of a plan with its losses."""
    return {
        step.revision.id: {drop.loss.item: drop.loss.count for drop in step.drops if drop.loses} for step in plan.steps
    }


ROWS = (
    "INSERT INTO study VALUES (1, 'a', '/a'), (2, NULL, '/b'), (3, 'c', NULL)",
    "INSERT INTO tag VALUES ('x'), ('y')",
)


def test_the_counts_are_exact(at_head: Build) -> None:
    database = at_head(STUDY, PATH, TAG, rows=ROWS)
    plan = database.workflow.plan_rollback(to="base")

    assert named(plan) == {"tag": {"tag": 2}, "path": {"study.path": 2}, "study": {"study": 3}}
    assert [loss.amount for loss in plan.losses] == ["2 rows", "2 values", "3 rows"]

    move = database.workflow.rollback(plan, plan.agreement)
    assert [(loss.revision, loss.item, loss.count) for loss in move.losses] == [
        ("tag", "tag", 2),
        ("path", "study.path", 2),
        ("study", "study", 3),
    ]


def test_what_is_empty_is_dropped_and_not_lost(at_head: Build) -> None:
    database = at_head(STUDY, PATH, TAG)
    plan = database.workflow.plan_rollback(to="base")

    assert [drop.loss.item for step in plan.steps for drop in step.drops] == ["tag", "study.path", "study"]
    assert plan.losses == ()
    assert database.workflow.rollback(plan, Agreement()).losses == []


def test_an_undeclared_loss_cannot_be_agreed_to(at_head: Build) -> None:
    undeclared = Script("tag", upgrade=TAG.upgrade, downgrade=TAG.downgrade)
    database = at_head(STUDY, PATH, undeclared, rows=ROWS)
    before = database.state()
    plan = database.workflow.plan_rollback()

    with pytest.raises(LossNotDeclared) as refused:
        database.workflow.rollback(plan, Agreement(everything=True))
    assert [(loss.item, loss.count) for loss in refused.value.losses] == [("tag", 2)]
    assert "NOT DECLARED" in results.plan(plan)
    assert database.state() == before


@pytest.mark.parametrize(
    "late",
    ["INSERT INTO tag VALUES ('late')", "INSERT INTO tag SELECT 'late' FROM study"],
    ids=["one row", "several rows"],
)
def test_rows_that_come_after_the_plan_are_not_agreed_to(at_head: Build, late: str) -> None:
    database = at_head(STUDY, PATH, TAG, rows=ROWS)
    plan = database.workflow.plan_rollback()
    database.execute(late)
    before = database.state()

    with pytest.raises(LossNotConfirmed) as refused:
        database.workflow.rollback(plan, plan.agreement)
    assert [(loss.item, loss.count) for loss in refused.value.losses] == [
        ("tag", database.value("SELECT count(*) FROM tag"))
    ]
    assert database.state() == before


def test_rows_that_come_into_an_empty_table_after_the_plan_are_not_agreed_to(at_head: Build) -> None:
    database = at_head(STUDY, PATH, TAG)
    plan = database.workflow.plan_rollback()
    database.execute("INSERT INTO tag VALUES ('late')")

    with pytest.raises(LossNotConfirmed):
        database.workflow.rollback(plan, plan.agreement)
    assert database.value("SELECT count(*) FROM tag") == 1


def test_fewer_rows_than_planned_are_agreed_to(at_head: Build) -> None:
    database = at_head(STUDY, PATH, TAG, rows=ROWS)
    plan = database.workflow.plan_rollback()
    database.execute("DELETE FROM tag WHERE label = 'x'")

    assert [loss.count for loss in database.workflow.rollback(plan, plan.agreement).losses] == [1]


# ---- through several revisions


def test_follows_a_renamed_table_and_a_renamed_column(at_head: Build) -> None:
    """`moves` is empty, but a rename is recognised on both engines."""
    rename = Script(
        "rename",
        upgrade='sql("ALTER TABLE study RENAME COLUMN path TO place", "ALTER TABLE study RENAME TO work")',
        downgrade='sql("ALTER TABLE work RENAME TO study", "ALTER TABLE study RENAME COLUMN place TO path")',
    )
    database = at_head(STUDY, PATH, rename, rows=("INSERT INTO work VALUES (1, 'a', '/a'), (2, 'b', NULL)",))
    plan = database.workflow.plan_rollback(to="base")

    assert named(plan) == {"rename": {}, "path": {"study.path": 1}, "study": {"study": 2}}
    move = database.workflow.rollback(plan, plan.agreement)
    assert {loss.item: loss.count for loss in move.losses} == {"study.path": 1, "study": 2}


@pytest.mark.parametrize("moves", [{}, {"study.path": "study.place"}])
def test_follows_a_column_that_a_batch_renames(at_head: Build, moves: dict[str, str]) -> None:
    rename = Script(
        "rename",
        upgrade='with op.batch_alter_table("study") as b: b.alter_column("path", new_column_name="place")',
        downgrade='with op.batch_alter_table("study") as b: b.alter_column("place", new_column_name="path")',
        moves=moves,
    )
    database = at_head(STUDY, PATH, rename, rows=("INSERT INTO study VALUES (1, 'a', '/a'), (2, 'b', NULL)",))
    plan = database.workflow.plan_rollback(to="study")

    assert named(plan) == {"rename": {}, "path": {"study.path": 1}}
    assert [loss.count for loss in database.workflow.rollback(plan, plan.agreement).losses] == [1]


def test_follows_values_that_go_back_to_another_table(at_head: Build) -> None:
    move_path = Script(
        "move",
        upgrade="""
            op.add_column("tag", sa.Column("path", sa.String(50)))
            sql("INSERT INTO tag SELECT 'of ' || name, path FROM study WHERE path IS NOT NULL")
            op.drop_column("study", "path")
        """,
        downgrade="""
            op.add_column("study", sa.Column("path", sa.String(50)))
            sql("UPDATE study SET path = (SELECT max(path) FROM tag WHERE label = 'of ' || name)")
            op.drop_column("tag", "path")
        """,
        moves={"study.path": "tag.path"},
    )
    database = at_head(
        STUDY,
        PATH,
        TAG,
        move_path,
        rows=("INSERT INTO study VALUES (1, 'a'), (2, 'b')", "INSERT INTO tag VALUES ('of a', '/a'), ('x', NULL)"),
    )
    plan = database.workflow.plan_rollback(to="study")

    assert named(plan) == {"move": {}, "tag": {"tag": 2}, "path": {"study.path": 1}}
    move = database.workflow.rollback(plan, plan.agreement)
    assert {loss.item: loss.count for loss in move.losses} == {"tag": 2, "study.path": 1}


def test_does_not_know_what_fills_a_table_that_comes_back(at_head: Build) -> None:
    """The downgrade of `drop` creates a table `tag` again, which is not the present one."""
    drop = Script("drop", upgrade='op.drop_table("tag")', downgrade=TAG.upgrade)
    again = Script("again", upgrade=TAG.upgrade, downgrade=TAG.downgrade, lossy=TAG.lossy)
    database = at_head(STUDY, PATH, TAG, drop, again, rows=ROWS)
    plan = database.workflow.plan_rollback(to="path")

    assert named(plan) == {"again": {"tag": 2}, "drop": {}, "tag": {"tag": None}}
    assert "drops table tag (an unknown number of rows)" in results.plan(plan)
    move = database.workflow.rollback(plan, plan.agreement)
    assert [(loss.revision, loss.count) for loss in move.losses] == [("again", 2)]


def test_names_rows_and_values_that_a_downgrade_only_takes_in_part(at_head: Build) -> None:
    clean = Script(
        "clean",
        downgrade='sql("DELETE FROM tag WHERE label = \'x\'", "UPDATE study SET path = NULL WHERE id = 1")',
        lossy={"downgrade": {"tag": "new ones", "study.path": "long ones"}},
    )
    database = at_head(STUDY, PATH, TAG, clean, rows=ROWS)
    plan = database.workflow.plan_rollback()

    assert named(plan) == {"clean": {"tag": 2, "study.path": 2}}
    assert "may lose some of tag, at most 2 rows: new ones" in results.plan(plan)
    move = database.workflow.rollback(plan, plan.agreement)
    assert {loss.item: loss.count for loss in move.losses} == {"tag": 1, "study.path": 1}


def test_plans_both_branches_of_a_merge(at_head: Build) -> None:
    branch = Script("branch", upgrade=TAG.upgrade, downgrade=TAG.downgrade, lossy=TAG.lossy, down="study")
    merge = Script("merge", down=("path", "branch"))
    database = at_head(STUDY, PATH, branch, merge, rows=ROWS)
    plan = database.workflow.plan_rollback()

    assert plan.target == "study"
    assert named(plan) == {"merge": {}, "branch": {"tag": 2}, "path": {"study.path": 2}}
    move = database.workflow.rollback(plan, plan.agreement)
    assert {loss.item: loss.count for loss in move.losses} == {"tag": 2, "study.path": 2}
    assert database.workflow.current() == ("study",)


def test_refuses_a_plan_through_an_irreversible_revision(at_head: Build) -> None:
    database = at_head(STUDY, PATH, Script("hash", irreversible="a hash cannot be undone"), TAG)

    assert [step.revision.id for step in database.workflow.plan_rollback().steps] == ["tag"]
    with pytest.raises(Irreversible, match="a hash cannot be undone") as refused:
        database.workflow.plan_rollback(steps=3)
    assert refused.value.revision == "hash"


# ---- it only looks


def test_planning_changes_nothing_and_waits_for_nobody(at_head: Build) -> None:
    """Another session lets others only read, and its rows are not visible."""
    database = at_head(STUDY, PATH, TAG, rows=ROWS)
    before = database.state()
    with database.connect() as writer:
        if writer.dialect.name == "postgresql":
            writer.exec_driver_sql("LOCK TABLE study, tag IN EXCLUSIVE MODE")
        writer.exec_driver_sql("INSERT INTO tag VALUES ('late')")
        plan = database.workflow.plan_rollback(to="base")
        writer.exec_driver_sql("ALTER TABLE tag ADD COLUMN later INTEGER")
        writer.rollback()

    assert named(plan) == {"tag": {"tag": 2}, "path": {"study.path": 2}, "study": {"study": 3}}
    assert database.state() == before


def test_planning_does_not_create_a_file(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "missing.db"))
    workflow = MigrationWorkflow(write_project(tmp_path / "project", STUDY), DbConfig(url=url))

    assert workflow.plan_rollback(to="base").steps == ()
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_rows_that_the_role_may_not_see_are_not_taken_for_none(tmp_path: Path, postgres_database: URL) -> None:
    with owner_of(postgres_database, "seventeen") as login:
        database = Database(login, write_project(tmp_path / "project", STUDY))
        database.workflow.upgrade()
        database.execute(
            "INSERT INTO study VALUES (1, 'a')",
            "ALTER TABLE study ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE study FORCE ROW LEVEL SECURITY",
        )
        assert database.value("SELECT count(*) FROM study") == 0

        assert named(database.workflow.plan_rollback()) == {"study": {"study": None}}
        with database.connect() as connection, pytest.raises(InsufficientPrivilege, match="row-level security"):
            count_rows(connection, ["study"])


def test_a_history_that_begins_with_tables_of_others_can_be_rolled_back_without_a_plan(at_head: Build) -> None:
    """No scratch database can run the history from its start, so the run itself measures the losses."""
    adds = Script("adds", 'op.add_column("theirs", sa.Column("x", sa.Text))', 'op.drop_column("theirs", "x")')
    database = at_head(STUDY)
    database.execute("CREATE TABLE theirs (id INTEGER)")
    write_script(database.project.versions[0], adds, "study")
    database = Database(database.url, Project.load(database.project.ini))
    database.workflow.upgrade()
    database.execute("INSERT INTO theirs VALUES (1, 'a')")

    plan = database.workflow.plan_rollback()

    assert "the upgrade of revision adds fails on a scratch database" in plan.unknown
    assert "loses no data" not in results.plan(plan)
    with pytest.raises(LossNotDeclared):
        database.workflow.rollback(plan, plan.agreement)
    assert database.value("SELECT x FROM theirs") == "a"
