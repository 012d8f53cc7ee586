"""Segments: what is committed on its own, because a revision asks for it; each of them is all or nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, inspect

from antarest.core.errors import EXIT_DONE, EXIT_FAILED, NOTHING_CHANGED
from antarest.migration.errors import (
    AutocommitNotAsked,
    LossNotDeclared,
    MigrationError,
    NotRecorded,
    RevisionFailed,
)
from antarest.migration.loss import Agreement
from antarest.migration.move import Move
from antarest.migration.plan import RollbackPlan
from tests.support_histories import Database, Script, write_project
from tests.support_runs import GATE, Runner, Start, refused, session

Build = Callable[..., Database]


def makes(name: str, transaction: str = "") -> Script:
    """A revision that makes a table with one row."""
    return Script(
        name,
        upgrade=f'sql("CREATE TABLE {name} (id INTEGER)", "INSERT INTO {name} VALUES (1)")',
        downgrade=f'op.drop_table("{name}")',
        lossy={"downgrade": {name: "new"}},
        transaction=transaction,
    )


def tables(database: Database) -> set[str]:
    """The tables that it has."""
    with database.connect() as connection:
        return set(inspect(connection).get_table_names())


BROKEN = Script("broken", upgrade='sql("CREATE TABLE half (id INTEGER)", "SELECT * FROM nowhere")')


# ---- transaction = "own"


def test_a_segment_that_fails_leaves_what_was_committed_before_it(filled: Build) -> None:
    database = filled(makes("one"), makes("two", transaction="own"), makes("three"), BROKEN, makes("five"))

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()

    assert (error.value.revision, error.value.statement) == ("broken", "SELECT * FROM nowhere")
    assert "nowhere" in error.value.reason
    assert error.value.exit_code == EXIT_FAILED
    assert error.value.state == "Stopped at two: 2 of 5 revisions were applied."
    assert database.workflow.current() == ("two",)
    assert [database.value(f"SELECT count(*) FROM {name}") for name in ("one", "two")] == [1, 1]
    assert {"three", "half"} & tables(database) == set()


def test_what_failed_runs_again_from_there(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), Script("two", upgrade='sql("INSERT INTO missing VALUES (1)")'))
    with pytest.raises(RevisionFailed):
        database.workflow.upgrade()
    database.execute("CREATE TABLE missing (id INTEGER)")

    move = database.workflow.upgrade()

    assert [revision.id for revision, _, _ in move.steps] == ["two"]


def test_a_rollback_has_segments_too(filled: Build) -> None:
    stuck = Script("two", downgrade='sql("SELECT * FROM nowhere")')
    database = filled(makes("one"), stuck, makes("three", transaction="own"), makes("four"))
    database.workflow.upgrade()

    with pytest.raises(RevisionFailed) as error:
        database.workflow.rollback(*all_the_way(database, "tables"))

    assert error.value.state == "Stopped at two: 2 of 4 revisions were rolled back."
    assert database.workflow.current() == ("two",)


def all_the_way(database: Database, to: str) -> tuple[RollbackPlan, Agreement]:
    """A rollback, whatever it loses; without a plan, which takes longer than the run."""
    return RollbackPlan(database.workflow.current(), to, ()), Agreement(everything=True)


def test_a_loss_that_is_not_declared_ends_the_run_at_its_segment(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), Script("loss", upgrade='sql("DELETE FROM study_tag")'))

    with pytest.raises(LossNotDeclared) as error:
        database.workflow.upgrade()

    assert error.value.state == "Stopped at one: 1 of 2 revisions was applied."
    assert database.value("SELECT count(*) FROM study_tag") == 4


def test_many_that_start_at_once_run_each_segment_once(runner: Start, empty_database: URL) -> None:
    """On SQLite another one can come in between two segments: then it goes on where the first one stopped."""
    log = 'sql("INSERT INTO log VALUES ({})")'
    scripts = [Script("s0", upgrade='sql("CREATE TABLE log (what INTEGER)")')]
    scripts += [Script(f"s{n}", upgrade=log.format(n), transaction="own" if n % 2 else "") for n in range(1, 8)]
    here = runner(empty_database, *scripts)
    results = [run.end() for run in [here.module("upgrade") for _ in range(5)]]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    assert here.database.value("SELECT count(*) FROM log") == 7
    assert here.database.value("SELECT sum(what) FROM log") == 28


def test_a_reset_has_segments_too(filled: Build) -> None:
    database = filled(makes("one"), makes("two", transaction="own"), makes("three"))
    database.workflow.upgrade()

    move = database.workflow.reset(database.workflow.plan_reset())

    assert len(move.steps) == 4
    assert database.value("SELECT count(*) FROM two") == 1
    assert database.value("SELECT count(*) FROM study") == 0


def test_a_new_label_of_an_enum_is_used_by_the_next_revision(postgres_database: URL, tmp_path: Path) -> None:
    """What a transaction adds to an enum it cannot use: so it is committed in between."""
    add = Script("add", upgrade="sql(\"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'soso'\")", transaction="own")
    use = Script("use", upgrade="sql(\"INSERT INTO person VALUES ('soso')\")")
    make = Script("make", upgrade="sql(\"CREATE TYPE mood AS ENUM ('ok')\", 'CREATE TABLE person (mood mood)')")
    database = Database(postgres_database, write_project(tmp_path / "own", make, add, use))

    database.workflow.upgrade()

    assert database.value("SELECT count(*) FROM person") == 1


# ---- transaction = "none"

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


def test_an_index_is_filled_concurrently_between_other_revisions(filled: Build) -> None:
    database = filled(makes("one"), CONCURRENT, makes("three"))

    assert len(database.workflow.upgrade().steps) == 3
    assert index_count(database) == 1

    database.workflow.rollback(*all_the_way(database, "one"))
    assert index_count(database) == 0


def test_a_block_that_is_not_asked_for_is_refused_before_anything_runs(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), Script("block", upgrade=INDEX))

    with pytest.raises(AutocommitNotAsked) as error:
        database.workflow.upgrade()

    assert error.value.state == NOTHING_CHANGED
    assert error.value.hints[0].command == 'transaction = "none"'
    assert database.workflow.current() == ("tables",)


def test_a_block_that_nobody_saw_in_the_file_is_refused_when_it_begins(postgres_filled: Build) -> None:
    hidden = 'with getattr(op.get_context(), "autocommit_" + "block")(): sql("DELETE FROM study_tag")'
    database = postgres_filled(makes("one"), Script("block", upgrade=hidden))
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
    database = postgres_filled(makes("one"), Script("none", upgrade=body, transaction="none"))

    with pytest.raises(RevisionFailed, match=reason) as error:
        database.workflow.upgrade()

    assert error.value.state == "Stopped at one: 1 of 2 revisions was applied."
    assert database.value("SELECT count(*) FROM study_tag") == 4
    assert "early" not in tables(database)


def test_a_loss_beside_a_block_is_refused_too(postgres_filled: Build) -> None:
    loss = Script("none", upgrade=INDEX + 'sql("DELETE FROM study_tag")', transaction="none")
    database = postgres_filled(loss)

    with pytest.raises(LossNotDeclared):
        database.workflow.upgrade()

    assert database.workflow.current() == ("tables",)
    assert database.value("SELECT count(*) FROM study_tag") == 4


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


@pytest.fixture
def killed(runner: Start, postgres_database: URL) -> Callable[[str], Runner]:
    """A database on which a run was killed: `killed(body of the revision)`."""

    def build(body: str) -> Runner:
        here = runner(postgres_database, makes("one"), Script("none", upgrade=body, transaction="none"))
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
    """Only once nobody can be building it any more."""
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
    here = runner(postgres_database, makes("one"), Script("none", upgrade=body, transaction="none"))
    here.database.workflow.upgrade("one")
    with session(postgres_database, "INSERT INTO one VALUES (2)"):  # for which a build has to wait
        build = here.start("python", "-c", BUILD, postgres_database.render_as_string(hide_password=False))
        here.wait_for(lambda: here.database.value("SELECT to_regclass('ix_one_name')"))
        run = here.module("upgrade")
        assert run.process.stdout
        assert any("which is building ix_one_name" in line for line in run.process.stdout)

    assert build.end().code == EXIT_DONE
    assert run.end().code == EXIT_DONE
    assert here.database.value(VALID.replace("study_name", "one_name")) == 1


BUILD = """
import sys, sqlalchemy
engine = sqlalchemy.create_engine(sys.argv[1], isolation_level="AUTOCOMMIT")
engine.connect().exec_driver_sql("CREATE INDEX CONCURRENTLY ix_one_name ON one (id)")
"""


def test_the_limits_of_the_server_do_not_end_a_build(runner: Start, postgres_database: URL) -> None:
    """It has to wait for everybody's transactions."""
    body = INDEX.replace("study", "one").replace('"name"', '"id"')
    here = runner(
        postgres_database, makes("one"), Script("none", upgrade=body, transaction="none"), statement_timeout=1
    )
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


# ---- under the lock, before anything is changed


def test_what_comes_before_a_change_comes_once_and_under_the_lock(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), makes("two"))
    seen: list[tuple[object, ...]] = []

    def before_change(move: Move) -> None:
        seen.append((move.before, move.total, database.workflow.current()))

    workflow = database.workflow
    for _ in range(2):
        workflow._run(lambda command, config: command.upgrade(config, "head"), before_change=before_change)

    assert seen == [(("tables",), 2, ("tables",))]


def test_what_fails_before_a_change_ends_the_run(filled: Build) -> None:
    class NoSpace(MigrationError):
        pass

    def before_change(_move: Move) -> None:
        raise NoSpace("no space left")

    database = filled(makes("one"))
    before = database.state()

    with pytest.raises(NoSpace):
        database.workflow._run(lambda command, config: command.upgrade(config, "head"), before_change=before_change)
    assert database.state() == before


# ---- success is what a second connection sees


def test_a_commit_that_does_not_do_what_it_should_is_noticed(postgres_filled: Build) -> None:
    undo = """
        sql("CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN UPDATE alembic_version SET version_num = 'tables'; RETURN NULL; END $$",
            "CREATE CONSTRAINT TRIGGER undo AFTER UPDATE ON alembic_version DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW WHEN (NEW.version_num <> 'tables') EXECUTE FUNCTION undo()")
    """
    database = postgres_filled(Script("undone", upgrade=undo))

    with pytest.raises(NotRecorded) as error:
        database.workflow.upgrade()

    assert (error.value.expected, error.value.found) == ("undone", "tables")


def test_a_script_of_sql_has_boundaries_where_a_revision_asks_for_one(runner: Start, postgres_database: URL) -> None:
    one, two = (Script(name, upgrade=f'op.create_table("{name}")') for name in ("one", "two"))
    here = runner(postgres_database, one, replace(two, transaction="own"))

    script = here.start("alembic", "upgrade", "head", "--sql").end()

    assert script.code == EXIT_DONE
    assert script.out.count("BEGIN;") == script.out.count("COMMIT;") == 2


def test_an_error_says_what_was_committed(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, makes("one"), makes("two", transaction="own"), BROKEN)

    error = refused(here.module("upgrade"), "db.E601", EXIT_FAILED)

    assert error.state == "Stopped at two: 2 of 3 revisions were applied."
    assert error.details["statement"] == "SELECT * FROM nowhere"
