"""Other sessions lock what a revision changes: the run releases its locks, tries again, and names the other session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import URL

from antarest.migration.database.file_locks import _PENDING, _holding
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, NOTHING_CHANGED
from tests.support.programs.runs import HANGS, LOCKS, Start, refused, session
from tests.support.projects.histories import Script

TABLE = Script("table", upgrade='sql("CREATE TABLE study (id INTEGER)", "INSERT INTO study VALUES (1)")')
LOG = Script("log", upgrade='sql("CREATE TABLE log (id INTEGER)")')
ALTER = Script("alter", upgrade='op.add_column("study", sa.Column("name", sa.String(50)))')


def reads(url: URL) -> tuple[str, ...]:
    """The statements of a session that continues to read. On SQLite it delays a commit, but not an `ALTER`."""
    return ("BEGIN", "SELECT * FROM study") if url.get_backend_name() == "sqlite" else ("SELECT * FROM study",)


def test_a_lock_that_is_not_to_be_had_is_not_waited_for_without_end(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, TABLE, LOG, ALTER, lock_timeout=1, lock_retries=1)
    here.database.workflow.upgrade("table")
    before = here.database.state()
    on_server = empty_database.get_backend_name() == "postgresql"

    with session(empty_database, *reads(empty_database)):
        run = here.module("upgrade")
        error = refused(run, "db.E404")
        shown = run.out

    what = "the upgrade of revision alter" if on_server else "the commit"
    assert error.fact == f"{what} cannot get a lock that it needs, in 2 tries of 1 s"
    assert error.details["blocked by"].startswith("pid ")
    assert not on_server or "somebody" in error.details["blocked by"]
    assert not on_server or "idle in transaction" in error.details["blocked by"]
    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at table.")
    assert shown.count("cannot get a lock (pid ") == 1
    assert here.database.state() == before


def test_it_is_tried_again_until_it_is_had(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, TABLE, LOG, ALTER, lock_timeout=1, lock_retries=50)
    here.database.workflow.upgrade("table")

    with session(empty_database, *reads(empty_database)):
        run = here.module("upgrade")
        run.says("cannot get a lock")

    assert run.end().code == EXIT_DONE
    assert here.database.workflow.current() == ("alter",)
    assert here.database.value("SELECT count(*) FROM log") == 0


def test_readers_are_not_kept_waiting_by_a_run_that_waits(runner: Start, postgres_database: URL) -> None:
    """Otherwise readers would wait behind an ALTER as long as the ALTER itself waits."""
    here = runner(postgres_database, TABLE, ALTER, lock_timeout=1, lock_retries=50)
    here.database.workflow.upgrade("table")
    longest = 0.0

    with session(postgres_database, *reads(postgres_database)), session(postgres_database) as reader:
        reader.autocommit = True
        run = here.module("upgrade")
        for _ in range(2):
            here.wait_for(lambda: here.database.value(f"{LOCKS} AND NOT granted"))
            begin = time.monotonic()
            reader.cursor().execute("SELECT * FROM study")
            longest = max(longest, time.monotonic() - begin)
            here.wait_for(lambda: not here.database.value(f"{LOCKS} AND NOT granted"))

    assert run.end().code == EXIT_DONE
    assert longest < HANGS / 10  # Without a limit, the wait would be as long as that of the run, until the test hangs.


def setting(statement: str) -> str:
    return f'sql("{statement}", "ALTER TABLE study ADD COLUMN name TEXT")'


OWN_LIMITS = {
    "set": (setting("SET lock_timeout = '1500ms'"), " of 1.5 s", "revision own sets it"),
    "set local": (setting("SET LOCAL lock_timeout = '1500ms'"), " of 1.5 s", "revision own sets it"),
    "set_config": (setting("SELECT set_config('lock_timeout', '1500ms', true)"), " of 1.5 s", "revision own sets it"),
    "a block": (setting("DO 'BEGIN SET LOCAL lock_timeout = 1500; END'"), " of 1.5 s", "revision own sets it"),
    "taken back": (
        'sql("SAVEPOINT s", "SET LOCAL lock_timeout = 1500", "ROLLBACK TO s", "LOCK TABLE study")', " of 1 s", ""
    ),
    "the same statement": (
        'sql("SET LOCAL lock_timeout = 20; LOCK TABLE study")', ", the last of 0.", "the statement sets it itself"
    ),
    "nowait": ('sql("LOCK TABLE study NOWAIT")', ", the last of 0.", ""),
}  # fmt: skip


@pytest.mark.parametrize(("upgrade", "time", "setter"), OWN_LIMITS.values(), ids=OWN_LIMITS)
def test_the_limit_that_was_in_force_is_named(
    runner: Start, postgres_database: URL, upgrade: str, time: str, setter: str
) -> None:
    here = runner(postgres_database, TABLE, Script("own", upgrade=upgrade), lock_timeout=1, lock_retries=0)
    here.database.workflow.upgrade("table")

    with session(postgres_database, *reads(postgres_database)):
        error = refused(here.module("upgrade"), "db.E404")

    assert error.fact.startswith(f"the upgrade of revision own cannot get a lock that it needs, in 1 try{time}")
    assert error.details.get("lock_timeout", "") == setter


def test_a_holder_that_was_not_seen_is_not_said_to_have_ended(runner: Start, postgres_database: URL) -> None:
    """The server names only the holders of locks for which somebody waits."""
    nowait = Script("nowait", upgrade='sql("LOCK TABLE study NOWAIT")')
    here = runner(postgres_database, TABLE, nowait, lock_timeout=1, lock_retries=0)
    here.database.workflow.upgrade("table")

    with session(postgres_database, *reads(postgres_database)):
        error = refused(here.module("upgrade"), "db.E404")

    assert error.details["blocked by"] == "a session that was not seen, or has ended since"


def test_a_deadlock_is_tried_again(runner: Start, postgres_database: URL) -> None:
    """The server ends one of the two sessions, and chooses which one."""
    second = Script("second", upgrade='import time\nsql("LOCK TABLE a")\ntime.sleep(1)\nsql("LOCK TABLE b")')
    here = runner(postgres_database, Script("first", upgrade='sql("CREATE TABLE a ()", "CREATE TABLE b ()")'), second,
                  lock_timeout=20)  # fmt: skip
    here.database.workflow.upgrade("first")
    with session(postgres_database, "SET deadlock_timeout = '10min'", "LOCK TABLE b") as other:
        run = here.module("upgrade")
        here.wait_for(lambda: here.database.value(f"{LOCKS} AND relation = 'a'::regclass"))
        other.cursor().execute("LOCK TABLE a")

    ended = run.end()
    assert ended.code == EXIT_DONE, ended.err
    assert "cannot get a lock" in ended.out


def test_a_statement_that_takes_too_long_ends_the_run_where_that_is_wished(
    runner: Start, postgres_database: URL
) -> None:
    here = runner(postgres_database, Script("slow", upgrade='sql("SELECT pg_sleep(600)")'), statement_timeout=1)

    error = refused(here.module("upgrade"), "db.E601", EXIT_FAILED)

    assert "statement timeout" in error.fact
    assert error.details["statement"] == "SELECT pg_sleep(600)"


def test_the_limits_of_a_run_end_with_its_transactions(runner: Start, postgres_database: URL) -> None:
    """Behind a connection pool, other programs use the session later."""
    look = """
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "application_name")
        found = [op.get_bind().exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        assert found[:3] == ["7s", "8s", "0"], found
        assert found[3].startswith("antarest-migration "), found
        op.get_bind().exec_driver_sql("SAVEPOINT s")
    """
    here = runner(postgres_database, Script("look", upgrade=look), lock_timeout=7, statement_timeout=8)

    ended = here.module("upgrade").end()
    assert ended.code == EXIT_DONE, ended.err


def test_a_commit_waits_for_readers_that_are_about_to_end(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, TABLE, ALTER, lock_timeout=60, lock_retries=0)
    here.database.workflow.upgrade("table")
    run: list[int] = []

    with session(sqlite_database, *reads(sqlite_database)) as reader:
        started = here.module("upgrade")
        here.wait_for(lambda: _is_pending(str(sqlite_database.database)))
        _later(lambda: run.append(started.end().code)).join(timeout=0.5)
        assert run == []
        reader.execute("ROLLBACK")
        here.wait_for(lambda: run)

    assert run == [EXIT_DONE]


def _is_pending(file: str) -> bool:
    """Return whether a session is about to commit. This process already reads, and so would not notice."""
    return bool(list(_holding(file, {_PENDING}, "WRITE")))


def _later(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread
