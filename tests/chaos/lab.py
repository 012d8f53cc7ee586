"""The databases of the trials: clones of filled databases, which are compared with the results of undisturbed runs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, Self, TypeVar

from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import EngineName, PostgresServer, scratch_database
from tests.chaos.histories.known import PASSAGES, History, Passage
from tests.chaos.processes import HANGS, Command, Running
from tests.chaos.statements import Counting
from tests.chaos.states import State, read_state
from tests.chaos.tools import Tool

_T = TypeVar("_T")
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"


class Broken(Exception):
    """A run failed although nothing disturbed it, so there is nothing to compare with."""


@dataclass(frozen=True)
class Subject:
    """A database at the start of a passage, and the commands that move it.

    Attributes:
        passage: the revision at which the database is, and the one to which it goes.
        url: the database.
        folder: the folder with the configuration, and with the output of the commands.
        tool: the tool that runs the revisions.
        project: where the history is installed.
    """

    passage: Passage
    url: URL
    folder: Path
    tool: Tool
    project: Path

    def start(self, number: int = 0, *, to: str = "", **conditions: Any) -> Running:
        """Start the command that goes to the target of the passage, or to a revision.

        Args:
            number: the number of the command line, if there are several for the same work.
            to: the revision.
            conditions: the conditions of the process, as in `Command`.
        """
        target = to or self.passage.target
        command = self.tool.command(self.project, self.folder, self.passage, to=target, number=number)
        return self.run(command, **conditions)

    def start_threads(self) -> Running:
        """Start a process in which four threads upgrade the database."""
        return self.run(self.tool.threads(self.project, self.folder))

    def run(self, command: Command, **conditions: Any) -> Running:
        """Start a command."""
        return Running(replace(command, **conditions), self.folder / f"{time.monotonic_ns()}.out")

    def counting(self, **wishes: Any) -> Counting:
        """Count the statements that the database is sent, as in `Counting`."""
        return Counting(str(self.url.database), **wishes)

    def wait_until_quiet(self) -> None:
        """Wait until nobody is connected to the database: a server may still work for a killed process for a while."""
        if self.url.get_backend_name() == "sqlite":
            return
        end = time.monotonic() + HANGS
        with create_engine(self.url.set(database="postgres"), poolclass=NullPool).connect() as connection:
            while connection.execute(text(_SESSIONS), {"name": self.url.database}).scalar():
                if time.monotonic() > end:
                    raise Broken(f"somebody is still connected to {self.url.database} after {HANGS} s")
                time.sleep(0.01)
                connection.rollback()


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbs.

    Attributes:
        seconds: how long the run takes.
        statements: the statements that are sent to the database, in order.
        state: the state of the database after the run.
    """

    seconds: float
    statements: list[str]
    state: State


class Lab:
    """One tool on one engine. Each thing that several trials need is made when the first trial asks for it."""

    def __init__(
        self,
        tool: Tool,
        engine: EngineName,
        server: PostgresServer | None,
        folder: Path,
        passages: Sequence[Passage] = PASSAGES,
    ) -> None:
        """Set up the lab.

        Args:
            tool: the tool that runs the revisions.
            engine: the engine.
            server: the server for PostgreSQL databases.
            folder: the folder for projects and configurations. A user without rights must be able to read this folder.
            passages: the passages to run.
        """
        self.tool = tool
        self.engine = engine
        self.passages = passages
        self._server = server
        self._folder = folder
        self._stack = ExitStack()
        self._lock = RLock()
        self._made: dict[tuple[object, ...], Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def on(self, server: PostgresServer) -> Lab:
        """Return the same lab, with databases on another server."""
        return Lab(self.tool, self.engine, server, self._folder, self.passages)

    @contextmanager
    def subject(self, passage: Passage, **db: Any) -> Iterator[Subject]:
        """Create a database for a trial; `db` are settings that only our own tool has."""
        template, project = self._template(passage), self._project(passage.history)
        with (
            scratch_database(self.engine, self._server, template) as url,
            tempfile.TemporaryDirectory(dir=self._folder) as name,
        ):
            subject = Subject(passage, url, Path(name), self.tool, project)
            subject.folder.chmod(0o755)
            self.tool.configure(project, subject.folder, url, **db)
            yield subject

    def undisturbed(self, passage: Passage, number: int = 0) -> Undisturbed:
        """Return the measurements of an undisturbed run, for one of the spellings of its command."""

        def make() -> Undisturbed:
            with self.subject(passage) as subject:
                log = subject.folder / "statements"
                begin = time.monotonic()
                _succeed(subject, number, statements=subject.counting(log=log))
                seconds = time.monotonic() - begin
                return Undisturbed(seconds, log.read_text(encoding="utf-8").splitlines(), read_state(subject.url))

        return self._once(make, "undisturbed", passage, number)

    def reference(self, passage: Passage, revision: str) -> State:
        """Return the state of a database at a revision of a passage, after an undisturbed run."""

        def make() -> State:
            with self.subject(passage) as subject:
                if revision != passage.start:
                    _succeed(subject, to=revision)
                return read_state(subject.url)

        if revision == passage.target:
            return self.undisturbed(passage).state
        return self._once(make, "reference", passage, revision)

    def _project(self, history: History) -> Path:
        def make() -> Path:
            folder = Path(tempfile.mkdtemp(prefix=f"{self.tool.name}-", dir=self._folder), history.name)
            folder.parent.chmod(0o755)
            self.tool.install(history, folder)
            return folder

        return self._once(make, "project", history)

    def _template(self, passage: Passage) -> str:
        def make() -> str:
            url = self._stack.enter_context(scratch_database(self.engine, self._server))
            with tempfile.TemporaryDirectory(dir=self._folder) as name:
                folder = Path(name, "project")
                passage.history.write(folder)
                passage.prepare(url, Project.load(folder / "alembic.ini"))
            return str(url.database)

        return self._once(make, "template", passage)

    def _once(self, make: Callable[[], _T], *key: object) -> _T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            made: _T = self._made[key]
            return made


def _succeed(subject: Subject, number: int = 0, **conditions: Any) -> None:
    ended = subject.start(number, **conditions).wait()
    if ended.code != 0:
        raise Broken(f"the {subject.passage.name}, undisturbed, ended with {ended.code}:\n{ended.said[-2000:]}")
