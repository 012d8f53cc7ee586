"""A database that no command can use: one clear error, the right exit code, a next step, and nothing changed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_FAILED, EXIT_LOCKED, EXIT_UNREACHABLE, EXIT_USAGE
from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.checks.refusals import SECRET
from tests.support.projects.workshop import COUNTRY, Workshop

BRIDGE = "d00000000000"
UNKNOWN = "c0ffee123456"


# ---- a database that cannot be reached, or is none


def test_a_server_that_is_down(tmp_path: Path) -> None:
    port = free_port()
    url = URL.create("postgresql", "me", SECRET, "127.0.0.1", port, "antarest")
    here = Workshop.create(tmp_path, url=url).watching(None)

    for command in ("inv db.status", "inv db.upgrade", "alembic current"):
        refused = here.refused(command, "db.E301", EXIT_UNREACHABLE)
        assert refused.fact == f"cannot connect to PostgreSQL on 127.0.0.1:{port}"
        assert refused.details["database"] == f"postgresql://me:***@127.0.0.1:{port}/antarest"
        assert refused.commands == [f"pg_isready --host=127.0.0.1 --port={port}", "inv db.status"]

    machine = here.run("python -m antarest.migration status --json")
    assert (machine.code, machine.err) == (EXIT_UNREACHABLE, "")
    assert json.loads(machine.out)["error"]["code"] == "db.E301"


def test_a_wrong_password(tmp_path: Path, postgres_database: URL) -> None:
    here = Workshop.create(tmp_path, url=postgres_database.set(password=SECRET)).watching(postgres_database)

    for command in ("inv db.upgrade", "alembic upgrade head"):
        refused = here.refused(command, "db.E303", EXIT_USAGE)
        assert refused.fact.endswith(f"does not let the role {postgres_database.username} in")


def test_a_database_that_does_not_exist(tmp_path: Path, postgres_database: URL) -> None:
    here = Workshop.create(tmp_path, url=postgres_database.set(database="nowhere")).watching(postgres_database)

    refused = here.refused("inv db.upgrade", "db.E305", EXIT_USAGE)

    assert refused.fact.startswith("the database nowhere does not exist on ")
    assert refused.commands[0].startswith("createdb --host=")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    here = Workshop.create(tmp_path)
    here.configure("db: {url: 'sqlite:///misspelt/antarest.db'}")

    for command in ("inv db.upgrade", "inv db.status", "alembic upgrade head"):
        refused = here.refused(command, "db.E305", EXIT_USAGE)
        assert refused.fact == f"the folder of the SQLite file does not exist: {here.folder / 'misspelt'}"


def test_a_file_that_is_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = Workshop.create(tmp_path)
    here.configure("db: {url: 'sqlite:///notes.db'}")
    (here.folder / "notes.db").write_text("These are notes, and long enough for SQLite to look at them.\n" * 20)

    for command in ("inv db.upgrade", "alembic upgrade head", "alembic stamp head"):
        refused = here.refused(command, "db.E308")
        assert refused.fact == f"the file is not an SQLite database: {here.folder / 'notes.db'}"
    for verb in ("rollback", "reset", "status", "history", "grant"):
        assert here.refused_here(capsys, verb).code == "db.E308"


AS_NOBODY = """
import os, sys
import alembic.command, sqlalchemy
import antarest.migration.environment, antarest.migration.workflow
from antarest.migration.__main__ import main

sqlalchemy.create_engine("sqlite://").connect().close()  # late imports may need rights of root
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def test_a_file_that_this_user_may_not_write(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # others cannot enter the folder of pytest
        folder = Path(name) / "project"
        shutil.copytree(Workshop.create(tmp_path).folder, folder)
        here = Workshop(folder, URL.create("sqlite", database=str(folder / "antarest.db")))
        here.configure("db: {url: 'sqlite:///antarest.db'}")
        here.at_country()
        for path in (*folder.rglob("*"), folder, folder.parent):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = shlex.join([sys.executable, "-c", AS_NOBODY])

        refused = here.refused(f"{command} upgrade", "db.E307")
        assert refused.fact == f"the SQLite file cannot be written by this user: {folder / 'antarest.db'}"

        seen = here.run(f"{command} status")
        assert (seen.code, seen.err) == (EXIT_FAILED, "")
        assert f"current        {COUNTRY}" in seen.out


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(url: URL, begin: str) -> Iterator[None]:
    """Hold an SQLite database in another process. In this process, `Workshop.state` would drop the lock by reading."""
    command = [sys.executable, "-c", HOLD, str(url.database), begin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield


def test_a_database_that_another_process_writes_to(tmp_path: Path, sqlite_database: URL) -> None:
    here = Workshop.create(tmp_path, "merge", sqlite_database, busy_timeout=0, migration_lock_timeout=0).at_country()

    with held(sqlite_database, "BEGIN IMMEDIATE"):
        for command in ("inv db.upgrade", "alembic upgrade head", "alembic stamp head"):
            refused = here.refused(command, "db.E401", EXIT_LOCKED)
            assert refused.fact == f"another process is writing to the SQLite file {sqlite_database.database}"
        assert here.run("inv db.status").err == "", "who only looks does not wait for a writer"
    with held(sqlite_database, "BEGIN EXCLUSIVE"):
        here.refused("inv db.status", "db.E401", EXIT_LOCKED)


# ---- where the database is


def test_a_database_at_an_unknown_revision(
    tmp_path: Path, empty_database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Workshop.create(tmp_path, "merge", empty_database).at_country()
    here.execute(f"UPDATE alembic_version SET version_num = '{UNKNOWN}'")

    for command in (here.ours("upgrade"), "alembic current", "alembic downgrade -1"):
        refused = here.refused(command, "db.E201")
        assert refused.fact == f"the database is at revision {UNKNOWN}, which this checkout does not contain"
        assert refused.details["this code"] == f"head is {BRIDGE}, 5 revisions in versions"
        assert refused.commands == ["inv db.sync"]
    for options in ({}, {"to": "base"}, {"steps": "2"}, {"dry_run": True}):
        assert here.refused_here(capsys, "rollback", **options).code == "db.E201"

    status = here.run(here.ours("status"))
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert f"unknown        {UNKNOWN} (not in this checkout)" in status.out
