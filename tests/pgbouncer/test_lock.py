"""One run at a time through PgBouncer, whose transaction mode may give each transaction another connection."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_INTERRUPTED, EXIT_LOCKED
from tests.pgbouncer.conftest import Start, Through, refused
from tests.pgbouncer.test_left_behind import assert_nothing_is_left
from tests.support.programs.runs import API, GATE, SLEEPING
from tests.support.projects.histories import Script
from tests.support.servers.bouncer import Bouncer, Mode
from tests.support.servers.roles import connected

COUNTED = (
    Script("first", upgrade='sql("CREATE TABLE log (what INTEGER)", "INSERT INTO log VALUES (1)")'),
    Script("second", upgrade=f'{GATE}sql("INSERT INTO log VALUES (2)")'),
    Script("third", upgrade='sql("INSERT INTO log VALUES (3)")'),
)
SLEEPS = Script("sleeps", upgrade=f'{GATE}sql("SELECT pg_sleep(600)")')


# ---- exclusive


def test_a_lock_of_the_session_would_be_granted_twice(start: Start) -> None:
    """This shows that the next test works: both clients get the same connection, and the lock of this connection."""
    behind = start(mode="transaction")
    with connected(behind.url) as one, connected(behind.url) as other:
        for client in (one, other):
            assert client.exec_driver_sql("SELECT pg_try_advisory_lock(1)").scalar() is True
            client.rollback()


def test_the_lock_is_not_granted_twice(start: Start, through: Through, mode: Mode) -> None:
    here = through(start(mode=mode), *COUNTED)
    holder = here.started()

    for command in (
        ("python", "-m", "antarest.migration", "upgrade", "--lock-timeout=1"),
        ("alembic", "-x", "lock-timeout=1", "upgrade", "head"),
    ):
        error = refused(here.start(*command), "db.E402", EXIT_LOCKED)
        assert f"antarest-migration {holder.pid}@" in error.details["held by"]

    here.open()
    assert holder.end().code == EXIT_DONE
    assert here.database.value("SELECT count(*) FROM log") == 3


@pytest.mark.parametrize("settings", [{}, {"default_pool_size": 3}, {"default_pool_size": 2}], ids=["20", "3", "2"])
def test_of_many_that_start_at_once_one_migrates(start: Start, through: Through, settings: dict[str, Any]) -> None:
    behind = start(**settings)
    here = through(behind, *COUNTED)
    here.open()
    commands = [
        ("inv", "db.upgrade"),
        ("alembic", "upgrade", "head"),
        ("python", "-m", "antarest.migration", "upgrade"),
        ("python", "-c", API),
    ]
    results = [run.end() for run in [here.start(*command) for command in commands * 2]]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    assert here.database.value("SELECT count(*) FROM log") == 3
    assert here.database.workflow.current() == ("third",)
    assert_nothing_is_left(behind)


def test_of_many_that_start_at_once_one_migrates_in_session_mode(start: Start, through: Through) -> None:
    here = through(start(mode="session"), *COUNTED)
    here.open()

    results = [run.end() for run in [here.module("upgrade") for _ in range(6)]]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    assert here.database.value("SELECT count(*) FROM log") == 3


# ---- killed, interrupted


def test_the_lock_of_a_killed_run_is_gone_with_it(start: Start, through: Through, mode: Mode) -> None:
    behind = start(mode=mode)
    here = through(behind, *COUNTED)
    here.started().process.send_signal(signal.SIGKILL)
    here.open()

    assert here.module("upgrade", "--lock-timeout=30").end().code == EXIT_DONE
    assert here.database.value("SELECT count(*) FROM log") == 3
    assert_nothing_is_left(behind)


def test_the_server_ends_the_statement_of_a_killed_run(start: Start, through: Through) -> None:
    behind = start()
    here = through(behind, SLEEPS)
    run = here.started()
    here.open()
    here.wait_for(lambda: direct(behind, SLEEPING) == 1)
    run.process.send_signal(signal.SIGKILL)

    here.wait_for(lambda: direct(behind, SLEEPING) == 0)
    assert here.database.workflow.current() == ()


def test_a_run_is_interrupted_in_a_long_statement(start: Start, through: Through) -> None:
    behind = start()
    here = through(behind, SLEEPS)
    run = here.started()
    here.open()
    here.wait_for(lambda: direct(behind, SLEEPING) == 1)
    run.process.send_signal(signal.SIGINT)

    assert run.end().code == EXIT_INTERRUPTED
    here.wait_for(lambda: direct(behind, SLEEPING) == 0)
    assert here.database.workflow.current() == ()
    assert_nothing_is_left(behind)


def direct(behind: Bouncer, query: str) -> object:
    """Return the first value of a query that does not go through PgBouncer."""
    with connected(behind.direct) as connection:
        return connection.exec_driver_sql(query).scalar()
