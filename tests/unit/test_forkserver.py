"""The server that forks: it ends with its owner, keeps nothing, and says when it cannot serve."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import processes
from tests.support.programs.both_ways import HANGS, both, code, started
from tests.support.programs.processes import FRESH_VARIABLE, Popen, _server
from tests.support.projects.checkouts import ROOT


@pytest.fixture(autouse=True)
def _forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork here, even if all other tests start new processes."""
    monkeypatch.delenv(FRESH_VARIABLE, raising=False)


def test_a_fork_that_fails_is_an_error() -> None:
    with pytest.raises(AssertionError, match="the fork failed"):
        Popen(code(""), process_group=4_194_303)  # a group that nobody is in

    assert started(*code("print(1)"))[:2] == (0, "1\n")


PRINTS = """
import sys
from tests.support.programs import processes
program = "import alembic.config; print('a'); alembic.config.Config().print_stdout('b'); print('c')"
with processes.Popen([sys.executable, "-c", program]):
    pass
print(len([*processes._server().imported]) > 0)
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_was_imported_prints_to_the_same_streams(unbuffered: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stdout == "a\nb\nc\nTrue\n"


OWNER = """
import os, signal, subprocess, sys
from tests.support.programs import processes
program = [sys.executable, "-c", "import os; print(os.getpid())"]
with processes.Popen(program, stdout=subprocess.PIPE) as process:
    process.wait()
print(processes._server()._process.pid, flush=True)
sys.stdin.read()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("end", "ended"), [("killed", -signal.SIGKILL), ("", 0)])
def test_the_server_ends_with_its_owner(end: str, ended: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-Xdev", "-c", OWNER, end],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as owner:
        assert owner.stdout
        watched = os.pidfd_open(int(owner.stdout.readline()))
        assert owner.communicate()[1] == b""
        assert owner.returncode == ended

    assert select.select([watched], [], [], HANGS)[0]
    os.close(watched)


def test_the_server_goes_on_after_ctrl_c() -> None:
    """The signal reaches the server too. pytest ends then, but its fixtures still need the server."""
    started(*code(""))

    os.kill(_server()._process.pid, signal.SIGINT)

    assert started(*code("print(1)"))[:2] == (0, "1\n")


def test_what_is_no_child_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could know how such a process ended."""
    monkeypatch.setattr(processes, "_PR_SET_CHILD_SUBREAPER", 0)

    with pytest.raises(ChildProcessError):
        Popen(code(""))


def test_the_server_keeps_nothing_of_what_it_has_started() -> None:
    started(*code(""))
    server = Path(f"/proc/{_server()._process.pid}")
    before = sorted(path.name for path in (server / "fd").iterdir())

    both(*code("1 / 0"))

    assert sorted(path.name for path in (server / "fd").iterdir()) == before
    assert len(list((server / "task").iterdir())) == 1
    assert [(task / "children").read_text() for task in (server / "task").iterdir()] == [""]


def test_an_orphan_of_somebody_else_is_not_adopted() -> None:
    text = """
import os, time
parent = os.getpid()
if not os.fork():
    while os.getppid() == parent:
        time.sleep(0.01)
    print(os.getppid())
"""
    assert int(started(*code(text))[1]) != os.getpid()
