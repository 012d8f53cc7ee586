"""Segments: parts of a run that are committed alone, because a revision asks for it. Each is all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, inspect

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, MigrationError
from antarest.migration.errors.facts.loss import LossNotDeclared
from antarest.migration.errors.facts.run import NotRecorded, RevisionFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.run.request import RunOutcome, RunRequest
from antarest.migration.workflow.plan import RollbackPlan
from tests.support.programs.runs import GATE, Start, refused
from tests.support.projects.histories import Database, Notes, Script, write_project
from tests.support.servers.roles import execute

Build = Callable[..., Database]


def makes(name: str, transaction: str = "") -> Script:
    """Return a revision that creates a table with one row."""
    return Script(
        name,
        upgrade=f'sql("CREATE TABLE {name} (id INTEGER)", "INSERT INTO {name} VALUES (1)")',
        downgrade=f'op.drop_table("{name}")',
        lossy={"downgrade": {name: "new"}},
        transaction=transaction,
    )


def tables(database: Database) -> set[str]:
    """Return the tables of the database."""
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


def test_what_a_segment_lost_is_named_also_if_a_later_one_fails(filled: Build) -> None:
    drops = Script("drops", upgrade='op.drop_table("one")', lossy={"upgrade": {"one": "old"}})
    database, notes = filled(makes("one"), drops, makes("two", transaction="own"), BROKEN), Notes()

    with pytest.raises(RevisionFailed):
        database.workflow_with(notes).upgrade()

    assert [note for note in notes.notes if note.startswith("lost")] == ["lost one: 1 row (old)"]


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
    """Return the arguments of a rollback with all losses. A real plan would take longer than the run."""
    return RollbackPlan(database.workflow.current(), to, ()), Agreement(everything=True)


def test_a_loss_that_is_not_declared_ends_the_run_at_its_segment(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), Script("loss", upgrade='sql("DELETE FROM study_tag")'))

    with pytest.raises(LossNotDeclared) as error:
        database.workflow.upgrade()

    assert error.value.state == "Stopped at one: 1 of 2 revisions was applied."
    assert database.value("SELECT count(*) FROM study_tag") == 4


def test_many_that_start_at_once_run_each_segment_once(runner: Start, empty_database: URL) -> None:
    """On SQLite another run can begin between two segments. It continues where the first run stopped."""
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

    move = database.workflow.reset(database.workflow.plan_reset(allow_production=True))

    assert len(move.steps) == 4
    assert database.value("SELECT count(*) FROM two") == 1
    assert database.value("SELECT count(*) FROM study") == 0


def test_a_new_label_of_an_enum_is_used_by_the_next_revision(postgres_database: URL, tmp_path: Path) -> None:
    """A transaction cannot use a value that it has added to an enum. So the run commits before the next revision."""
    add = Script("add", upgrade="sql(\"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'soso'\")", transaction="own")
    use = Script("use", upgrade="sql(\"INSERT INTO person VALUES ('soso')\")")
    make = Script("make", upgrade="sql(\"CREATE TYPE mood AS ENUM ('ok')\", 'CREATE TABLE person (mood mood)')")
    database = Database(postgres_database, write_project(tmp_path / "own", make, add, use))

    database.workflow.upgrade()

    assert database.value("SELECT count(*) FROM person") == 1


# ---- under the lock, before anything is changed


def test_what_comes_before_a_change_comes_once_and_under_the_lock(filled: Build) -> None:
    database = filled(makes("one", transaction="own"), makes("two"))
    seen: list[tuple[object, ...]] = []

    def before_change(_request: RunRequest, outcome: RunOutcome, _connection: Connection) -> None:
        seen.append((outcome.before, outcome.total, database.workflow.current()))

    workflow = database.workflow
    request = replace(workflow.request, before_change=before_change)
    for _ in range(2):
        workflow.run(lambda scripts, current: scripts._upgrade_revs("head", current), request)

    assert seen == [(("tables",), 2, ("tables",))]


def test_what_fails_before_a_change_ends_the_run(filled: Build) -> None:
    class NoSpace(MigrationError):
        pass

    def before_change(_request: RunRequest, _outcome: RunOutcome, _connection: Connection) -> None:
        raise NoSpace("no space left")

    database = filled(makes("one"))
    before = database.state()
    request = replace(database.workflow.request, before_change=before_change)

    with pytest.raises(NoSpace):
        database.workflow.run(lambda scripts, current: scripts._upgrade_revs("head", current), request)
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


def test_a_revision_that_somebody_changes_in_the_middle_of_a_run_is_named(
    runner: Start, postgres_database: URL
) -> None:
    one, two, three = (Script(name, upgrade=f'op.create_table("{name}")') for name in ("one", "two", "three"))
    here = runner(postgres_database, one, replace(two, transaction="own"), replace(three, upgrade=GATE))
    here.database.workflow.upgrade("one")
    run = here.started()
    here.database.execute("UPDATE alembic_version SET version_num = 'one'")
    here.open()

    error = refused(run, "db.E602", EXIT_FAILED)

    assert error.fact == "the database should be at two now, and is at one"
    assert error.state.startswith("What was not committed was rolled back.")
    assert here.database.workflow.current() == ("one",)


def test_an_error_of_the_look_at_a_changed_revision_does_not_hide_the_first_error(
    runner: Start, postgres_database: URL
) -> None:
    here = runner(postgres_database, Script("one", upgrade='op.create_table("one")'), Script("two", upgrade=GATE))
    here.database.workflow.upgrade("one")
    run = here.started()
    here.database.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
    name, server = postgres_database.database, postgres_database.set(database="postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    here.open()

    error = refused(run, "db.E601", EXIT_FAILED)

    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    assert "expected to match one row" in error.fact


def test_a_statement_that_somebody_cancels_is_no_fault_of_the_revision(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, Script("one", upgrade='sql("SET statement_timeout = 100", "SELECT pg_sleep(9)")'))

    error = refused(here.module("upgrade"), "db.E601", EXIT_FAILED)

    assert "canceling statement due to statement timeout" in error.fact
    assert "Fix the revision" not in str(error)
    assert "then run it again" in str(error)
    assert here.database.workflow.current() == ()


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
