"""Other sessions write while a run is under way (PostgreSQL): what they have committed is counted, or it stays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import LossNotConfirmed, LossNotDeclared
from antarest.migration.errors.revision import HEAD
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.testing import NewDatabase
from tests import database as own
from tests.support_histories import Database, Script, write_project
from tests.support_runs import LOCKS, Runner, session

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
    """A database that refused runs leave as it is."""
    with scratch_database("postgresql", postgres) as url:
        yield url


@contextmanager
def open_while_it_waits(url: URL, statement: str) -> Iterator[Any]:
    """Run a statement in another session, and commit it while the run of the block waits for its locks."""
    with ThreadPoolExecutor(1) as pool, session(url, statement) as other, session(url) as looks:
        looks.autocommit = True

        def is_waiting() -> bool:
            cursor = looks.cursor()
            cursor.execute(WAITS)
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
    assert here.query(values) == [rows]
    assert rows[0] > 0
