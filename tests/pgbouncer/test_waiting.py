"""Waiting through PgBouncer: for locked tables, for long statements, and for a connection of a small pool."""

from __future__ import annotations

import signal

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED, EXIT_UNREACHABLE
from tests.pgbouncer.conftest import Start, Through, refused
from tests.pgbouncer.test_left_behind import assert_nothing_is_left
from tests.pgbouncer.test_lock import COUNTED
from tests.support.projects.histories import STUDY_TABLES, Script
from tests.support.servers.bouncer import Mode
from tests.support.servers.roles import connected

ALTERS = Script("alters", upgrade='op.add_column("study", sa.Column("note", sa.String(50)))')


def test_a_table_that_somebody_holds_is_given_up(start: Start, through: Through, mode: Mode) -> None:
    behind = start(mode=mode)
    here = through(behind, STUDY_TABLES, ALTERS, lock_timeout=1, lock_retries=1)
    here.database.workflow.upgrade("tables")
    with connected(behind.direct) as somebody:
        somebody.exec_driver_sql("SET application_name = 'somebody'")
        somebody.exec_driver_sql("SELECT * FROM study")

        error = refused(here.module("upgrade"), "db.E404", EXIT_LOCKED)

        assert "somebody" in error.details["blocked by"]
    assert here.module("upgrade").end().code == EXIT_DONE
    assert_nothing_is_left(behind)


def test_a_statement_that_takes_too_long_is_ended(start: Start, through: Through, mode: Mode) -> None:
    behind = start(mode=mode)
    here = through(behind, Script("sleeps", upgrade='sql("SELECT pg_sleep(600)")'), statement_timeout=1)

    error = refused(here.module("upgrade"), "db.E601", EXIT_FAILED)

    assert "statement timeout" in error.fact
    assert_nothing_is_left(behind)


# ---- small pools


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("command", ["inv db.upgrade", "alembic upgrade head"])
def test_two_connections_are_enough(start: Start, through: Through, size: int, command: str) -> None:
    here = through(start(default_pool_size=size), *COUNTED)
    here.open()

    done = here.start(*command.split()).end()

    assert done.code == EXIT_DONE, done.err
    assert here.database.workflow.current() == ("third",)


@pytest.mark.parametrize("command", ["inv db.upgrade --lock-timeout=3", "alembic -x lock-timeout=3 upgrade head"])
def test_one_connection_is_not_and_the_error_says_so(start: Start, through: Through, mode: Mode, command: str) -> None:
    """PgBouncer would let it wait for two minutes, and then answer only "query_wait_timeout"."""
    here = through(start(mode=mode, default_pool_size=1), *COUNTED, connect_timeout=3)
    here.open()

    error = refused(here.start(*command.split()), "db.E302", EXIT_UNREACHABLE)

    assert error.details["reason"] == "no answer within 3 s"
    assert "raise its pool size" in error.hints[0][0]
    assert here.database.workflow.current() == ()


def test_who_waits_in_the_pool_of_another_run_waits_no_longer_than_it_may(start: Start, through: Through) -> None:
    here = through(start(default_pool_size=2), *COUNTED, connect_timeout=2)
    holder = here.started()

    refused(here.module("upgrade", "--lock-timeout=2"), "db.E302", EXIT_UNREACHABLE)

    here.open()
    assert holder.end().code == EXIT_DONE


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_for_a_connection_can_be_stopped(start: Start, through: Through, signum: signal.Signals) -> None:
    """No statement runs on the server that could be cancelled."""
    behind = start(default_pool_size=1)
    here = through(behind, *COUNTED, connect_timeout=600)
    here.open()
    run = here.module("upgrade", "--lock-timeout=600")
    here.wait_for(lambda: any(pool["cl_waiting"] for pool in behind.show("POOLS")))
    run.process.send_signal(signum)

    assert run.end().code == 128 + signum
    assert here.database.workflow.current() == ()


# ---- CREATE INDEX CONCURRENTLY

OTHER = Script("other", upgrade='sql("CREATE TABLE other AS SELECT generate_series(1, 1000) AS id")')
INDEXES = Script(
    "indexes",
    transaction="none",
    upgrade="""
        with op.get_context().autocommit_block():
            sql("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_other ON other (id)")
    """,
)


def test_somebody_builds_an_index_meanwhile(start: Start, through: Through) -> None:
    """Runs that hold the lock or wait for it have no snapshot, for which the build of the index would wait."""
    behind = start()
    here = through(behind, OTHER, *COUNTED)
    here.database.workflow.upgrade("other")
    here.started()
    waiting = here.module("upgrade")
    assert waiting.process.stdout
    assert any(line.startswith("waiting for ") for line in waiting.process.stdout)

    with connected(behind.direct) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("SET statement_timeout = '30s'")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_other ON other (id)")
    here.open()
    assert [run.end().code for run in here.runs] == [EXIT_DONE, EXIT_DONE]


def test_a_revision_builds_one_while_others_wait(start: Start, through: Through) -> None:
    behind = start()
    here = through(behind, OTHER, INDEXES)
    here.database.workflow.upgrade("other")

    results = [run.end() for run in [here.module("upgrade") for _ in range(4)]]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_other'::regclass"
    assert here.database.value(valid) is True
    assert_nothing_is_left(behind)


def test_a_revision_builds_one_where_the_role_has_timeouts(start: Start, through: Through) -> None:
    """The timeouts are off in the block, which may take hours. Later users of the connection have them again."""
    behind = start()
    with connected(behind.direct) as connection:
        for name in ("lock_timeout", "statement_timeout"):
            connection.exec_driver_sql(f"ALTER DATABASE \"{behind.direct.database}\" SET {name} = '17s'")
        connection.commit()
    here = through(behind, OTHER, INDEXES)

    done = here.module("upgrade").end()

    assert done.code == EXIT_DONE, done.err
    assert_nothing_is_left(behind)
