"""Ctrl-C and SIGTERM: a run stops at once even in a long statement, rolls back, and says so."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.database.signals import Stopped, stoppable
from antarest.migration.errors.base import NOTHING_CHANGED
from tests.support.checks.refusals import parse
from tests.support.programs.runs import GATE, SLEEPING, Run, Runner, Start, session
from tests.support.projects.histories import Script

# The statement never ends. The revision passes the gate before it, so that the test knows that it runs.
ENDLESS = f"""
{GATE}
endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
sql("CREATE TABLE half (id INTEGER)", "SELECT pg_sleep(6000)" if is_postgresql() else endless)
"""
FIRST = Script("first", upgrade='op.create_table("t", sa.Column("id", sa.Integer))')
HISTORY = (FIRST, Script("endless", upgrade=ENDLESS))

COMMANDS = {
    "inv": ("inv", "db.upgrade"),
    "module": ("python", "-m", "antarest.migration", "upgrade"),
    "alembic": ("alembic", "upgrade", "head"),
}
CODES = {signal.SIGINT: ("db.E606", 130), signal.SIGTERM: ("db.E607", 143)}


def in_statement(here: Runner, command: tuple[str, ...]) -> Run:
    """Start a command, and wait until its last statement runs."""
    run = here.start(*command)
    here.wait_for(here.at_gate.exists)
    here.open()
    here.wait_for(lambda: _is_busy(here, run))
    return run


def _is_busy(here: Runner, run: Run) -> bool:
    if here.database.url.get_backend_name() == "postgresql":
        return here.database.value(SLEEPING) == 1
    with open(f"/proc/{run.pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - a path of the system
        ticks = int(stat.read().rpartition(")")[2].split()[11])
    run.ticks = run.ticks or ticks
    return ticks > run.ticks + 30  # The statement computes, and the revision does not wait at the gate any more.


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_run_is_stopped_in_the_middle_of_a_statement(
    runner: Start, empty_database: URL, command: tuple[str, ...], number: signal.Signals
) -> None:
    here = runner(empty_database, *HISTORY)
    here.database.workflow.upgrade("first")
    before = here.database.state()
    run = in_statement(here, command)

    run.process.send_signal(number)

    ended = run.end()
    error = parse(ended.err[ended.err.index("error ") :])
    assert (error.code, ended.code) == CODES[number]
    assert error.state == f"{NOTHING_CHANGED} The run was rolled back; the database is still at first."
    assert here.database.state() == before


def test_what_ran_before_in_the_same_run_is_undone_and_counted(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *HISTORY)
    run = in_statement(here, COMMANDS["module"])

    run.process.send_signal(signal.SIGTERM)

    assert "the database is still at base. 1 revision was undone with it." in run.end().err
    assert here.database.workflow.current() == ()


def test_who_waits_for_the_lock_is_stopped_too(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *HISTORY)
    here.started()
    waiting = here.module("upgrade", "--lock-timeout=6000")
    waiting.says("waiting for")

    waiting.process.send_signal(signal.SIGTERM)

    ended = waiting.end()
    assert ended.code == 143
    assert NOTHING_CHANGED in ended.err


def test_who_only_looks_yet_is_stopped_in_the_same_words(runner: Start, sqlite_database: URL) -> None:
    """The signal comes before there is a plan, and so before any lock."""
    here = runner(sqlite_database, *HISTORY, busy_timeout=100)
    here.database.workflow.upgrade("first")
    with session(sqlite_database, "BEGIN EXCLUSIVE"):
        run = here.module("upgrade")
        run.says("database ")

        run.process.send_signal(signal.SIGTERM)
        ended = run.end()

    assert ended.code == 143
    assert "interrupted: what was not committed was rolled back" in ended.err


LOST = """
import os, signal, weakref

sent = []

def terminate(_):
    if sent:
        return
    sent.append(True)
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(100):
        pass

if is_postgresql():
    thing = type("Thing", (), {})()
    reference = weakref.ref(thing, terminate)
    del thing
else:
    op.get_bind().connection.dbapi_connection.set_trace_callback(terminate)
sql("CREATE TABLE half (id INTEGER)")
"""


@pytest.mark.parametrize("command", [COMMANDS["module"], COMMANDS["alembic"]], ids=["module", "alembic"])
def test_a_signal_is_heeded_that_came_where_exceptions_are_ignored(
    runner: Start, empty_database: URL, command: tuple[str, ...]
) -> None:
    here = runner(empty_database, FIRST, Script("lost", upgrade=LOST))
    here.database.workflow.upgrade("first")
    before = here.database.state()

    ended = here.start(*command).end()

    assert ended.code == 143, ended.err
    assert f"{NOTHING_CHANGED} The run was rolled back; the database is still at first." in ended.err
    assert here.database.state() == before


CLOSING = """
import os, signal

dialect = op.get_bind().dialect
close = dialect.do_close

def interrupted(connection):
    os.kill(os.getpid(), signal.SIGTERM)
    close(connection)

dialect.do_close = interrupted
sql({0!r})
"""


@pytest.mark.parametrize(("last", "current"), [("SELECT no such thing", "first"), ("SELECT 1", "closing")])
def test_a_signal_is_heeded_that_came_while_the_connection_was_closed(
    runner: Start, empty_database: URL, last: str, current: str
) -> None:
    """The run has failed or was committed. SQLAlchemy would only log that it could not close the connection."""
    here = runner(empty_database, FIRST, Script("closing", upgrade=CLOSING.format(last)))
    here.database.workflow.upgrade("first")

    ended = here.module("upgrade").end()

    assert ended.code == 143, ended.err
    assert parse(ended.err).code == "db.E607"
    assert here.database.workflow.current() == (current,)


PROGRAM = """
import os, signal, sys, threading, time
from antarest.core.config import load_config
from antarest.core.persistence import create_db_engine
from antarest.migration.errors.facts.run import RunTerminated
from antarest.migration.project.project import Project
from antarest.migration.workflow import MigrationWorkflow

heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
config = load_config()
slow = "SELECT pg_sleep(3)" if config.db.url.get_backend_name() == "postgresql" else (
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 5000000) SELECT count(*) FROM c")
done = []
def work():
    with create_db_engine(config.db).connect() as connection:
        connection.exec_driver_sql(slow)
        done.append(True)
thread = threading.Thread(target=work)
thread.start()
try:
    MigrationWorkflow.from_config(config, Project.load("alembic.ini")).upgrade()
except RunTerminated as error:
    print(error.state)
assert heard == [signal.SIGTERM], heard
thread.join()
assert done == [True], done
print("the application goes on")
"""


def test_an_application_hears_of_the_signal_and_its_threads_do_not(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *HISTORY)
    run = in_statement(here, ("python", "-c", PROGRAM))

    run.process.send_signal(signal.SIGTERM)

    ended = run.end()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(NOTHING_CHANGED)
    assert ended.out.endswith("the application goes on\n")


# ---- what the run does with signals


@contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_commit_is_not_interrupted_and_the_signal_is_served_after_it() -> None:
    committed = False

    def commit() -> None:
        nonlocal committed
        with stoppable() as signals:
            signals.hold()
            os.kill(os.getpid(), signal.SIGINT)
            committed = True
            signals.release()

    with pytest.raises(Stopped) as stopped:
        commit()
    assert committed
    assert stopped.value.exit_code == 130


def test_an_error_that_an_interruption_led_to_is_not_what_is_reported() -> None:
    def fail() -> None:
        with stoppable():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                raise ValueError("the cursor is closed")

    with pytest.raises(Stopped):
        fail()


def test_handlers_are_as_they_were_afterwards() -> None:
    before = [signal.getsignal(number) for number in CODES]

    with stoppable():
        assert [signal.getsignal(number) for number in CODES] != before

    assert [signal.getsignal(number) for number in CODES] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_an_ignored_signal_stays_ignored() -> None:
    """A program that `nohup` or a shell in the background has started ignores the signal."""
    with handled(signal.SIGINT, signal.SIG_IGN), stoppable() as signals:
        os.kill(os.getpid(), signal.SIGINT)

    assert signals.received is None


def test_a_run_in_another_thread_leaves_signals_alone() -> None:
    found: list[Any] = []

    def run() -> None:
        with stoppable():
            found.extend(signal.getsignal(number) for number in CODES)

    before = [signal.getsignal(number) for number in CODES]
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert found == before
