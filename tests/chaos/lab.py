"""The databases of the trials: cloned from ones that are filled, and compared with what undisturbed runs arrive at."""

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
    """A run that nothing disturbed failed, so that there is nothing to compare with."""


@dataclass(frozen=True)
class Subject:
    """A database at the start of a passage, and the commands that move it.

    Attributes:
        passage: where it is to go.
        url: the database.
        folder: the folder with the configuration, and with what the commands print.
        tool: who moves it.
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
            number: which of the ways to say it.
            to: the revision.
            conditions: what shall happen to its process, as in `Command`.
        """
        target = to or self.passage.target
        command = self.tool.command(self.project, self.folder, self.passage, to=target, number=number)
        return self.run(command, **conditions)

    def start_threads(self) -> Running:
        """Start a process in which four threads upgrade it."""
        return self.run(self.tool.threads(self.project, self.folder))

    def run(self, command: Command, **conditions: Any) -> Running:
        """Start a command."""
        return Running(replace(command, **conditions), self.folder / f"{time.monotonic_ns()}.out")

    def counting(self, **wishes: Any) -> Counting:
        """Count the statements that it is sent, as in `Counting`."""
        return Counting(str(self.url.database), **wishes)

    def wait_until_quiet(self) -> None:
        """Wait until nobody is connected to it: on a server, who was killed may still be served for a while."""
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
        seconds: how long it takes.
        statements: what is sent to the database, in order.
        state: what the database is then.
    """

    seconds: float
    statements: list[str]
    state: State


class Lab:
    """One tool on one engine. Everything that several trials need is made when the first one asks for it."""

    def __init__(
        self,
        tool: Tool,
        engine: EngineName,
        server: PostgresServer | None,
        folder: Path,
        passages: Sequence[Passage] = PASSAGES,
    ) -> None:
        """Set it up.

        Args:
            tool: who runs the revisions.
            engine: the engine.
            server: where PostgreSQL databases are made.
            folder: where projects and configurations are written; who has no rights must be able to read it.
            passages: what is run.
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
        """The same with databases on another server."""
        return Lab(self.tool, self.engine, server, self._folder, self.passages)

    @contextmanager
    def subject(self, passage: Passage, **db: Any) -> Iterator[Subject]:
        """A database to do something to; `db` are settings that only we have."""
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
