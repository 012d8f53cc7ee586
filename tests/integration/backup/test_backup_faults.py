"""Faults in the middle of a backup or a restore: a full disk, a kill, a folder that cannot be written to."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from antarest.migration.errors.base import EXIT_FAILED
from tests.support.checks.refusals import refusal
from tests.support.data.backups import Place
from tests.support.projects.workshop import COUNTRY, ENVIRONMENT
from tests.support.servers.roles import connected

MakePlace = Callable[..., Place]


@pytest.fixture
def large(place: Place) -> Iterator[Place]:
    """A place with a backup of one row. After the backup, some megabytes and a row were added."""
    place.done("backup")
    rows = "SELECT randomblob(1000000) FROM json_each('[1,2,3,4,5,6,7,8,9]')"
    if not place.is_sqlite:
        rows = (
            "SELECT string_agg(random()::text, '') FROM generate_series(1, 60000), generate_series(1, 9) n GROUP BY n"
        )
    place.here.execute("CREATE TABLE filler (data TEXT)", f"INSERT INTO filler {rows}")
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
    """Run a command that cannot write more than this number of bytes into one file."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        command,
        cwd=place.here.folder,
        env={**os.environ, **ENVIRONMENT},
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_upgrade_does_not_start_when_its_backup_does_not_fit(make_place: MakePlace) -> None:
    place = make_place()
    blob = (
        "randomblob(3000000)"
        if place.is_sqlite
        else "(SELECT string_agg(random()::text, '') FROM generate_series(1, 200000))"
    )
    place.here.execute("CREATE TABLE filler (data TEXT)", f"INSERT INTO filler SELECT {blob}")
    command = [sys.executable, "-m", "antarest.migration", "upgrade", "--backup"]

    done = limited(place, command, 1_000_000)

    assert done.returncode == EXIT_FAILED, done.stderr
    assert done.stderr.startswith("error db.E901: the backup failed: ")
    assert "Nothing was changed." in done.stderr
    assert place.here.workflow.current() == (COUNTRY,)
    assert place.files == []
    assert leftovers(place) == []


def test_too_little_space_is_found_before_anything_is_written(sqlite_place: Place) -> None:
    """The database has ten terabytes, but only its first pages need space."""
    file, page = Path(str(sqlite_place.url.database)), 65536
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"PRAGMA page_size = {page}; VACUUM")
    pages = 10 * 2**40 // page
    with file.open("r+b") as stream:
        stream.truncate(pages * page)
        stream.seek(28)
        stream.write(pages.to_bytes(4, "big"))

    refused = refusal(sqlite_place.run("upgrade"), "db.E902", EXIT_FAILED)

    assert "it needs about 11 TB and leaves 17 MB free, and " in refused.fact
    assert sqlite_place.here.workflow.current() == (COUNTRY,)
    assert sqlite_place.files == leftovers(sqlite_place) == []


def test_a_folder_that_cannot_be_written_to(make_place: MakePlace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    place = make_place(backup_folder=str(tmp_path / "file" / "backups"))

    refused = refusal(place.run("upgrade", "--backup"), "db.E901", EXIT_FAILED)

    assert refused.fact == "the backup failed: not a directory"
    assert place.here.workflow.current() == (COUNTRY,)


# ---- a backup that cannot be read again


def test_a_copy_that_is_not_sound_stops_the_upgrade(sqlite_place: Place) -> None:
    """The upgrade itself would never read the damaged page of the database."""
    sqlite_place.here.execute("CREATE TABLE filler (x)", f"INSERT INTO filler VALUES ('{'x' * 40_000}')")
    file = Path(str(sqlite_place.url.database))
    with file.open("r+b") as stream:
        stream.seek(-8192, os.SEEK_END)
        stream.write(b"\xff" * 4096)

    refused = refusal(sqlite_place.run("upgrade"), "db.E901", EXIT_FAILED)

    assert refused.fact.startswith("the backup failed: it is damaged: ")
    assert sqlite_place.here.workflow.current() == (COUNTRY,)
    assert sqlite_place.files == leftovers(sqlite_place) == []


def test_a_dump_that_is_not_whole_stops_the_upgrade(postgres_place: Place, tmp_path: Path) -> None:
    """The end of the dump is missing. Its list of contents is complete, so pg_restore reports nothing."""
    programs = Path(postgres_place.settings["postgres_programs"])
    (tmp_path / "pg_restore").symlink_to(programs / "pg_restore")
    (tmp_path / "pg_dump").write_text(f"""#!/bin/sh
case $1 in --version) exec "{programs}/pg_dump" "$@" ;; esac
"{programs}/pg_dump" "$@" | head -c -20
""")
    (tmp_path / "pg_dump").chmod(0o755)
    here = postgres_place.here
    here.configure((here.folder / "application.yaml").read_text().replace(str(programs), str(tmp_path)))

    refused = refusal(postgres_place.run("upgrade", "--backup"), "db.E901", EXIT_FAILED)

    assert "cannot be read" in refused.fact
    assert postgres_place.here.workflow.current() == (COUNTRY,)
    assert postgres_place.files == leftovers(postgres_place) == []


# ---- killed

DUMPING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'antarest-backup-%'"
)
KILL = """
class Killer:
    def __init__(self, at):
        self.at, self.calls = at, 0
    def working(self, what, done, total):
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
    def note(self, text):
        pass
from antarest.migration.backup import Backups
backups = Backups(place.project, place.db, Killer(int(sys.argv[1])))
"""


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(large: Place) -> None:
    (old,) = large.files
    moment = 1
    while (done := large.python(f"{KILL}\nbackups.make()", str(moment))).code == -signal.SIGKILL:
        assert large.files == [old]
        assert len(leftovers(large)) == 1, "what the one before left is tidied up"
        moment += 1

    assert (done.code, done.err) == (0, "")
    assert moment > 2, "it was killed more than once"
    assert len(large.files) == 2
    assert leftovers(large) == []
    assert [backup["rows"] for backup in large.listed()] == [11, 1]


def test_a_restore_that_is_killed_leaves_the_old_or_the_new_database(large: Place) -> None:
    """The restore is killed at every step of its copies, and at every statement that it sends to the server."""
    count_statements = """
from antarest.migration.backup import server
execute = server._execute
def counted(connection, statement):
    killer.working("", 0, 0)
    execute(connection, statement)
    killer.working("", 0, 0)
server._execute = counted
"""
    program = f"{KILL}\nkiller = backups._listener\n{'' if large.is_sqlite else count_statements}"
    program += "\nwith backups.restoring(sys.argv[2]) as prepared:\n    prepared.swap(end_sessions=True)"
    (backup,) = large.files
    old, new = ["France", "Spain"], ["France"]
    seen, moment = [], 1
    while (done := large.python(program, str(moment), str(backup))).code == -signal.SIGKILL:
        seen.append(large.names())
        assert seen[-1] in (old, new)
        if seen[-1] == new:
            large.add("Spain")
        moment += 1

    assert (done.code, done.err) == (0, "")
    assert large.names() == new
    assert old in seen
    assert len(seen) >= 3
    if not large.is_sqlite:
        unfinished = large.query("SELECT datname FROM pg_database WHERE datname LIKE '%restore%'")
        assert [name for (name,) in unfinished if name.startswith(str(large.url.database))] == []


def test_a_dump_whose_parent_was_killed_ends(postgres_place: Place) -> None:
    """Otherwise pg_dump would keep its locks on all tables until its end, and the next upgrade would have to wait."""
    place = postgres_place
    place.here.execute(
        "CREATE TABLE filler (data TEXT)",
        "INSERT INTO filler SELECT string_agg(random()::text, '')"
        " FROM generate_series(1, 300000), generate_series(1, 8) g GROUP BY g",
    )
    assert place.python(f"{KILL}\nbackups.make()", "1").code == -signal.SIGKILL

    while place.query(DUMPING) != [(0,)]:
        pass

    place.done("backup")


# ---- interrupted


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_leaves_nothing(postgres_place: Place, signum: signal.Signals) -> None:
    """The signal comes while pg_dump waits for a table that another session has locked."""
    place = postgres_place
    with connected(place.url) as connection:
        connection.execute(text("LOCK TABLE country"))
        command = [sys.executable, "-m", "antarest.migration", "upgrade", "--backup"]
        with subprocess.Popen(
            command,
            cwd=place.here.folder,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while place.query(f"{DUMPING} AND wait_event_type = 'Lock'") == [(0,)]:
                assert process.poll() is None
            process.send_signal(signum)
            _, said = process.communicate(timeout=60)
        connection.rollback()

    assert process.returncode == 128 + signum, said
    assert "Nothing was changed." in said
    assert place.files == []
    assert leftovers(place) == []


def test_a_backup_under_the_lock_keeps_the_lock(sqlite_place: Place) -> None:
    """If code in this process opened and closed the file, it would drop the lock."""
    program = """
from antarest.migration.database.lock import one_writer
from antarest.migration.database.lock.base import Patience
from antarest.migration.database.connection import moving
from antarest.migration.errors.revision import VersionTable
import subprocess
other = '''
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
'''
with one_writer(place.db, VersionTable(), Patience(1, print)) as writer:
    with moving(place.db, writer.begin) as connection, connection.begin():
        connection.exec_driver_sql("SELECT 1 FROM country")
        place.backups.make()
        done = subprocess.run([sys.executable, "-c", other, str(place.url.database)], capture_output=True, text=True)
        print(done.stderr.splitlines()[-1])
"""
    for mode in ("DELETE", "WAL"):
        with closing(sqlite3.connect(str(sqlite_place.url.database))) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        done = sqlite_place.python(program)
        assert done.out == "sqlite3.OperationalError: database is locked\n", done.err
