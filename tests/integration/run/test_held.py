"""Tables that other sessions lock: each command ends in time and names the session. Only waits have a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import URL, Connection, text

from antarest.migration.database.catalog import count_rows
from antarest.migration.database.connection import looking, moving
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE, NOTHING_CHANGED
from antarest.migration.errors.facts.database import EndedByServer
from antarest.migration.errors.facts.lock import TableLocked
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.scratch.embedded_postgres import embedded_server
from tests.support.programs.runs import GATE, HANGS, Run, Runner, Start, refused, session
from tests.support.projects.histories import Database, Script, write_project
from tests.support.servers.roles import execute

TABLE = Script("table", upgrade='sql("CREATE TABLE study (id INTEGER)")', downgrade='op.drop_table("study")')
READING = ("status", "history", "upgrade --dry-run", "upgrade", "rollback --dry-run", "grant", "sync --yes")
COUNTING = ("rollback --dry-run", "rollback --yes", "reset --yes --allow-production", "backup")


def started(here: Runner, *commands: str) -> list[Run]:
    """Start commands of ours at the same moment. Each of them waits."""
    return [here.module(*command.split()) for command in commands]


def test_a_prepared_transaction_is_named_by_each_command(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, TABLE, migration_lock_timeout=4, lock_timeout=4, lock_retries=0)
    here.database.workflow.upgrade()
    with session(postgres_database, "LOCK TABLE alembic_version", "PREPARE TRANSACTION 'forgotten'"):
        try:
            runs = started(here, *READING)
            stamp = here.start("alembic", "stamp", "head")
            for run in runs:
                error = refused(run, "db.E407")
                assert error.fact.startswith("cannot get a lock on alembic_version")
                assert error.details["held by"].startswith("the prepared transaction 'forgotten' (COMMIT or ROLLBACK")
                assert error.details["waited"] == "4 s"
                assert "waiting for a lock on alembic_version: the prepared transaction 'forgotten'" in run.out
            assert "'forgotten'" in refused(stamp, "db.E404").details["blocked by"]
        finally:
            execute(postgres_database, "ROLLBACK PREPARED 'forgotten'")


def test_a_table_is_counted_and_dumped_only_while_nobody_holds_it(
    tmp_path: Path, dumpable: tuple[PostgresServer, Path]
) -> None:
    server, programs = dumpable
    with scratch_database("postgresql", server) as url:
        database = Database(url, write_project(tmp_path / "project", TABLE))
        settings = {"migration_lock_timeout": 4, "postgres_programs": programs, "backup_folder": tmp_path / "backups"}
        with Runner(database, tmp_path, settings).ending() as here:
            database.workflow.upgrade()
            with session(url, "LOCK TABLE study"):
                for run in started(here, *COUNTING):
                    error = refused(run, "db.E407")
                    assert error.fact.startswith("cannot get a lock on study")
                    assert ", somebody, " in error.details["held by"]
                    assert error.state.startswith(NOTHING_CHANGED)
    assert not list((tmp_path / "backups").glob("*.dump"))


@pytest.mark.parametrize("catalog", ["pg_class", "pg_attribute", "pg_statistic", "pg_type"])
def test_who_holds_a_system_catalog_is_named(runner: Start, postgres_database: URL, catalog: str) -> None:
    """The database lets nobody connect, or does not answer. A connection to another database finds the holder."""
    here = runner(postgres_database, TABLE, connect_timeout=2, migration_lock_timeout=2)
    here.database.workflow.upgrade()
    with session(postgres_database, f"LOCK TABLE {catalog}"):
        for run in started(here, "status", "upgrade", "rollback --yes"):
            error = refused(run, "db.E407")
            assert error.fact == f"cannot get a lock on {catalog}: another transaction holds it"
            assert ", somebody, " in error.details["held by"]


def test_a_server_that_gives_no_answer_is_waited_for_as_long_as_for_a_lock(
    runner: Start, postgres_database: URL
) -> None:
    """It lets everybody in. The time limit for connecting is longer than the test waits for a command."""
    here = runner(postgres_database, TABLE, connect_timeout=2 * HANGS, migration_lock_timeout=3)
    here.database.workflow.upgrade()
    with session(postgres_database, "LOCK TABLE pg_proc"):
        for run in started(here, "status", "upgrade", "rollback --yes --lock-timeout=0"):
            assert ", somebody, " in refused(run, "db.E407").details["held by"]


def test_a_held_catalog_of_all_databases_is_not_said_to_be_a_full_pool(runner: Start) -> None:
    """Nobody can connect to any database, so nobody can ask who holds the catalog."""
    with embedded_server({"fsync": "off"}) as server:
        here = runner(server.url, TABLE, connect_timeout=2, migration_lock_timeout=2)
        here.database.workflow.upgrade()
        with session(server.url, "LOCK TABLE pg_authid"):
            error = refused(here.module("status"), "db.E301", EXIT_UNREACHABLE)

    assert "gave no answer in time: is it down, or does a session hold a lock on a system catalog?" in error.fact


def test_who_holds_a_system_catalog_in_the_middle_of_a_command_is_named(runner: Start, postgres_database: URL) -> None:
    """The session that looks for the holder cannot connect to the database either."""
    gate = Script("gate", upgrade=f'{GATE}\nsql("SELECT * FROM study WHERE id = 1")')
    here = runner(postgres_database, TABLE, gate, connect_timeout=2, lock_timeout=2, lock_retries=0)
    here.database.workflow.upgrade("table")
    limited = DbConfig(postgres_database, connect_timeout=2, migration_lock_timeout=2)

    def read(holder: Any) -> None:
        with looking(limited) as reader:
            reader.execute(text("SELECT 1"))
            run = here.started()
            holder.cursor().execute("LOCK TABLE pg_statistic")
            here.open()
            assert ", somebody, " in refused(run, "db.E404").details["blocked by"]
            reader.execute(text("SELECT * FROM study WHERE id = 1"))

    with session(postgres_database) as holder, pytest.raises(TableLocked) as error:
        read(holder)

    assert error.value.message.startswith("cannot get a lock on pg_statistic")
    assert ", somebody, " in error.value.details["held by"]


@pytest.mark.parametrize(
    "read",
    [lambda reader: count_rows(reader, ["a", "b"]), lambda reader: reader.execute(text("SELECT 1 FROM a, b"))],
    ids=["two queries", "one query"],
)
def test_all_waits_of_a_reader_together_have_one_limit(
    postgres_database: URL, read: Callable[[Connection], object]
) -> None:
    """The command waits for two tables, for each of them a shorter time than its limit."""
    execute(postgres_database, "CREATE TABLE a ()", "CREATE TABLE b ()")
    has_ended = Event()

    def release(table: str, holder: Any) -> None:
        with session(postgres_database) as looks:
            looks.autocommit, cursor = True, looks.cursor()
            Runner.wait_for(lambda: has_ended.is_set() or is_awaited(cursor, table))
        has_ended.wait(1.5)
        holder.commit()

    with (
        session(postgres_database, "LOCK TABLE a") as one,
        session(postgres_database, "LOCK TABLE b") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        released = [pool.submit(release, "a", one), pool.submit(release, "b", other)]
        limited = DbConfig(postgres_database, migration_lock_timeout=2)
        with pytest.raises(TableLocked) as error, looking(limited) as reader:
            read(reader)
        has_ended.set()
        for each in released:
            each.result()

    assert error.value.message.startswith("cannot get a lock on b")


def is_awaited(cursor: Any, table: str) -> bool:
    cursor.execute(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass")
    return bool(cursor.fetchone()[0])


def test_an_index_waits_for_older_transactions_and_says_so(runner: Start, postgres_database: URL) -> None:
    create = "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_study ON study (id)"
    index = Script("index", upgrade=f'with op.get_context().autocommit_block(): sql("{create}")', transaction="none")
    here = runner(postgres_database, TABLE, index, migration_lock_timeout=1, lock_timeout=1)
    here.database.workflow.upgrade("table")
    with session(postgres_database, "LOCK TABLE study IN ROW EXCLUSIVE MODE"):
        run = here.module("upgrade")
        assert ", somebody, " in run.says("waiting for ")
    assert run.end().code == EXIT_DONE


def test_the_process_that_holds_a_file_is_named(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, TABLE, busy_timeout=3600, migration_lock_timeout=2)
    here.database.workflow.upgrade()
    with session(sqlite_database, "BEGIN EXCLUSIVE"):
        for run in started(here, "status", "upgrade", "rollback --yes", "backup"):
            assert refused(run, "db.E401").details["held by"].startswith("pid ")


def test_work_has_no_limit_and_a_line_says_what_is_read(postgres_database: URL) -> None:
    """Neither the time limit for locks nor the limits of the database stop the work."""
    limits = ["statement_timeout", "idle_in_transaction_session_timeout"]
    with moving(postgres_database) as connection:
        limits += ["transaction_timeout"] if (connection.dialect.server_version_info or (0,)) >= (17,) else []
    for limit in limits:
        execute(postgres_database, f"ALTER DATABASE {postgres_database.database} SET {limit} = '300ms'")
    lines: list[str] = []

    with moving(postgres_database) as connection, connection.begin():
        connection.execute(text("CREATE TABLE study AS SELECT 1 AS id FROM pg_sleep(0.5)"))
        time.sleep(0.5)
    with looking(DbConfig(postgres_database, migration_lock_timeout=1), lines.append) as connection:
        connection.execute(text("SELECT 1"))
        time.sleep(0.5)
        connection.execute(text("SELECT pg_sleep(1.5) FROM study"))

    assert lines[0].startswith("still reading study, after ")


def test_a_limit_that_cannot_be_switched_off_is_named(postgres_database: URL) -> None:
    execute(postgres_database, f"ALTER DATABASE {postgres_database.database} SET idle_session_timeout = '100ms'")

    def wait() -> None:
        with moving(postgres_database) as connection:
            time.sleep(0.5)
            connection.execute(text("SELECT 1"))

    with pytest.raises(EndedByServer) as ended:
        wait()

    assert ended.value.message.endswith("ended the session because of its idle_session_timeout")
    assert "SET idle_session_timeout = 0" in ended.value.hints[0].command


def test_a_run_that_needs_too_many_locks_names_its_first_part(runner: Start) -> None:
    """All sessions of a server share its lock table, so the test uses its own server."""
    revisions = [Script(f"r{number}", upgrade=f'sql("CREATE TABLE t{number} ()")') for number in range(4)]
    many = Script("many", upgrade='sql("SELECT pg_advisory_xact_lock(i) FROM generate_series(1, 100000) AS i")')
    settings = {"fsync": "off", "max_connections": "10", "max_locks_per_transaction": "10"}
    with embedded_server(settings) as server:
        here = runner(server.url, *revisions, many)

        error = refused(here.module("upgrade"), "db.E311", EXIT_FAILED)

        assert error.fact.endswith("has no room for more locks: max_locks_per_transaction is too small")
        assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at base.")
        assert error.commands[0] == "inv db.upgrade --to=r1"
        assert here.module("upgrade", "--to=r1").end().code == EXIT_DONE
