"""Of all runs that start at the same time, one moves the database. The others wait, and find it moved."""

from __future__ import annotations

import signal
import threading
import zlib
from typing import Any

from sqlalchemy import URL

from antarest.migration.database.lock.postgresql import _RUN, _TRANSACTION
from antarest.migration.errors.base import EXIT_DONE, NOTHING_CHANGED
from tests.support.programs.runs import API, GATE, SLEEPING, Start, refused, session
from tests.support.projects.histories import Script
from tests.support.servers.roles import Roles

COUNTED = (
    Script("first", upgrade='sql("CREATE TABLE log (what INTEGER)", "INSERT INTO log VALUES (1)")',
           lossy={"downgrade": {"log": "new"}}, downgrade='op.drop_table("log")'),
    Script("second", upgrade=f'{GATE}sql("INSERT INTO log VALUES (2)")'),
    Script("third", upgrade='sql("INSERT INTO log VALUES (3)")'),
)  # fmt: skip
KEY = zlib.crc32(b"alembic_version") & 0x7FFFFFFF


def lock_of(kind: int) -> str:
    return f"SELECT pg_advisory_xact_lock({kind}, {KEY})"


# ---- many at once


def test_of_many_that_start_at_once_one_migrates(runner: Start, empty_database: URL) -> None:
    """This holds for all kinds of starts: the other commands wait, find nothing to do, and say so."""
    here = runner(empty_database, *COUNTED)
    first = here.started()
    others = [
        here.start("inv", "db.upgrade"),
        here.module("upgrade"),
        here.start("python", "-c", API),
        *(here.start("alembic", "upgrade", "head") for _ in range(2)),
    ]
    for at, run in enumerate(others):
        run.says("waiting for ", logs=at > 2)
    here.open()
    results = [run.end() for run in (first, *others)]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    shown = "".join(result.out + result.err for result in results)
    assert here.database.value("SELECT count(*) FROM log") == 3
    assert here.database.workflow.current() == ("third",)
    assert shown.count("upgraded: 3 revisions") == 1
    assert shown.count("nothing to do") == 3
    assert "Running upgrade" not in shown


def test_of_many_that_start_on_an_empty_database_one_migrates(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED)
    here.open()
    results = [run.end() for run in [here.module("upgrade") for _ in range(6)]]

    assert [(result.code, result.err) for result in results if result.code != EXIT_DONE] == []
    assert sum("upgraded: 3 revisions" in result.out for result in results) == 1
    assert here.database.value("SELECT count(*) FROM log") == 3


def test_threads_of_one_process_do_not_meet(runner: Start, empty_database: URL, monkeypatch: Any) -> None:
    """Alembic's context is global, so two threads must not use it at the same time."""
    here = runner(empty_database, *COUNTED)
    here.open()
    for name, path in (("GATE", here.gate), ("AT_GATE", here.at_gate)):
        monkeypatch.setenv(name, str(path))
    moves: list[int] = []
    threads = [
        threading.Thread(target=lambda: moves.append(len(here.database.workflow.upgrade().steps))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(moves) == [0, 0, 0, 3]
    assert here.database.value("SELECT count(*) FROM log") == 3


def test_who_rolls_back_waits_too(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED)
    here.database.workflow.upgrade("first")
    upgrade = here.started()
    rollback = here.module("rollback", "--to=base", "--allow-data-loss")
    rollback.says("waiting for ")
    here.open()

    assert upgrade.end().code == EXIT_DONE
    assert rollback.end().code == EXIT_DONE
    assert here.database.workflow.current() == ()


# ---- somebody else has it


def test_who_waits_too_long_is_told_who_holds_it(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED, lock_timeout=1, lock_retries=0)
    holder = here.started()
    server = empty_database.get_backend_name() == "postgresql"
    code = "db.E402" if server else "db.E401"

    for command in (
        ("python", "-m", "antarest.migration", "upgrade", "--lock-timeout=1"),
        ("inv", "db.upgrade", "--lock-timeout=1"),
        ("alembic", "-x", "lock-timeout=1", "upgrade", "head"),
        ("alembic", "-x", "lock-timeout=0", "stamp", "head"),
    ):
        error = refused(here.start(*command), code)
        assert error.state == NOTHING_CHANGED
        # PostgreSQL names its own process, and the run names itself there; the system knows who locked the file.
        name = f"antarest-migration {holder.pid}@" if server else f"pid {holder.pid} (python), a process since 20"
        assert name in error.details["held by"]
        assert error.details["since" if server else "held by"].endswith("UTC")
        assert "--lock-timeout=600" in error.hints[0][0]

    here.open()
    assert holder.end().code == EXIT_DONE


def test_who_waits_says_so(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED)
    here.started()
    waiting = here.module("upgrade")

    assert "pid " in waiting.says("waiting for ")
    here.open()
    assert waiting.end().code == EXIT_DONE


def test_the_lock_of_a_killed_run_is_gone_with_it(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED)
    here.started().process.send_signal(signal.SIGKILL)
    here.open()

    assert here.module("upgrade", "--lock-timeout=30").end().code == EXIT_DONE
    assert here.database.value("SELECT count(*) FROM log") == 3


def test_at_head_nothing_is_locked(runner: Start, empty_database: URL) -> None:
    here = runner(empty_database, *COUNTED)
    here.open()
    assert here.module("upgrade").end().code == EXIT_DONE
    held = ["BEGIN IMMEDIATE"] if empty_database.get_backend_name() == "sqlite" else map(lock_of, (_RUN, _TRANSACTION))

    with session(empty_database, *held):
        for command in (
            ("inv", "db.upgrade", "--lock-timeout=0"),
            ("alembic", "-x", "lock-timeout=0", "upgrade", "head"),
        ):
            done = here.start(*command).end()
            assert done.code == EXIT_DONE, done.err


def test_a_time_that_is_none_is_a_wrong_use(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, *COUNTED)

    for command in (
        ("inv", "db.upgrade", "--lock-timeout=soon"),
        ("python", "-m", "antarest.migration", "rollback", "--lock-timeout=-1"),
        ("alembic", "-x", "lock-timeout=1.5", "upgrade", "head"),
    ):
        error = refused(here.start(*command), "usage.E101", 2)
        assert "lock-timeout must be a whole number from 0 to 86400" in error.fact


# ---- PostgreSQL


def test_a_server_that_ends_idle_transactions_does_not_end_the_lock(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, *COUNTED)
    here.database.execute(
        *(
            f"ALTER DATABASE \"{postgres_database.database}\" SET {name} = '300ms'"
            for name in ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")
        )
    )
    here.started()
    with session(postgres_database, "SET statement_timeout = 0", "SELECT pg_sleep(1)"):
        refused(here.module("upgrade", "--lock-timeout=0"), "db.E402")
    here.open()

    assert here.runs[0].end().code == EXIT_DONE


def test_the_last_statement_of_a_killed_run_keeps_others_out(runner: Start, postgres_database: URL) -> None:
    """The process has ended, and with it the first lock, but the server has not noticed it yet."""
    here = runner(postgres_database, *COUNTED)
    here.open()
    with session(postgres_database, lock_of(_TRANSACTION)):
        error = refused(here.module("upgrade", "--lock-timeout=1"), "db.E402")

        assert error.fact == "the database is held by the last statement of a run that has ended"
        assert "somebody" in error.details["held by"]
    assert here.module("upgrade").end().code == EXIT_DONE


def test_the_server_ends_the_statement_of_a_killed_run(runner: Start, postgres_database: URL) -> None:
    long = Script("long", upgrade=f'{GATE}sql("SELECT pg_sleep(600)")')
    here = runner(postgres_database, long)
    run = here.started()
    here.open()
    here.wait_for(lambda: here.database.value(SLEEPING) == 1)
    run.process.send_signal(signal.SIGKILL)

    here.wait_for(lambda: here.database.value(SLEEPING) == 0)
    assert here.database.workflow.current() == ()


def test_a_run_that_lost_its_lock_does_not_commit(runner: Start, postgres_database: URL) -> None:
    """The run that lost its lock reports this itself, because another run may have begun."""
    here = runner(postgres_database, *COUNTED)
    run = here.started()
    here.database.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = {_RUN}"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    here.open()

    error = refused(run, "db.E405")
    assert error.state.startswith(NOTHING_CHANGED)
    assert here.database.workflow.current() == ()
    assert here.module("upgrade").end().code == EXIT_DONE


def test_others_can_build_an_index_concurrently_meanwhile(runner: Start, postgres_database: URL) -> None:
    """Runs that hold the lock or wait for it have no snapshot, for which the build of the index would wait."""
    here = runner(postgres_database, *COUNTED)
    here.database.execute("CREATE TABLE other AS SELECT generate_series(1, 1000) AS id")
    here.started()
    waiting = here.module("upgrade")
    waiting.says("waiting for ")

    with session(postgres_database) as connection:
        connection.autocommit = True
        connection.cursor().execute("SET statement_timeout = '20s'; ")
        connection.cursor().execute("CREATE INDEX CONCURRENTLY ix_other ON other (id)")
    here.open()
    assert [run.end().code for run in here.runs] == [EXIT_DONE, EXIT_DONE]


def test_the_holder_is_named_to_a_role_that_may_see_nothing(
    runner: Start, roles: Roles, postgres_database: URL
) -> None:
    here = runner(postgres_database, *COUNTED)
    holder = here.started()
    here.configure(roles.owner)

    error = refused(here.module("upgrade", "--lock-timeout=0"), "db.E402")

    assert f"antarest-migration {holder.pid}@" in error.details["held by"]
    assert "since" not in error.details  # The server hides this, but the name of the session also contains it.
    assert error.details["held by"].count("T") >= 1
