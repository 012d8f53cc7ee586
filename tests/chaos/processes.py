"""Commands as processes of their own, which meet what happens to processes.

A command is forked from a server that has imported its modules already (the standard library's `forkserver`): it starts
in milliseconds and not in a second, so that twenty starters meet at the database and not on their way to it, and a
thousand trials fit into minutes. What runs in the process is what the console script of that name runs.
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
    """A command line, and what shall happen to its process.

    Attributes:
        words: the program and its arguments: `inv`, `alembic`, or `python -m MODULE`.
        folder: where it is run.
        environment: variables to add to the environment.
        statements: which of its statements are counted, and which one it does not survive.
        starts_at: the time at which it goes on from its start, as `time.time()` tells it.
        user: whom it runs as, by number; only root can choose.
        largest_file: how many bytes it can write into one file, as on a full disk.
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
    """How a process ended: its exit code (negative: the signal that killed it, None: it had to be) and its words."""

    code: int | None
    said: str


class Running:
    """A command that runs."""

    def __init__(self, command: Command, output: Path) -> None:
        """Start it; `output` takes what it prints."""
        self._output = output
        output.touch()
        output.chmod(0o666)  # also for the user that it may run as
        self._process: ForkServerProcess = _context().Process(
            target=_live, args=(command, _console_script(command.words[0]), str(output)), daemon=True
        )
        with _READING:
            self._process.start()

    def kill(self) -> None:
        """Kill it and the processes that it started, as `kill -9` does."""
        pid = self._process.pid
        assert pid
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._process.kill()  # before it has a group of its own

    def wait(self, seconds: float = HANGS) -> Ended:
        """Wait for its end; it is killed when that does not come."""
        code = self._exit_code(seconds)
        if code is None:
            self.kill()
            self._exit_code(HANGS)
        return Ended(code, self._output.read_text(errors="replace"))

    def _exit_code(self, seconds: float) -> int | None:
        wait([self._process.sentinel], seconds)  # Others can start theirs meanwhile: nothing is read yet.
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
    """The code of the process: it sets the conditions, then runs the console script, or the module of `python -m`."""
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
