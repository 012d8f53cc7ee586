"""No row is lost without a declaration of its revision. The tests run the workflow and plain Alembic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config

from antarest.migration.errors.facts.loss import LossNotConfirmed, LossNotDeclared
from antarest.migration.errors.loss import Agreement, Loss
from antarest.migration.project.project import Project
from tests.support.projects.checkouts import ROOT, ConfigFile, Run
from tests.support.projects.histories import Database, Notes, Script

Build = Callable[..., Database]


def counts(losses: tuple[Loss, ...] | list[Loss]) -> list[tuple[str, str, int | None]]:
    return [(loss.revision, loss.item, loss.count) for loss in losses]


def refused(database: Database) -> list[tuple[str, str, int | None]]:
    """Run an upgrade that is refused and changes nothing. Return the losses that the error names."""
    before = database.state()
    with pytest.raises(LossNotDeclared) as error:
        database.workflow.upgrade()
    assert database.state() == before
    assert "Nothing was changed." in error.value.state
    return counts(error.value.losses)


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
    notes = [note for note in listener.notes if not note.startswith("backup")]  # SQLite is always backed up first
    assert notes == [f"lost {loss.item}: {loss.amount} (no longer used)" for loss in move.losses]
    assert database.workflow.current() == ("lossy",)


def test_an_error_asks_for_all_declarations_at_once(filled: Build) -> None:
    statements = "UPDATE study SET path = NULL WHERE id = 1", "DELETE FROM study WHERE id = 2", "DROP TABLE study_tag"
    database = filled(Script("lossy", upgrade=f"sql(*{statements!r})"))
    with pytest.raises(LossNotDeclared) as error:
        database.workflow.upgrade()

    assert error.value.details["loses"] == "study: 1 row; study.path: 1 value; study_tag: 4 rows"
    [hint] = error.value.hints
    file = database.project.history["lossy"].path
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{hint.command}\n", encoding="utf-8")
    assert len(Database(database.url, Project.load(database.project.ini)).workflow.upgrade().losses) == len(statements)


def test_only_what_is_named_is_declared(filled: Build) -> None:
    """The declaration does not permit losses in another table, another column or the other direction."""
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


def test_a_statement_that_was_seen_before_is_seen_again(filled: Build) -> None:
    """The second call has other parameters. The driver of SQLite has already compiled the statement."""
    update = """
        study = sa.table("study", sa.column("id"), sa.column("path"))
        op.execute(study.update().where(study.c.id == {}).values(path=None))
    """
    database = filled(Script("one", upgrade=update.format(1)), Script("two", upgrade=update.format(2)))

    assert refused(database) == [("one", "study.path", 1), ("two", "study.path", 1)]


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
