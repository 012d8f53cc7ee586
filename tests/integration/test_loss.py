"""No row is lost that no revision declares: whole runs, as the workflow and as plain Alembic do them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL

from antarest.migration import ledger_sqlite, tally
from antarest.migration.connection import moving
from antarest.migration.errors import (
    ForeignKeysViolated,
    LossNotConfirmed,
    LossNotDeclared,
    RevisionFailed,
)
from antarest.migration.loss import Agreement, Loss
from antarest.migration.move import Silence
from tests.support import ROOT, ConfigFile, Run
from tests.support_histories import Database, Script, write_project

Build = Callable[..., Database]

TABLES = Script(
    "tables",
    upgrade="""
        op.create_table(
            "study",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(50)),
            sa.Column("path", sa.String(50)),
        )
        op.create_table(
            "study_tag",
            sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id", name="fk_study_tag", ondelete="CASCADE")),
            sa.Column("label", sa.String(50)),
        )
    """,
    downgrade='op.drop_table("study_tag"); op.drop_table("study")',
    lossy={"downgrade": {"study": "created by this revision", "study_tag": "created by this revision"}},
)
ROWS = (
    "INSERT INTO study VALUES (1, 'a', '/a'), (2, 'b', '/b'), (3, 'c', NULL)",
    "INSERT INTO study_tag VALUES (1, 'x'), (1, 'y'), (2, 'x'), (3, 'z')",
)


@pytest.fixture
def filled(tmp_path: Path, empty_database: URL) -> Build:
    """A database with `TABLES` and `ROWS`, and these revisions still pending: `filled(*scripts)`."""

    def build(*scripts: Script, before: tuple[str, ...] = ()) -> Database:
        database = Database(empty_database, write_project(tmp_path / "project", TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*ROWS, *before)
        return database

    return build


def counts(losses: tuple[Loss, ...] | list[Loss]) -> list[tuple[str, str, int | None]]:
    return [(loss.revision, loss.item, loss.count) for loss in losses]


def refused(database: Database) -> list[tuple[str, str, int | None]]:
    """Upgrade, which is refused and changes nothing; the losses that it names."""
    before = database.state()
    with pytest.raises(LossNotDeclared) as error:
        database.workflow.upgrade()
    assert database.state() == before
    assert "Nothing was changed." in error.value.state
    return counts(error.value.losses)


class Notes(Silence):
    """Keeps what a user would be told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


LOSSES = {
    "a table": ('op.drop_table("study_tag")', {"study_tag": 4}),
    "a column": ('with op.batch_alter_table("study") as batch: batch.drop_column("path")', {"study.path": 2}),
    "rows": ("sql(\"DELETE FROM study_tag WHERE label = 'x'\")", {"study_tag": 2}),
    "values": ('sql("UPDATE study SET path = NULL")', {"study.path": 2}),
    "a table, by a cursor": (
        'op.get_bind().connection.cursor().execute("DROP TABLE study_tag")',
        {"study_tag": 4},
    ),
    "several": ('op.drop_table("study_tag"); sql("DELETE FROM study")', {"study": 3, "study_tag": 4}),
}


@pytest.mark.parametrize("claim", LOSSES)
def test_an_upgrade_refuses_what_is_not_declared(filled: Build, claim: str) -> None:
    upgrade, losses = LOSSES[claim]
    database = filled(Script("lossy", upgrade=upgrade))

    assert refused(database) == [("lossy", item, count) for item, count in losses.items()]


@pytest.mark.parametrize("claim", LOSSES)
def test_an_upgrade_names_what_is_declared(filled: Build, claim: str) -> None:
    upgrade, losses = LOSSES[claim]
    database = filled(Script("lossy", upgrade=upgrade, lossy={"upgrade": dict.fromkeys(losses, "no longer used")}))
    listener = Notes()
    move = database.workflow_with(listener).upgrade()

    assert {loss.item: loss.count for loss in move.losses} == losses
    assert listener.notes == [f"lost {loss.item}: {loss.amount} (no longer used)" for loss in move.losses]
    assert database.workflow.current() == ("lossy",)


def test_only_what_is_named_is_declared(filled: Build) -> None:
    """Neither another table, nor a column of the table, nor the other direction."""
    database = filled(
        Script(
            "lossy",
            upgrade='op.drop_table("study_tag"); sql("DELETE FROM study WHERE id = 3", "UPDATE study SET path = NULL")',
            lossy={"upgrade": {"study": "old"}, "downgrade": {"study_tag": "old", "study.path": "old"}},
        )
    )

    assert refused(database) == [("lossy", "study.path", 2), ("lossy", "study_tag", 4)]


# ---- several revisions in one run


def test_what_one_revision_moves_the_next_one_cannot_drop(filled: Build) -> None:
    database = filled(
        Script(
            "move",
            upgrade="""
                op.create_table("label", sa.Column("study_id", sa.Integer), sa.Column("label", sa.String(50)))
                sql("INSERT INTO label SELECT study_id, label FROM study_tag")
                op.drop_table("study_tag")
            """,
            moves={"study_tag": "label"},
        ),
        Script("drop", upgrade='op.drop_table("label")'),
    )

    assert refused(database) == [("drop", "label", 4)]


def test_each_revision_answers_for_its_own_losses(filled: Build) -> None:
    database = filled(
        Script("rename", upgrade='op.rename_table("study_tag", "label")'),
        Script("declared", upgrade='sql("DELETE FROM label WHERE study_id = 1")', lossy={"upgrade": {"label": "old"}}),
        Script("insert", upgrade="sql(\"INSERT INTO label VALUES (2, 'n'), (2, 'n')\")"),
        Script("undeclared", upgrade='sql("DELETE FROM label WHERE study_id = 2")'),
        Script("drop", upgrade='op.drop_table("label")'),
    )

    assert refused(database) == [("undeclared", "label", 3), ("drop", "label", 1)]


def test_what_a_run_makes_and_drops_itself_is_no_loss(filled: Build) -> None:
    helper = """
        op.create_table("helper", sa.Column("id", sa.Integer))
        sql("INSERT INTO helper SELECT id FROM study", "DELETE FROM helper WHERE id = 1")
        op.drop_table("helper")
    """
    database = filled(Script("one", upgrade=helper), Script("two", upgrade=helper))

    assert database.workflow.upgrade().losses == []


def test_a_table_of_another_application_is_protected_and_otherwise_left_alone(filled: Build) -> None:
    other = ('CREATE TABLE "Other.app" (id INTEGER, study INTEGER)', 'INSERT INTO "Other.app" VALUES (1, 1), (2, NULL)')
    database = filled(
        Script("ours", upgrade='op.drop_table("study_tag")', lossy={"upgrade": {"study_tag": "old"}}),
        Script("theirs", upgrade='op.drop_table("Other.app")'),
        before=other,
    )

    assert refused(database) == [("theirs", "Other.app", 2)]
    assert counts(database.workflow.upgrade(to="ours").losses) == [("ours", "study_tag", 4)]
    assert database.value('SELECT count(*) FROM "Other.app"') == 2


# ---- downgrades


DOWN = Script(
    "down",
    downgrade='sql("DELETE FROM study_tag WHERE study_id = 1")',
    lossy={"downgrade": {"study_tag": "only one each"}},
)


def test_a_downgrade_needs_an_agreement(filled: Build) -> None:
    database = filled(DOWN)
    database.workflow.upgrade()
    before = database.state()
    plan = database.workflow.plan_rollback()

    with pytest.raises(LossNotConfirmed) as error:
        database.workflow.rollback(plan, Agreement())
    assert counts(error.value.losses) == [("down", "study_tag", 2)]
    assert database.state() == before
    assert counts(database.workflow.rollback(plan, plan.agreement).losses) == [("down", "study_tag", 2)]


def test_agreeing_to_everything_is_not_agreeing_to_what_no_revision_declares(filled: Build) -> None:
    database = filled(Script("down", downgrade=DOWN.downgrade))
    database.workflow.upgrade()
    before = database.state()
    plan = database.workflow.plan_rollback()

    assert plan.losses == ()
    with pytest.raises(LossNotDeclared) as error:
        database.workflow.rollback(plan, Agreement(everything=True))
    assert counts(error.value.losses) == [("down", "study_tag", 2)]
    assert database.state() == before


def test_plain_alembic_refuses_through_its_commands(
    filled: Build, config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = filled(DOWN)
    monkeypatch.setenv("ANTAREST_CONF", str(config_file(database.url)))
    config = Config(database.project.ini)
    command.upgrade(config, "head")
    before = database.state()

    with pytest.raises(LossNotConfirmed):
        command.downgrade(config, "-1")
    assert database.state() == before


def test_plain_alembic_refuses_as_a_process(filled: Build, config_file: ConfigFile, run: Run) -> None:
    database = filled(DOWN)
    database.workflow.upgrade()
    before = database.state()
    alembic = ["alembic", "-c", database.project.ini]
    environment = {"ANTAREST_CONF": str(config_file(database.url)), "PYTHONPATH": str(ROOT)}

    without = run(*alembic, "downgrade", "-1", env=environment)
    assert (without.code, "error db.E502" in without.err, "study_tag: 2 rows" in without.err) == (1, True, True)
    assert database.state() == before

    agreed = run(*alembic, "-x", "allow-data-loss", "downgrade", "-1", env=environment)
    assert agreed.code == 0, agreed.err
    assert database.workflow.current() == ("tables",)
    assert database.value("SELECT count(*) FROM study_tag") == 2


# ---- all or nothing


@pytest.mark.parametrize(
    "ending",
    [
        'sql("COMMIT")',
        "op.get_bind().commit()",
        "op.get_bind().connection.commit()",
        "with op.get_context().autocommit_block(): sql('SELECT 1')",
        "op.get_bind().connection.rollback()",
    ],
)
def test_a_revision_that_ends_the_transaction_is_refused(filled: Build, ending: str) -> None:
    """Else it would commit a loss that nobody has judged, or its version without its work."""
    database = filled(Script("ends", upgrade=f'sql("DELETE FROM study_tag")\n{ending}'))
    before = database.state()

    with pytest.raises(RevisionFailed, match="ends the transaction"):
        database.workflow.upgrade()
    assert database.state() == before


def test_a_revision_that_fails_changes_nothing_and_is_named(filled: Build) -> None:
    database = filled(
        Script("good", upgrade='op.create_table("t", sa.Column("id", sa.Integer)); op.drop_column("study", "name")',
               lossy={"upgrade": {"study.name": "old"}}),
        Script("bad", upgrade='op.add_column("study", sa.Column("n", sa.Integer)); sql("SELECT * FROM missing")'),
        Script("never"),
    )  # fmt: skip
    before = database.state()

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()
    assert (error.value.revision, error.value.direction) == ("bad", "upgrade")
    assert "missing" in error.value.reason
    assert "the database is still at tables. 1 revision was undone with it." in error.value.state
    assert database.state() == before


KILLED = Script(
    "killed",
    upgrade="""
        import os
        with op.batch_alter_table("study") as batch:
            batch.add_column(sa.Column("size", sa.Integer, server_default="0", nullable=False))
        sql("UPDATE study SET name = upper(name)")
        if os.environ.get("KILL_UPGRADE"):
            os.kill(os.getpid(), 9)
        op.create_table("later", sa.Column("id", sa.Integer))
    """,
)


def test_a_killed_upgrade_leaves_the_old_state_and_runs_again(filled: Build, config_file: ConfigFile, run: Run) -> None:
    database = filled(Script("first", upgrade='op.create_table("t", sa.Column("id", sa.Integer))'), KILLED)
    before = database.state()
    environment = {"ANTAREST_CONF": str(config_file(database.url)), "PYTHONPATH": str(ROOT), "KILL_UPGRADE": "yes"}

    killed = run("alembic", "-c", database.project.ini, "upgrade", "head", env=environment)
    assert killed.code == -signal.SIGKILL, killed.err
    assert database.state() == before

    database.workflow.upgrade()
    assert database.workflow.current() == ("killed",)
    assert database.value("SELECT name FROM study WHERE id = 1") == "A"
    assert database.value("SELECT size FROM study WHERE id = 1") == 0
    assert database.value("SELECT count(*) FROM later") == 0


# ---- foreign keys, which SQLite does not enforce while it rebuilds


@pytest.fixture
def dangling(tmp_path: Path, sqlite_database: URL) -> Build:
    """As `filled`, on SQLite, with a tag whose study does not exist."""

    def build(*scripts: Script) -> Database:
        database = Database(sqlite_database, write_project(tmp_path / "project", TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*ROWS)
        with moving(database.url) as connection, connection.begin():
            connection.exec_driver_sql("INSERT INTO study_tag VALUES (99, 'dangling')")
        return database

    return build


def test_rows_that_would_refer_to_nothing_are_refused(dangling: Build) -> None:
    database = dangling(
        Script("orphan", upgrade='sql("DELETE FROM study WHERE id = 1")', lossy={"upgrade": {"study": "old"}})
    )
    before = database.state()

    with pytest.raises(ForeignKeysViolated) as error:
        database.workflow.upgrade()
    assert error.value.violations == ("study_tag -> study",)
    assert database.state() == before


def test_rows_that_referred_to_nothing_before_are_not_blamed(dangling: Build) -> None:
    database = dangling(
        Script("rebuild", upgrade='with op.batch_alter_table("study_tag", recreate="always") as batch: pass'),
    )

    database.workflow.upgrade()
    assert database.value("SELECT count(*) FROM study_tag") == 5


# ---- what it costs

DROPPED = Script("dropped", upgrade='op.drop_table("study_tag")')


def scans(database: Database) -> dict[str, int]:
    """How often each table was read from its first row to its last."""
    with database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT relname, seq_scan FROM pg_stat_user_tables")
        return {name: count for name, count in rows}


def test_a_table_that_nobody_touches_is_not_scanned(tmp_path: Path, postgres_database: URL) -> None:
    database = Database(
        postgres_database,
        write_project(
            tmp_path / "project",
            TABLES,
            Script("near", upgrade='sql("CREATE TABLE untouched (id INTEGER)")'),
            Script(
                "far",
                upgrade="""
                    sql("UPDATE study SET path = name", "DELETE FROM study_tag", "ALTER TABLE study DROP COLUMN path")
                    op.rename_table("study_tag", "label")
                    op.add_column("untouched", sa.Column("note", sa.String(50)))
                    op.create_index("ix_label", "label", ["label"])
                """,
                lossy={"upgrade": {"study_tag": "old", "study.path": "old"}},
            ),
        ),
    )
    database.workflow.upgrade(to="near")
    database.execute(*ROWS, "INSERT INTO untouched SELECT generate_series(1, 1000)")
    before = scans(database)

    database.workflow.upgrade()
    after = scans(database)
    assert after["untouched"] == before["untouched"]
    assert after["study"] > before["study"]


def test_an_empty_database_is_not_counted(tmp_path: Path, empty_database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be lost from it, whatever its revisions drop."""
    database = Database(
        empty_database,
        write_project(tmp_path / "project", TABLES, Script("rows", upgrade=f"sql(*{ROWS!r})"), DROPPED),
    )
    counted: list[str] = []
    for module in (tally, ledger_sqlite):
        monkeypatch.setattr(module, "measure", lambda _connection, table, *_: counted.append(table.name))

    assert database.workflow.upgrade().losses == []
    assert counted == []
    assert database.workflow.current() == ("dropped",)
