"""Commands as separate processes, to which faults happen.

A command is forked from a server that has already imported its modules (the `forkserver` of the standard library).
Therefore it starts in milliseconds and not in a second. So twenty commands reach the database at the same moment, and a
thousand trials take only minutes. The process runs the same code as the console script of that name.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from threading import Lock

from tests.chaos import statements

HANGS = 180  # seconds without an end

_PRELOADED = [
    "antarest.migration.commands.table",
    "antarest.migration.environment",
    "antarest.migration.workflow.plan",
    "antarest.dbmodel",
    "alembic.config",
    "alembic.command",
    "alembic.autogenerate.api",
    "invoke.main",
    "logging.config",
    "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite.pysqlite",
]


@dataclass(frozen=True)
class Command:
    """A command line, and the conditions of its process.

    Attributes:
        words: the program (`inv`, `alembic`, or `python -m MODULE`) and its arguments.
        folder: the folder in which the command runs.
        environment: variables to add to the environment.
        statements: which statements are counted, and at which of them the process is killed.
        starts_at: the time at which the process begins to work, as `time.time()` returns it.
        user: the number of the user as whom the command runs; only root can choose.
        largest_file: how many bytes the command can write into one file, as on a full disk.
    """

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    statements: statements.Counting | None = None
    starts_at: float = 0
    user: int | None = None
    largest_file: int | None = None


# The start of a process reads the exit codes of those that have ended, also those of other threads. If two threads read
# the same one, the second gets 255.
_READING = Lock()


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code and its output.

    A negative exit code is the signal that killed the process. None means that the process did not end, and had to be
    killed.
    """

    code: int | None
    said: str


class Running:
    """A command that runs."""

    def __init__(self, command: Command, output: Path) -> None:
        """Start the command; `output` is the file for its output."""
        self._output = output
        output.touch()
        output.chmod(0o666)  # also for the user that it may run as
        self._process: ForkServerProcess = _context().Process(
            target=_live, args=(command, _console_script(command.words[0]), str(output)), daemon=True
        )
        with _READING:
            self._process.start()

    def kill(self) -> None:
        """Kill the process and the processes that it started, as `kill -9` does."""
        pid = self._process.pid
        assert pid
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._process.kill()  # before it has its own process group

    def wait(self, seconds: float = HANGS) -> Ended:
        """Wait for the end of the process; kill it if it does not end in time."""
        code = self._exit_code(seconds)
        if code is None:
            self.kill()
            self._exit_code(HANGS)
        return Ended(code, self._output.read_text(errors="replace"))

    def _exit_code(self, seconds: float) -> int | None:
        wait([self._process.sentinel], seconds)  # Other threads can start processes here, because nothing is read yet.
        with _READING:
            self._process.join(0)
            return self._process.exitcode


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


@cache
def _console_script(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group="console_scripts", name=name)), None)


def _live(command: Command, script: EntryPoint | None, output: str) -> None:
    """Set the conditions, then run the console script or the module of `python -m`. This is the code of the process."""
    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(file, number)
        setattr(sys, name, os.fdopen(number, "w", closefd=False))
    os.close(file)
    os.chdir(command.folder)
    os.environ.update(command.environment)
    if command.statements:
        command.statements.begin()
    if command.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (command.largest_file, command.largest_file))
    if command.user is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(command.user)
        os.setuid(command.user)
    if command.starts_at:
        time.sleep(max(0, command.starts_at - time.time()))
    if script:
        sys.argv = list(command.words)
        sys.exit(script.load()())
    _python, _m, module, *arguments = command.words
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
