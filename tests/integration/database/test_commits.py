"""A commit that waits for readers of an SQLite file or for a standby: signals, cut connections, and new tries."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import URL

from antarest.migration.backup import Backups
from antarest.migration.database.file_locks import _PENDING, _holding
from antarest.migration.errors.base import EXIT_DONE, EXIT_TERMINATED, EXIT_UNREACHABLE, NOTHING_CHANGED
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import scratch_database
from tests.chaos.servers import Home, Server
from tests.support.checks.refusals import parse
from tests.support.programs.runs import Runner, Start, refused, session
from tests.support.projects.histories import Script, write_script
from tests.support.servers.cuts import Proxy

TABLE = Script("table", upgrade='sql("CREATE TABLE study (id INTEGER)", "INSERT INTO study VALUES (1)")')
ALTER = Script("alter", upgrade='op.add_column("study", sa.Column("name", sa.String(50)))')
READS = ("BEGIN", "SELECT * FROM study")


# ---- SQLite


def test_a_commit_that_the_disk_refuses_is_none(runner: Start, sqlite_database: URL) -> None:
    """A reset ends at the same revision. In WAL mode, its commit is the first statement that writes to the disk."""
    limits = f"""
        import resource
        if op.get_bind().engine.url.database == {sqlite_database.database!r}:
            resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))
    """
    here = runner(sqlite_database, TABLE, ALTER)
    here.database.workflow.upgrade()
    here.database.execute("PRAGMA journal_mode = wal", "INSERT INTO study VALUES (2, 'two')")
    write_script(here.database.project.versions[0], replace(ALTER, upgrade=ALTER.upgrade + dedent(limits)), "table")
    before = here.database.state()

    error = refused(here.module("reset", "--yes", "--allow-data-loss"), "db.E301", EXIT_UNREACHABLE)

    assert error.details["reason"] == "disk I/O error"
    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at alter.")
    assert here.database.state() == before


def test_a_signal_undoes_a_commit_that_waits_for_readers(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, TABLE, ALTER, lock_timeout=100)
    here.database.workflow.upgrade("table")
    before = here.database.state()

    with session(sqlite_database, *READS):
        run = here.module("upgrade")
        here.wait_for(lambda: list(_holding(str(sqlite_database.database), {_PENDING}, "WRITE")))
        run.process.send_signal(signal.SIGTERM)
        ended = run.end()

    assert ended.code == EXIT_TERMINATED
    assert f"{NOTHING_CHANGED} The run was rolled back; the database is still at table." in ended.err
    assert here.database.state() == before


def test_what_others_write_between_two_tries_is_in_a_backup(
    runner: Start, sqlite_database: URL, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    here = runner(sqlite_database, TABLE, ALTER, lock_timeout=1, lock_retries=50, backup_folder=folder)
    here.database.workflow.upgrade("table")

    with session(sqlite_database, *READS) as other:
        run = here.module("upgrade")
        while other.total_changes == 0:
            run.says("cannot get a lock")
            with suppress(sqlite3.OperationalError):  # The commit is already tried again.
                other.execute("INSERT INTO study VALUES (2)")
        other.execute("COMMIT")

    assert run.end().code == EXIT_DONE
    newest, *older = Backups(here.database.project, DbConfig(sqlite_database, backup_folder=folder)).list()
    assert [backup.contents.total for backup in (newest, *older) if backup.contents] == [2, 1]


# ---- PostgreSQL, with a standby that never answers


@pytest.fixture(scope="module")
def lonely() -> Iterator[Server]:
    """A server whose standby never comes, so that every synchronous commit waits."""
    with Home.open() as home:
        server = Server.create(home, "synchronous_standby_names = 'nobody'\nsynchronous_commit = local\n")
        server.start()
        yield server


@pytest.fixture
def waiting(runner: Start, lonely: Server) -> Iterator[Runner]:
    """A database at its first revision. From now on, every commit in it waits."""
    host, port = lonely.address.split(":")
    server = replace(lonely.scratch, url=lonely.url().set(host=host, port=int(port), query={}))
    with scratch_database("postgresql", server) as url:
        here = runner(url, TABLE, ALTER)
        here.database.workflow.upgrade("table")
        here.database.execute(f'ALTER DATABASE "{url.database}" SET synchronous_commit = on')
        yield here
        here.database.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


def in_commit(here: Runner) -> bool:
    """Return whether somebody waits for the standby."""
    found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
    return bool(here.database.value(found))


def test_a_signal_ends_a_commit_that_waits_for_a_standby(waiting: Runner) -> None:
    """The transaction is committed on its server, and the error says so."""
    run = waiting.module("upgrade")
    waiting.wait_for(lambda: in_commit(waiting))

    run.process.send_signal(signal.SIGTERM)

    ended = run.end()
    error = parse(ended.err[ended.err.index("error ") :])
    assert (error.code, ended.code) == ("db.E607", EXIT_TERMINATED)
    assert error.state == "Stopped at alter: 1 of 1 revisions was applied."
    assert waiting.database.workflow.current() == ("alter",)


def test_a_commit_that_outlives_its_connection_is_not_called_anything(waiting: Runner) -> None:
    proxy = Proxy(waiting.database.url)
    waiting.configure(proxy.url)

    error = refused(waiting.module("upgrade", "--lock-timeout=1"), "db.E309", EXIT_UNREACHABLE)

    proxy.close()
    assert error.state == "The connection was lost during a commit: the database is at table, or where that led to."
