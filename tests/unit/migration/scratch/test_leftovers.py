"""A process deletes what killed processes have left, and keeps what living processes use."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from antarest.migration.scratch import leftovers
from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.scratch.leftovers import owned_databases, owned_folder
from tests.support.projects.suites import databases, execute

OWNS_A_FOLDER = """
import sys
from antarest.migration.scratch.leftovers import owned_folder
with owned_folder(sys.argv[1]) as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    input()
"""
OWNS_A_DATABASE = """
import sys
from sqlalchemy import make_url, text
from antarest.migration.scratch.leftovers import owned_databases
url = make_url(sys.argv[2])
with owned_databases(url, sys.argv[1]) as (engine, beginning):
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {beginning}0"))
    print(f"{beginning}0", flush=True)
    input()
"""


@contextmanager
def owner(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that owns something, and the name of what it owns. The process is killed at the end."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with a signal that it cannot refuse."""
    process.kill()
    process.wait()


# ---- folders


@pytest.fixture
def beginning(monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of names that no other test has. Leftovers are searched again each time, as in a new process."""
    monkeypatch.setattr(leftovers, "_delete_left", leftovers._delete_left.__wrapped__)
    return f"antarest_left_{secrets.token_hex(4)}_"


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(beginning: str) -> None:
    with owner(OWNS_A_FOLDER, beginning) as (killed, left), owner(OWNS_A_FOLDER, beginning) as (living, lives):
        kill(killed)
        for folder in (left, lives):
            os.utime(folder, (1_700_000_000, 1_700_000_000))

        with owned_folder(beginning) as own:
            assert not Path(left).exists()
            assert Path(lives, "file").exists()
            assert own.is_dir()

        assert not own.exists()
        kill(living)
        with owned_folder(beginning):
            assert not Path(lives).exists()


def test_a_folder_that_is_new_may_not_be_locked_yet(beginning: str) -> None:
    with owner(OWNS_A_FOLDER, beginning) as (killed, left):
        kill(killed)

    with owned_folder(beginning):
        assert Path(left).exists()

    os.utime(left, (1_700_000_000, 1_700_000_000))
    with owned_folder(beginning):
        assert not Path(left).exists()


def test_what_is_called_alike_is_not_ours(beginning: str) -> None:
    with owned_folder(beginning) as own:
        notes = own.with_name(f"{beginning}notes")
        notes.mkdir()
        os.utime(notes, (1_700_000_000, 1_700_000_000))
        with owned_folder(beginning):
            assert notes.is_dir()

    notes.rmdir()


def test_a_link_is_not_followed(beginning: str, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    os.utime(tmp_path, (1_700_000_000, 1_700_000_000))
    with owned_folder(beginning) as own:
        link = own.with_name(f"{own.name}link")
        link.symlink_to(tmp_path)
        os.utime(link, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
        with owned_folder(beginning):
            pass
        link.unlink()

    assert (tmp_path / "precious").exists()


# ---- databases


def test_the_database_of_a_killed_process_goes_and_that_of_a_living_one_stays(
    beginning: str, postgres: PostgresServer
) -> None:
    url = postgres.url.render_as_string(hide_password=False)
    with owner(OWNS_A_DATABASE, beginning, url) as (killed, left), owner(OWNS_A_DATABASE, beginning, url) as (_, lives):
        assert databases(postgres.url, beginning) == sorted([left, lives])
        kill(killed)
        while left in databases(postgres.url, beginning):  # The server needs a moment to notice.
            with owned_databases(postgres.url, beginning):
                pass
        assert databases(postgres.url, beginning) == [lives]
        execute(postgres.url, f"COMMENT ON DATABASE {lives} IS 'somebody wants to look at it'")

    with owned_databases(postgres.url, beginning):
        assert databases(postgres.url, beginning) == [lives]

    execute(postgres.url, f"DROP DATABASE {lives}")


def test_that_of_a_living_process_stays_whoever_comes_from_another_database(
    beginning: str, postgres: PostgresServer
) -> None:
    """Locks of PostgreSQL are visible only in the database of the connection."""
    other = f"antarest_other_{beginning[-9:-1]}"
    execute(postgres.url, f"CREATE DATABASE {other}")
    with owner(OWNS_A_DATABASE, beginning, postgres.url.render_as_string(hide_password=False)) as (_, lives):
        with owned_databases(postgres.url.set(database=other), beginning):
            pass
        assert databases(postgres.url, beginning) == [lives]
        execute(postgres.url, f"COMMENT ON DATABASE {lives} IS 'to be dropped here'")

    execute(postgres.url, f"DROP DATABASE {other} WITH (FORCE)")
    execute(postgres.url, f"DROP DATABASE {lives}")


def test_who_was_disconnected_is_the_owner_again_once_connected(beginning: str, postgres: PostgresServer) -> None:
    with owned_databases(postgres.url, beginning) as (engine, own):
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {own}0"))
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
        execute(postgres.url, f"SELECT pg_terminate_backend({pid}, 60000)")
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT pg_backend_pid()")) != pid

        with owned_databases(postgres.url, beginning):
            assert databases(postgres.url, beginning) == [f"{own}0"]

        execute(postgres.url, f"DROP DATABASE {own}0")


def test_that_of_nobody_stays_while_somebody_is_connected(beginning: str, postgres: PostgresServer) -> None:
    left = f"{beginning}{'0' * 12}_1"
    execute(postgres.url, f"CREATE DATABASE {left}")
    with create_engine(postgres.url.set(database=left), poolclass=NullPool).connect():
        with owned_databases(postgres.url, beginning):
            pass
        assert databases(postgres.url, beginning) == [left]

    with owned_databases(postgres.url, beginning):
        assert databases(postgres.url, beginning) == []
