"""pg_dump and pg_restore: which programs are used, what other users see of them, and odd names of databases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from antarest.migration.errors.base import EXIT_DONE, EXIT_USAGE
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from tests.support.checks.refusals import MARK, SECRET
from tests.support.data.backups import Place, programs_of
from tests.support.projects.workshop import ENVIRONMENT
from tests.support.servers.roles import connected, owner_of


def test_no_other_user_sees_the_password(tmp_path: Path, dumpable: tuple[PostgresServer, Path]) -> None:
    """While pg_dump waits for a locked table, the test reads everything that the system shows of any process."""
    server, programs = dumpable
    with scratch_database("postgresql", server) as url, owner_of(url, SECRET) as login:
        place = Place.create(tmp_path, login, programs)
        with connected(url) as connection:
            connection.execute(text("LOCK TABLE country"))
            with subprocess.Popen(
                [sys.executable, "-m", "antarest.migration", "backup"],
                cwd=place.here.folder,
                env={**os.environ, **ENVIRONMENT},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                shown = _seen_of(process, "application_name=antarest-backup")
                connection.rollback()
                assert process.stdout
                said = process.stdout.read()
        assert MARK not in shown
        assert f"user={login.username}" in shown
        assert (process.returncode, MARK in said) == (EXIT_DONE, False), said
        assert [path for path in place.here.folder.rglob("*") if MARK in path.name] == []
        assert place.files
        assert [path for path in place.folder.iterdir() if MARK.encode() in path.read_bytes()] == []


def _seen_of(process: subprocess.Popen[str], part: str) -> str:
    """Return the command lines of a process and its children, as soon as one of them has this text."""
    parent = process.pid
    while process.poll() is None:
        lines = {parent: _command_line(parent)}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ppid = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if ppid == parent:
                lines[int(folder.name)] = _command_line(int(folder.name))
        if any(part in line for line in lines.values()):
            return "\n".join(lines.values())
    raise AssertionError(process.stdout.read() if process.stdout else "")


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


# ---- names


@pytest.mark.parametrize("name", ["with space", 'it\'s "quoted"', "żółw 🐢", "a/b%41:c", "-rf", "x" * 60])
def test_odd_names(tmp_path: Path, dumpable: tuple[PostgresServer, Path], name: str) -> None:
    server, programs = dumpable
    quoted = name.replace('"', '""').replace(":", "\\:")
    with connected(server.url).execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{quoted}"'))
        connection.execute(text(f'CREATE DATABASE "{quoted}"'))
        try:
            _backed_up_and_restored(Place.create(tmp_path / "p", server.url.set(database=name), programs))
        finally:
            for each in connection.execute(text("SELECT datname FROM pg_database")).scalars().all():
                if each.startswith(name[:30]):
                    left = each.replace('"', '""').replace(":", "\\:")
                    connection.execute(text(f'DROP DATABASE "{left}" WITH (FORCE)'))
    file = tmp_path / f"{name.replace('/', '_')}.db"
    _backed_up_and_restored(Place.create(tmp_path / "s", URL.create("sqlite", database=str(file)), None))


def _backed_up_and_restored(place: Place) -> None:
    place.done("backup")
    place.add("Spain")
    place.done("restore", "--allow-data-loss")
    assert place.names() == ["France"]
    assert all(path.name.isprintable() and "/" not in path.name for path in place.files)


# ---- the programs


def test_the_programs_must_be_of_the_servers_version(postgres_place: Place) -> None:
    other = programs_of(16)
    assert other
    here = postgres_place.here
    here.configure(
        (here.folder / "application.yaml").read_text().replace(postgres_place.settings["postgres_programs"], str(other))
    )

    refused = here.refused("inv db.upgrade --backup", "db.E903", EXIT_USAGE)

    assert "which is the server's version" in refused.fact
    assert refused.details["found"].startswith("pg_dump 16.")
    assert str(other) in refused.details["found"]
    assert refused.commands[0].startswith("db.postgres_programs: /")


def test_the_programs_are_found_on_the_path(postgres_place: Place) -> None:
    here = postgres_place.here
    programs = postgres_place.settings["postgres_programs"]
    here.configure((here.folder / "application.yaml").read_text().replace("postgres_programs", "# postgres_programs"))

    done = here.run(f"{sys.executable} -m antarest.migration backup", PATH=f"/nowhere:{programs}")

    assert (done.code, done.err) == (EXIT_DONE, "")
