"""Revisions that leave their transaction: they can run again, and a failure leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, inspect

from antarest.migration.errors.base import EXIT_DONE, NOTHING_CHANGED
from antarest.migration.errors.facts.loss import LossNotDeclared
from antarest.migration.errors.facts.run import AutocommitNotAsked, RevisionFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.workflow.plan import RollbackPlan
from tests.support.programs.runs import GATE, Runner, Start, session
from tests.support.projects.histories import Database, Script, write_project

Build = Callable[..., Database]

TABLE = Script(
    "one",
    upgrade='sql("CREATE TABLE one (id INTEGER)", "INSERT INTO one VALUES (1)")',
    downgrade='op.drop_table("one")',
    lossy={"downgrade": {"one": "new"}},
)

INDEX = """
with op.get_context().autocommit_block():
    op.create_index("ix_study_name", "study", ["name"], postgresql_concurrently=True, if_not_exists=True)
"""
DROP = """
with op.get_context().autocommit_block():
    op.drop_index("ix_study_name", postgresql_concurrently=True, if_exists=True)
"""
CONCURRENT = Script("none", upgrade=INDEX, downgrade=DROP, transaction="none")
VALID = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix_study_name') AND indisvalid"


def index_count(database: Database) -> object:
    if database.url.get_backend_name() == "sqlite":
        return database.value("SELECT count(*) FROM sqlite_master WHERE name = 'ix_study_name'")
    return database.value(VALID)


def test_an_index_is_built_concurrently_between_other_revisions(filled: Build) -> None:
    database = filled(TABLE, CONCURRENT, Script("three"))

    assert len(database.workflow.upgrade().steps) == 3
    assert index_count(database) == 1

    workflow = database.workflow
    workflow.rollback(RollbackPlan(workflow.current(), "one", ()), Agreement())
    assert index_count(database) == 0


def test_a_block_that_is_not_asked_for_is_refused_before_anything_runs(filled: Build) -> None:
    database = filled(TABLE, Script("block", upgrade=INDEX))

    with pytest.raises(AutocommitNotAsked) as error:
        database.workflow.upgrade()

    assert error.value.state == NOTHING_CHANGED
    assert error.value.hints[0].command == 'transaction = "none"'
    assert database.workflow.current() == ("tables",)


def test_a_block_that_nobody_saw_in_the_file_is_refused_when_it_begins(postgres_filled: Build) -> None:
    hidden = 'with getattr(op.get_context(), "autocommit_" + "block")(): sql("DELETE FROM study_tag")'
    database = postgres_filled(TABLE, Script("block", upgrade=hidden))
    before = database.state()

    with pytest.raises(RevisionFailed, match='does not say transaction = "none"'):
        database.workflow.upgrade()
    assert database.state() == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (INDEX.replace(", if_not_exists=True", ""), "cannot be run again"),
        (INDEX.replace("op.create_index", 'sql("DELETE FROM study_tag"); op.create_index'), "cannot be run again"),
        ('sql("CREATE TABLE early (id INTEGER)")' + INDEX, "changes something before its autocommit_block"),
    ],
    ids=["an index without IF NOT EXISTS", "a DELETE in the block", "a table before the block"],
)
def test_what_could_not_be_run_again_is_refused(postgres_filled: Build, body: str, reason: str) -> None:
    database = postgres_filled(TABLE, Script("none", upgrade=body, transaction="none"))

    with pytest.raises(RevisionFailed, match=reason) as error:
        database.workflow.upgrade()

    assert error.value.state.startswith("Stopped at one: 1 of 2 revisions ")
    assert database.value("SELECT count(*) FROM study_tag") == 4
    assert "early" not in inspect(create_engine(database.url, poolclass=NullPool)).get_table_names()


def test_a_loss_beside_a_block_is_refused_too(postgres_filled: Build) -> None:
    loss = Script("none", upgrade=INDEX + 'sql("DELETE FROM study_tag")', transaction="none")
    database = postgres_filled(loss)

    with pytest.raises(LossNotDeclared):
        database.workflow.upgrade()

    assert database.workflow.current() == ("tables",)
    assert database.value("SELECT count(*) FROM study_tag") == 4


def test_a_loss_before_a_block_is_refused_before_it_is_committed(postgres_database: URL, tmp_path: Path) -> None:
    """The first revision runs in a database that already has tables. Its version table was written before the block."""
    loss = Script("none", upgrade='sql("DELETE FROM study")' + INDEX, transaction="none")
    database = Database(postgres_database, write_project(tmp_path / "project", loss))
    database.execute("CREATE TABLE study (id INTEGER, name TEXT)", "INSERT INTO study VALUES (1, 'a')")

    with pytest.raises(LossNotDeclared):
        database.workflow.upgrade(from_base=True)

    assert database.value("SELECT count(*) FROM study") == 1


UNIQUE = INDEX.replace('["name"], ', '["name"], unique=True, ')


def test_a_build_that_fails_leaves_no_index_behind(postgres_filled: Build) -> None:
    database = postgres_filled(
        Script("none", upgrade=UNIQUE, transaction="none"), before=("INSERT INTO study VALUES (9, 'a')",)
    )
    before = database.state()

    with pytest.raises(RevisionFailed, match="could not create unique index"):
        database.workflow.upgrade()
    assert database.state() == before

    database.execute("DELETE FROM study WHERE id = 9")
    database.workflow.upgrade()
    assert database.value(VALID) == 1


def test_what_stays_of_a_revision_that_failed_outside_of_its_transaction_is_said(postgres_filled: Build) -> None:
    """What stays does not prevent the next run of the revision."""
    another = '    op.create_index("ix_path", "study", ["path"], postgresql_concurrently=True, if_not_exists=True)'
    first, block, build = UNIQUE.split("\n")[:3]
    database = postgres_filled(
        Script("none", upgrade=f"{first}\n{block}\n{another}\n{build}", transaction="none"),
        before=("INSERT INTO study VALUES (9, 'a')",),
    )

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()

    assert error.value.state == (
        "Stopped at tables: 0 of 1 revisions were committed; "
        "what none did outside of its transaction stays, and must be safe to run again."
    )
    database.execute("DELETE FROM study WHERE id = 9")
    assert [revision.id for revision, _, _ in database.workflow.upgrade().steps] == ["none"]


@pytest.fixture
def killed(runner: Start, postgres_database: URL) -> Callable[[str], Runner]:
    """Kill a run, and return its database: `killed(body of the revision)`."""

    def build(body: str) -> Runner:
        here = runner(postgres_database, TABLE, Script("none", upgrade=body, transaction="none"))
        here.database.workflow.upgrade("one")
        run = here.started()
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
        here.open()
        return here

    return build


def test_a_run_that_was_killed_in_a_block_is_run_again(killed: Callable[[str], Runner]) -> None:
    body = INDEX.replace("study", "one").replace('"name"', '"id"')
    here = killed(f"{body}    exec({GATE!r})\n")
    assert here.database.workflow.current() == ("one",)

    assert here.module("upgrade").end().code == EXIT_DONE
    assert here.database.value(VALID.replace("study_name", "one_name")) == 1


def test_an_index_that_a_killed_build_has_left_is_filled_anew(postgres_filled: Build) -> None:
    """It is built again as soon as no other session can be building it."""
    database = postgres_filled(CONCURRENT)
    database.execute("INSERT INTO study VALUES (9, 'a')")
    with session(database.url) as other:
        other.autocommit = True
        with pytest.raises(Exception, match="could not create unique index"):
            other.cursor().execute("CREATE UNIQUE INDEX CONCURRENTLY ix_study_name ON study (name)")
    assert database.value(VALID) == 0

    database.workflow.upgrade()

    assert database.value(VALID) == 1
    assert "UNIQUE" not in str(database.value("SELECT pg_get_indexdef('ix_study_name'::regclass)"))


def test_an_index_that_is_still_being_filled_is_waited_for(runner: Start, postgres_database: URL) -> None:
    body = INDEX.replace("study", "one").replace('"name"', '"id"')
    here = runner(postgres_database, TABLE, Script("none", upgrade=body, transaction="none"))
    here.database.workflow.upgrade("one")
    with session(postgres_database, "INSERT INTO one VALUES (2)"):  # the build has to wait for this transaction
        build = here.start("python", "-c", BUILD, postgres_database.render_as_string(hide_password=False))
        here.wait_for(lambda: here.database.value("SELECT to_regclass('ix_one_name')"))
        run = here.module("upgrade")
        run.says("which is building ix_one_name")

    assert build.end().code == EXIT_DONE
    assert run.end().code == EXIT_DONE
    assert here.database.value(VALID.replace("study_name", "one_name")) == 1


BUILD = """
import sys, sqlalchemy
engine = sqlalchemy.create_engine(sys.argv[1], isolation_level="AUTOCOMMIT")
engine.connect().exec_driver_sql("CREATE INDEX CONCURRENTLY ix_one_name ON one (id)")
"""


def test_the_limits_of_the_server_do_not_end_a_build(runner: Start, postgres_database: URL) -> None:
    """The build has to wait for the transactions of all other sessions."""
    body = INDEX.replace("study", "one").replace('"name"', '"id"')
    here = runner(postgres_database, TABLE, Script("none", upgrade=body, transaction="none"), statement_timeout=1)
    here.database.workflow.upgrade("one")
    setting = f'ALTER DATABASE "{postgres_database.database}" SET'
    here.database.execute(*(f"{setting} {what}_timeout = '500ms'" for what in ("lock", "statement")))
    with session(postgres_database, "SET statement_timeout = 0", "INSERT INTO one VALUES (2)") as other:
        run = here.module("upgrade")
        here.wait_for(lambda: here.database.value("SELECT to_regclass('ix_one_name')"))
        other.cursor().execute("SELECT pg_sleep(2)")
        other.commit()

    ended = run.end()
    assert ended.code == EXIT_DONE, ended.err
