"""What can happen to a backup or a restore half-way: a full disk, a kill, a folder that cannot be written to."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from antarest.core.errors import EXIT_FAILED, EXIT_INTERRUPTED
from tests.refusals import refusal
from tests.support_backups import COUNTRY, Place
from tests.support_roles import connected
from tests.workshop import ENVIRONMENT

MakePlace = Callable[..., Place]


@pytest.fixture
def large(place: Place) -> Iterator[Place]:
    """A place with a backup of one row, and some megabytes and a row since."""
    place.done("backup")
    value = "randomblob(1000000)" if place.is_sqlite else "decode(repeat(md5(n::text), 31250), 'hex')"
    kind, numbers = ("BLOB", "(SELECT value AS n FROM json_each('[1,2,3,4,5,6,7,8,9]'))")
    if not place.is_sqlite:
        kind, numbers = "BYTEA", "generate_series(1, 9) AS n"
    place.here.execute(f"CREATE TABLE filler (data {kind})", f"INSERT INTO filler SELECT {value} FROM {numbers} t")
    place.add("Spain")
    yield place
    if not place.is_sqlite:
        with connected(place.url.set(database="postgres")).execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            for name in connection.execute(text("SELECT datname FROM pg_database")).scalars().all():
                if name.startswith(f"{place.url.database}_"):
                    connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def leftovers(place: Place) -> list[Path]:
    return [path for path in place.folder.iterdir() if path.name.startswith(".unfinished")]


# ---- a disk that is full


def limited(place: Place, command: list[str], limit: int) -> subprocess.CompletedProcess[str]:
    """Run a command that may write no file longer than that."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        command,
        cwd=place.here.folder,
        env={**os.environ, **ENVIRONMENT},
        preexec_fn=limit_files,  # noqa: PLW1509 - no other thread runs in a test
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_upgrade_does_not_start_when_its_backup_does_not_fit(make_place: MakePlace) -> None:
    place = make_place()
    blob = "randomblob(3000000)" if place.is_sqlite else "(SELECT string_agg(random()::text, '') FROM generate_series(1, 200000))"
    place.here.execute("CREATE TABLE filler (data TEXT)", f"INSERT INTO filler SELECT {blob}")
    command = [sys.executable, "-m", "antarest.migration", "upgrade", "--backup"]

    done = limited(place, command, 1_000_000)

    assert done.returncode == EXIT_FAILED, done.stderr
    assert done.stderr.startswith("error db.E901: the backup failed: ")
    assert "Nothing was changed." in done.stderr
    assert place.here.workflow.current() == (COUNTRY,)
    assert place.files == []
    assert leftovers(place) == []


def test_too_little_space_is_found_before_anything_is_written(make_place: MakePlace, tmp_path: Path) -> None:
    """A real file system that is too small; mounting one needs root, which tests may not be."""
    if os.geteuid() == 0:
        small = tmp_path / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True)
        place = make_place(backup_folder=str(small))
        try:
            refused = refusal(place.run("upgrade", "--backup"), "db.E902", EXIT_FAILED)
            assert "it needs about" in refused.fact
            assert list(small.iterdir()) == []
            assert place.here.workflow.current() == (COUNTRY,)
        finally:
            subprocess.run(["umount", small], check=True)
