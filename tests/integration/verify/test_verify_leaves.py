"""`inv db.verify` leaves nothing behind, also if it is stopped, except the databases that it should keep."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, inspect, make_url, text

from antarest.migration.commands.rendering.proof_groups import NAMES
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.scratch.databases import PostgresServer
from tests.support.projects.checkouts import ROOT, Run
from tests.support.projects.histories import Script, write_project
from tests.support.projects.suites import execute
from tests.support.projects.verify import ini_of

pytestmark = pytest.mark.usefixtures("scratch_here")  # The commands start no server.
MODULE = ("python", "-m", "antarest.migration", "verify")
HANGS = 300


# ---- when it is asked to


def test_the_databases_around_a_finding_are_kept_when_asked(
    run: Run, tmp_path: Path, postgres: PostgresServer, request: pytest.FixtureRequest
) -> None:
    found = tmp_path / "found.json"
    where = {"TMPDIR": str(tmp_path)}

    done = run(*MODULE, f"--project={ini_of('downgrade_forgets_index')}", "--keep", f"--json={found}", env=where)

    kept = {(each["engine"], each["when"]): make_url(each["url"]) for each in json.loads(found.read_text())["kept"]}
    names = [str(url.database) for (engine, _), url in kept.items() if engine == "postgresql"]
    request.addfinalizer(lambda: _drop(postgres, names))
    assert {each["revision"] for each in json.loads(found.read_text())["kept"]} == {"b00000000000"}
    for (engine, when), url in kept.items():
        assert f"  {when} b00000000000 on {NAMES[engine]}: {url.render_as_string()}\n" in done.out
        at = url if engine == "sqlite" else postgres.url.set(database=url.database)
        with create_engine(at, poolclass=NullPool).connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM river")) > 0
            indexes = {index["name"] for index in inspect(connection).get_indexes("river")}
            assert indexes == ({"ix_river_name"} if when == "after" else set())
    assert sorted(kept) == [(engine, when) for engine in ("postgresql", "sqlite") for when in ("after", "before")]


def test_nothing_is_kept_of_a_history_without_a_fault(run: Run, tmp_path: Path) -> None:
    done = run(*MODULE, f"--project={ini_of('clean_move')}", "--keep", env={"TMPDIR": str(tmp_path)})

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert list(tmp_path.iterdir()) == []


def _drop(server: PostgresServer, names: list[str]) -> None:
    for name in names:
        execute(server.url, f'DROP DATABASE "{name}"')


# ---- when it is stopped

SLOW = (
    Script("first"),
    Script("second", "import time; time.sleep(600)"),
)


@pytest.fixture
def scratch(postgres: PostgresServer) -> Iterator[_Scratch]:
    found = _Scratch(postgres)
    yield found
    found.close()


class _Scratch:
    """The databases that all proofs on this server have created in the meantime."""

    def __init__(self, server: PostgresServer) -> None:
        self._engine = create_engine(server.url, poolclass=NullPool)
        self._before = self._all()

    def new(self) -> set[str]:
        """Return the databases that did not exist at the beginning."""
        return self._all() - self._before

    def close(self) -> None:
        """Close the connection to the server."""
        self._engine.dispose()

    def _all(self) -> set[str]:
        query = text("SELECT datname FROM pg_database WHERE starts_with(datname, 'antarest_verify_')")
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())


def _folders_of(process: subprocess.Popen[str]) -> list[Path]:
    """Return the folders that a process has created for its proof, and keeps open."""
    opened = [path.readlink() for path in Path(f"/proc/{process.pid}/fd").iterdir()]
    return [path for path in opened if path.name.startswith("antarest-verify-")]


def test_what_one_leaves_that_is_killed_is_gone_with_the_next(tmp_path: Path, scratch: _Scratch, run: Run) -> None:
    """The processes of the proof end with it. A later proof deletes its folder, which must be older than a minute."""
    project = write_project(tmp_path, *SLOW)
    command = [sys.executable, "-m", "antarest.migration", "verify", f"--project={project.ini}"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            next(line for line in process.stdout if line.startswith("first "))
            made = scratch.new()
        finally:
            process.kill()
        process.communicate(timeout=HANGS)  # Its output ends with the last of its processes.

    assert made & scratch.new()
    deadline = time.monotonic() + HANGS
    while made & scratch.new():  # Some may belong to other tests, and the server needs a moment to notice the end.
        assert time.monotonic() < deadline, made & scratch.new()
        assert run(*MODULE, f"--project={ini_of('clean_irreversible')}").code == EXIT_DONE


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_who_stops_it_learns_what_is_proved_so_far(
    tmp_path: Path, scratch: _Scratch, number: signal.Signals, code: int
) -> None:
    """The databases and the folder are deleted when it ends."""
    project = write_project(tmp_path, *SLOW)
    found = tmp_path / "found.json"
    program = str(Path(sys.executable).with_name("antarest-verify"))
    command = [program, f"--project={project.ini}", f"--json={found}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            next(line for line in process.stdout if line.startswith("first "))
            made, folders = scratch.new(), _folders_of(process)
            process.send_signal(number)
            out, err = process.communicate(timeout=HANGS)
        finally:
            process.kill()

    assert process.returncode == code, err
    for engine in ("SQLite", "PostgreSQL"):
        assert f"\nnot proved: second on {engine}: it was not reached\n" in out
    assert re.search(r"2 not proved: 2 revisions on SQLite and PostgreSQL in \d+\.\d s; interrupted$", out.strip())
    again = re.fullmatch(r"\ninterrupted: nothing was changed\n  Prove it again:   (\S+) (\S+).*\n", err)
    assert again, err
    assert (Path(again[1]).name, again[2]) == ("antarest-verify", f"--project={project.ini}")
    assert json.loads(found.read_text())["complete"] is False
    assert made
    assert [path.exists() for path in folders] == [False]
    deadline = time.monotonic() + HANGS
    while made & scratch.new():  # Some may belong to other tests, which soon delete them too.
        assert time.monotonic() < deadline, made & scratch.new()
        time.sleep(0.1)
