"""Other sessions write during a run (PostgreSQL): what they commit is counted, or it stays."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import LossNotConfirmed, LossNotDeclared
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.revision import HEAD
from antarest.migration.losses import guard
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.testing import NewDatabase
from tests.integration.conftest import Build
from tests.support.data import database as own
from tests.support.programs.runs import LOCKS, Runner, Start, refused, session
from tests.support.projects.histories import Database, Notes, Script, write_project

TABLES = Script(
    "tables",
    upgrade="""sql(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, stats TEXT)",
        "CREATE TABLE log (job INTEGER REFERENCES job, text TEXT)",
        "CREATE SCHEMA old",
        "CREATE TABLE old.job (id INTEGER)",
        "INSERT INTO job VALUES (1, NULL), (2, NULL)",
        "CREATE FUNCTION drop_made_up() RETURNS void LANGUAGE plpgsql AS "
        "'BEGIN EXECUTE ''DROP TABLE '' || ''lo'' || ''g''; END'",
    )""",
)
WAITS = f"{LOCKS} AND NOT granted AND mode = 'AccessExclusiveLock'"
ROWS = "INSERT INTO log SELECT 1, 'x' FROM generate_series(1, 100)"
VALUES = "UPDATE job SET stats = 'x'"

TAKEN = {
    "an empty table": ('op.drop_table("log")', ROWS, {"log": 100}),
    "a column of NULL": ('op.drop_column("job", "stats")', VALUES, {"job.stats": 2}),
    "TRUNCATE": ('sql("TRUNCATE job CASCADE")', ROWS, {"job": 2, "log": 100}),
    "TYPE ... USING": ('sql("ALTER TABLE job ALTER stats TYPE INT USING NULL")', VALUES, {"job.stats": 2}),
    "CASCADE": ('sql("DROP SCHEMA old CASCADE")', "INSERT INTO old.job VALUES (1), (2)", {"old.job": 2}),
    "several statements": ('sql("SELECT 1; DROP TABLE log")', ROWS, {"log": 100}),
    "a block with made-up names": ("sql(\"DO $$BEGIN EXECUTE 'DROP TABLE lo' || 'g'; END$$\")", ROWS, {"log": 100}),
    "a function with made-up names": ('sql("SELECT drop_made_up()")', ROWS, {"log": 100}),
}


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[URL]:
    """A database that refused runs do not change."""
    with scratch_database("postgresql", postgres) as url:
        yield url


@contextmanager
def open_while_it_waits(url: URL, statement: str, waits: str = WAITS) -> Iterator[Any]:
    """Run a statement in another session, and commit it while the run in the block waits for its locks."""
    with ThreadPoolExecutor(1) as pool, session(url, statement) as other, session(url) as looks:
        looks.autocommit = True

        def is_waiting() -> bool:
            cursor = looks.cursor()
            cursor.execute(waits)
            return bool(cursor.fetchone()[0])

        def commit() -> None:
            Runner.wait_for(is_waiting)
            other.commit()

        done = pool.submit(commit)
        yield
        done.result()


@pytest.mark.parametrize("claim", TAKEN)
def test_what_is_committed_while_a_statement_waits_is_counted(database: URL, tmp_path: Path, claim: str) -> None:
    upgrade, writes, losses = TAKEN[claim]
    here = Database(database, write_project(tmp_path, TABLES, Script("takes", upgrade=upgrade)))
    here.workflow.upgrade("tables")
    here.execute("TRUNCATE log, old.job", "UPDATE job SET stats = NULL")

    with open_while_it_waits(database, writes), pytest.raises(LossNotDeclared) as error:
        here.workflow.upgrade()

    assert {loss.item: loss.count for loss in error.value.losses} == losses


GATE = """
import pathlib, time
pathlib.Path({0!r}).touch()
while not pathlib.Path({1!r}).exists():
    time.sleep(0.01)
"""


COPY = Script(
    "moves",
    upgrade="""
        sql("CREATE TABLE new (LIKE log)", "INSERT INTO new SELECT * FROM log")
        exec({gate!r})
        sql("DROP TABLE log", "ALTER TABLE new RENAME TO log")
    """,
)
COPIES = {
    "a copy, a drop and a rename": (
        COPY,
        ("INSERT INTO log VALUES (1, 'late')", "UPDATE log SET text = 'late' WHERE job = 2"),
        ("SELECT text FROM log ORDER BY text", ["late", "late", "x"]),
    ),
    "a copy of rows that are deleted then": (
        COPY,
        ("DELETE FROM log WHERE job = 2",),
        ("SELECT text FROM log ORDER BY text", ["x"]),
    ),
    "move_column and a drop": (
        Script(
            "moves",
            upgrade="""
                op.add_column("log", sa.Column("stats", sa.Text))
                op.move_column("job.stats", "log.stats", on={{"id": "job"}}, key="job")
                exec({gate!r})
                op.drop_column("job", "stats")
            """,
            moves={"job.stats": "log.stats"},
        ),
        ("UPDATE job SET stats = 'late' WHERE id = 1",),
        ("SELECT stats FROM log ORDER BY stats", ["b", "late"]),
    ),
    "values that others take": (
        Script("moves", upgrade="sql(\"UPDATE job SET stats = 'x' WHERE id = 2\"); exec({gate!r})"),
        ("UPDATE job SET stats = NULL WHERE id = 1",),
        ("SELECT stats FROM job ORDER BY id", [None, "x"]),
    ),
}


def test_a_table_that_the_role_may_drop_and_not_lock_loses_an_unknown_number(database: URL, tmp_path: Path) -> None:
    """The owner of a schema may drop its objects, but has no other right on them."""
    statements = ("CREATE ROLE {0}", "ALTER SCHEMA old OWNER TO {0}", "GRANT SELECT ON old.job TO {0}", "SET ROLE {0}")
    role = f"owner_{secrets.token_hex(4)}"
    as_owner = [*(each.format(role) for each in statements), "DROP TABLE old.job", "RESET ROLE"]
    here = Database(database, write_project(tmp_path, TABLES, Script("drop", upgrade=f"sql(*{as_owner!r})")))
    here.workflow.upgrade("tables")

    with pytest.raises(LossNotDeclared) as error:
        here.workflow.upgrade()

    assert [(loss.item, loss.count) for loss in error.value.losses] == [("old.job", None)]


@pytest.mark.parametrize("claim", COPIES)
def test_what_others_commit_after_a_copy_is_not_lost_and_no_loss(
    postgres_database: URL, tmp_path: Path, claim: str
) -> None:
    """The run finds the new rows before its commit. Its next try locks the table before its first statement."""
    script, writes, (query, expected) = COPIES[claim]
    copied, gate = tmp_path / "copied", tmp_path / "gate"
    script = replace(script, upgrade=script.upgrade.format(gate=GATE.format(str(copied), str(gate))))
    here = Database(postgres_database, write_project(tmp_path / "project", TABLES, script))
    here.workflow.upgrade("tables")
    here.execute("UPDATE job SET stats = chr(96 + id)", "INSERT INTO log VALUES (1, 'x'), (2, 'y')")
    notes = Notes()

    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(here.workflow_with(notes).upgrade)
        Runner.wait_for(lambda: copied.exists() or upgrade.done())
        here.execute(*writes)
        gate.touch()
        upgrade.result()

    with here.connect() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == expected
    assert len(notes.notes) == 1
    assert notes.notes[0].startswith("other sessions wrote to ")


def test_a_rollback_of_our_own_history_loses_nothing_that_its_plan_does_not_show(new_database: NewDatabase) -> None:
    """The plan shows an empty column. Another session fills it before the rollback can lock the table."""
    here = own.Database(new_database("postgresql", HEAD, with_rows=True))
    here.execute("UPDATE job_result SET solver_stats = NULL")
    values = "SELECT count(solver_stats) FROM job_result"
    plan = here.workflow.plan_rollback()
    assert not plan.losses
    fills = "UPDATE job_result SET solver_stats = 'x'"

    with open_while_it_waits(here.url, fills), pytest.raises(LossNotConfirmed) as error:
        here.workflow.rollback(plan, plan.agreement)

    (rows,) = here.query("SELECT count(*) FROM job_result")
    assert [(loss.item, loss.count) for loss in error.value.losses] == [("job_result.solver_stats", rows[0])]
    assert error.value.details["loses"].endswith("; the plan showed 0 values")
    assert here.query(values) == [rows]
    assert rows[0] > 0


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE a, b",),
        ("DROP TABLE a", "DROP TABLE b"),
        ("DROP TABLE a", "ALTER TABLE b ADD COLUMN n INTEGER", "DROP TABLE b"),
    ],
)
def test_no_other_session_is_the_victim_of_a_deadlock(
    postgres_database: URL, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    """The other session holds the second table when the run has the first one. Then it asks for the first table."""
    tables = Script("tables", upgrade='sql("CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)")')
    lossy = {"upgrade": {"a": "old", "b": "old"}}
    drops = Script("drops", upgrade=f"sql(*{statements!r})", lossy=lossy)
    here = Database(postgres_database, write_project(tmp_path, tables, drops))
    here.workflow.upgrade("tables")

    with ThreadPoolExecutor(1) as pool, session(postgres_database, "INSERT INTO b VALUES (1)") as other:
        upgrade = pool.submit(here.workflow.upgrade)
        Runner.wait_for(lambda: here.value(WAITS))
        time.sleep(1.2)  # longer than deadlock_timeout: then the server checks the session that began to wait last
        other.cursor().execute("INSERT INTO a VALUES (1)")
        other.commit()
        lost = upgrade.result().losses

    assert {loss.item: loss.count for loss in lost} == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("statement", "uses"),
    [
        ("ALTER SEQUENCE number INCREMENT 2", "SELECT nextval('number')"),
        ("CREATE OR REPLACE VIEW one AS SELECT 2 AS n", "SELECT n FROM one"),
    ],
)
def test_nor_of_one_with_a_sequence_or_a_view(
    postgres_database: URL, tmp_path: Path, statement: str, uses: str
) -> None:
    """The other session holds the table that the run needs, and asks for the sequence or view that the run changed."""
    made = ("CREATE TABLE b (id INTEGER)", "CREATE SEQUENCE number", "CREATE VIEW one AS SELECT 1 AS n")
    tables = Script("tables", upgrade=f"sql(*{made!r})")
    drops = Script("drops", upgrade=f"sql({statement!r}, 'DROP TABLE b')", lossy={"upgrade": {"b": "old"}})
    here = Database(postgres_database, write_project(tmp_path, tables, drops))
    here.workflow.upgrade("tables")

    with ThreadPoolExecutor(1) as pool, session(postgres_database, "INSERT INTO b VALUES (1)") as other:
        upgrade = pool.submit(here.workflow.upgrade)
        Runner.wait_for(lambda: here.value(WAITS))
        time.sleep(1.2)  # longer than deadlock_timeout
        other.cursor().execute(uses)
        other.commit()
        lost = upgrade.result().losses

    assert {loss.item: loss.count for loss in lost} == {"b": 1}


def test_the_holder_of_a_table_that_is_not_waited_for_is_named(runner: Start, postgres_database: URL) -> None:
    tables = Script("tables", upgrade='sql("CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)")')
    here = runner(
        postgres_database, tables, Script("drops", upgrade='sql("DROP TABLE a", "DROP TABLE b")'), lock_retries=0
    )
    here.database.workflow.upgrade("tables")

    with ThreadPoolExecutor(1) as pool, session(postgres_database, "SELECT * FROM b"):
        run = here.module("upgrade")
        here.wait_for(lambda: here.database.value(f"{LOCKS} AND mode = 'AccessExclusiveLock'"))
        waits = pool.submit(here.database.execute, "INSERT INTO a VALUES (1)")  # behind the run
        error = refused(run, "db.E404")
        waits.result()

    assert ", somebody, " in error.details["blocked by"]


def test_a_table_with_a_made_up_name_is_locked_first_by_the_next_try(postgres_database: URL, tmp_path: Path) -> None:
    """The run has already locked another table when it learns the name. Therefore it does not wait."""
    tables = Script("tables", upgrade='sql("CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)")')
    block = "sql(\"DROP TABLE a\", \"DO $$BEGIN EXECUTE 'DROP TABLE ' || 'b'; END$$\")"
    drops = Script("drops", upgrade=block, lossy={"upgrade": {"a": "old", "b": "old"}})
    here = Database(postgres_database, write_project(tmp_path, tables, drops))
    here.workflow.upgrade("tables")
    notes = Notes()

    with ThreadPoolExecutor(1) as pool, session(postgres_database, "INSERT INTO b VALUES (1)") as other:
        upgrade = pool.submit(here.workflow_with(notes).upgrade)
        Runner.wait_for(lambda: notes.notes)
        Runner.wait_for(lambda: here.value(f"{WAITS} AND relation = 'b'::regclass") == 1)
        other.commit()
        lost = upgrade.result().losses

    assert {loss.item: loss.count for loss in lost} == {"b": 1}
    assert sum("cannot get a lock" in note for note in notes.notes) == 1


def test_a_note_says_that_others_wait_for_a_long_count(postgres_filled: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_LONG", 0.0)
    drop = Script("drop", upgrade='op.drop_table("study_tag")', lossy={"upgrade": {"study_tag": "old"}})
    notes = Notes()

    postgres_filled(drop).workflow_with(notes).upgrade()

    assert notes.notes == [
        "counted study_tag in 0.0 s, and other sessions had to wait for it",
        "lost study_tag: 4 rows (old)",
    ]


def test_an_agreement_is_to_the_numbers_that_the_plan_showed(postgres_database: URL, tmp_path: Path) -> None:
    lossy = {"downgrade": {"log": "made by this revision"}}
    made = Script("made", upgrade='sql("CREATE TABLE log (text TEXT)")', downgrade='op.drop_table("log")', lossy=lossy)
    here = Database(postgres_database, write_project(tmp_path, Script("first"), made))
    here.workflow.upgrade()
    here.execute("INSERT INTO log VALUES ('x'), ('y')")
    plan = here.workflow.plan_rollback()
    rows = "INSERT INTO log SELECT 'z' FROM generate_series(1, 100)"

    with open_while_it_waits(postgres_database, rows), pytest.raises(LossNotConfirmed) as error:
        here.workflow.rollback(plan, plan.agreement)
    assert error.value.message == "the rollback would lose more than its plan showed"
    assert error.value.details["loses"] == "log: 102 rows (made by this revision); the plan showed 2 rows"
    assert here.value("SELECT count(*) FROM log") == 102

    with open_while_it_waits(postgres_database, rows):
        lost = here.workflow.rollback(plan, Agreement(everything=True)).losses
    assert [(loss.item, loss.count) for loss in lost] == [("log", 202)]
