"""Runs in separate processes: started together, stopped in the middle, or killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg2
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_LOCKED
from tests.support.checks.refusals import Refusal, refusal
from tests.support.programs.processes import Popen
from tests.support.projects.checkouts import ROOT, Result
from tests.support.projects.histories import Database

HANGS = 300
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Counts the locks in this database."""

GATE = """\
import os, pathlib, time
pathlib.Path(os.environ["AT_GATE"]).touch()
while not pathlib.Path(os.environ["GATE"]).exists():
    time.sleep(0.02)
"""
"""The body of a revision that waits until it is let through; what follows runs then."""

API = """
import sys
from antarest.core.config import load_config
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors import listener
from antarest.migration.project.project import Project
from antarest.migration.workflow import MigrationWorkflow
class Listener(listener.Listener):
    def note(self, text):
        print(text, flush=True)
try:
    move = MigrationWorkflow.from_config(load_config(), Project.load("alembic.ini"), listener=Listener()).upgrade()
except AntarestError as error:
    sys.exit(error.exit_code)
print("upgraded" if move.steps else "nothing to do")
"""


@dataclass
class Run:
    """A running command.

    Attributes:
        process: the process of the command.
        out: the output, after the command was refused.
        heard: the output that was read while the command ran.
        ticks: the CPU time when it was read first.
    """

    process: subprocess.Popen[str]
    out: str = ""
    heard: str = ""
    ticks: int = 0

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    def says(self, text: str, *, logs: bool = False) -> str:
        """Wait until the command prints or logs a line with this text, and return the line."""
        stream = self.process.stderr if logs else self.process.stdout
        assert stream
        end = threading.Timer(HANGS, self.process.kill)  # A command that waits for the test would never end.
        end.start()
        try:
            for line in stream:
                self.heard += line
                if text in line:
                    return line
        finally:
            end.cancel()
        raise AssertionError(f"it never said {text!r}:\n{self.heard}{self.process.communicate()}")

    def end(self) -> Result:
        """Wait until the command has ended."""
        out, err = self.process.communicate(timeout=HANGS)
        result = Result(self.process.returncode, self.heard + out, err)
        assert "Traceback" not in out + err, err
        return result


@dataclass
class Runner:
    """Starts commands on one database and project, and kills the running ones at the end.

    Attributes:
        database: the database and its project.
        folder: the folder for the configuration and the gate.
        settings: further settings of the section db.
    """

    database: Database
    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate, self.at_gate = self.folder / "gate", self.folder / "at_gate"
        self.config = self.folder / "run.yaml"
        self.configure(self.database.url, **self.settings)

    def configure(self, url: URL, **settings: object) -> None:
        """Write the configuration that the next commands read."""
        lines = [f"url: {url.render_as_string(hide_password=False)}", *(f"{k}: {v}" for k, v in settings.items())]
        self.config.write_text("db:\n" + "".join(f"  {line}\n" for line in lines))

    def start(self, *command: str, **env: str) -> Run:
        """Start a command in the folder of the project; "python" is this interpreter."""
        programs = {"python": sys.executable}
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        paths = {"GATE": str(self.gate), "AT_GATE": str(self.at_gate), "ANTAREST_CONF": str(self.config)}
        process = Popen(
            [programs.get(word, word) for word in command],
            cwd=self.database.project.root,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": search, **paths, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.runs.append(Run(process))
        return self.runs[-1]

    def module(self, verb: str, *flags: str) -> Run:
        """Start a command of ours."""
        return self.start("python", "-m", "antarest.migration", verb, *flags)

    def started(self, verb: str = "upgrade", *flags: str) -> Run:
        """Start a command of ours, and wait until it has the lock and waits at the gate."""
        run = self.module(verb, *flags)
        self.wait_for(lambda: self.at_gate.exists() or run.process.poll() is not None)
        assert self.at_gate.exists(), run.end()
        return run

    def open(self) -> None:
        """Let the commands at the gate continue."""
        self.gate.touch()

    @staticmethod
    def wait_for(is_so: Callable[[], object]) -> None:
        """Wait until the condition is true."""
        end = time.monotonic() + HANGS
        while not is_so():
            assert time.monotonic() < end, "it hangs"
            time.sleep(0.02)

    @contextmanager
    def ending(self) -> Iterator[Runner]:
        """Kill the commands that still run after the block."""
        try:
            yield self
        finally:
            for run in self.runs:
                run.process.kill()
                run.process.wait(HANGS)
                for stream in (run.process.stdout, run.process.stderr):
                    _close(stream)


def _close(stream: IO[str] | None) -> None:
    if stream:
        stream.close()


Start = Callable[..., Runner]  # the type of the fixture "runner"


@contextmanager
def session(url: URL, *statements: str) -> Iterator[Any]:
    """Open another session, with a transaction in which these statements were run."""
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
            yield connection
        return
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(text, application_name="somebody")) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        yield connection


def refused(run: Run, code: str, exit_code: int = EXIT_LOCKED) -> Refusal:
    """Return the error of a run, without the log of Alembic before it."""
    ended = run.end()
    run.out = ended.out
    return refusal(Result(ended.code, ended.out, ended.err[max(ended.err.find("error "), 0) :]), code, exit_code)
