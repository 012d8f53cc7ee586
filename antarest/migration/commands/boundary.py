"""Runs each command: provides its configuration and workflow, and turns an error into a text and an exit code.

`python -m antarest.migration`, Invoke's tasks and the launchers share this code, and print the same errors.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from types import FrameType

from sqlalchemy import URL

from ..database.signals import Stopped, insisting
from ..errors.base import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, NOTHING_CHANGED, AntarestError, Hint
from ..errors.facts.run import NotReported, OutputFailed
from ..errors.rendering import interrupted, render_error, render_error_json
from ..errors.settings.commands import repeating
from ..errors.settings.config import Config, load_config
from ..errors.settings.db_config import DbConfig, with_lock_timeout
from ..errors.settings.urls import redact
from ..errors.text import fields
from ..project.project import Project
from ..project.settings import VARIABLE, others_around
from ..project.staging import delete_left
from ..workflow.workflow import MigrationWorkflow
from .explained import explain, masked
from .output import Output, complain
from .progress import Progress


class _SignalHandler:
    """Handles SIGINT and SIGTERM during the whole life of a command.

    Before the command begins, a signal ends the process. While the command runs, a signal raises `Stopped`. After the
    exit code is decided, the first signal does nothing, so that the whole result is printed. A second signal ends the
    process, because the process may wait for a reader of its output.
    """

    def __init__(self) -> None:
        self.is_running = self.is_decided = self._came_late = False

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        if self.is_decided and not self._came_late:
            self._came_late = True
        elif self.is_decided or not self.is_running:
            os._exit(128 + signum)
        else:
            raise Stopped(signum)  # A plain KeyboardInterrupt that leaves `exec` would end Python in any case.

    @contextmanager
    def in_place(self, *, always: bool) -> Iterator[None]:
        """Handle signals inside the `with` block, if this is the main thread.

        With `always`, handle even ignored signals.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        ours = [each for each, handler in before.items() if always or handler is not signal.SIG_IGN]
        for each in ours:
            signal.signal(each, self)
        try:
            yield
        finally:
            for each in ours:
                signal.signal(each, before[each])


class CommandContext:
    """The configuration, project and workflow of a command. Each of these is created when it is first needed."""

    def __init__(
        self,
        config: str | None,
        project: str | Project | None,
        lock_timeout: str | None = None,
        *,
        backup: bool = False,
        or_own: bool = False,
        x: Sequence[str] = (),
        only_looks: bool = False,
        json: bool = False,
    ) -> None:
        self._config_path = config
        self._project = project
        self._lock_timeout = lock_timeout
        self._backup = backup
        self._or_own = or_own
        self._x = tuple(x)
        self.only_looks = only_looks  # such a command prints no error if the reader of its output ends, as in `| head`
        self.again: Hint | None = None  # the next step after Ctrl-C, for a command that changes no database of the user
        self.output = Output(sys.stdout)
        self.progress = Progress(Output(sys.stderr) if json else self.output)

    @property
    def named(self) -> str:
        """The configuration file that the command line names; empty if no file is named."""
        return self._config_path or ""

    @property
    def project_named(self) -> str:
        """The value of `--project` on the command line; empty if the flag is missing."""
        return self._project if isinstance(self._project, str) else ""

    @property
    def project_name(self) -> str | None:
        """The `alembic.ini` that the command line names; None if no file is named."""
        return str(self._project.ini) if isinstance(self._project, Project) else self._project

    @cached_property
    def project(self) -> Project:
        """The Alembic project."""
        if isinstance(self._project, Project):
            return self._project
        project = replace(Project.load(self._project, or_own=self._or_own), x_arguments=self._x)
        for left in delete_left(project):
            complain(f"removed {left}: a killed command has left it. Each file of the project is complete.\n")
        return project

    @cached_property
    def config(self) -> Config:
        """The configuration, with the values of the flags for the lock timeout and the backup."""
        config = load_config(self._config_path, sections=self.project.settings(), home=self.project.root)
        db = with_lock_timeout(config.db, self._lock_timeout, "--lock-timeout")
        return replace(config, db=replace(db, backup=db.backup or self._backup))

    @property
    def db(self) -> DbConfig | None:
        """The configured database; None if there is no configuration, which some commands do not need."""
        try:
            return self.config.db
        except AntarestError:
            return None

    @cached_property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on the configured database. It reports its progress to `progress`."""
        is_found = self._project is None and not os.environ.get(VARIABLE)
        others = others_around(self.project.ini, self.config.source) if is_found else ()
        return MigrationWorkflow.from_config(self.config, self.project, listener=self.progress, others=others)

    def introduce(self) -> None:
        """Print the project, the configuration file, and the database in the configuration."""
        facts = [("project", str(self.project.ini)), ("configuration", str(self.config.source))]
        self.print(fields([*facts, ("database", self.workflow.database)]))

    def print(self, text: str) -> None:
        """Print a result or the next step of the command. If this fails, the command must end; see `Output`.

        Raises:
            OutputFailed: the text cannot be printed.
        """
        self.output.print(text)

    def report(self, text: str) -> None:
        """Print a step that the command has done, if necessary on another stream; see `Output`."""
        self.output.report(text)

    def say(self, *facts: tuple[str, str]) -> None:
        """Report values, each with its name, one on each line."""
        self.report(fields(facts))

    def redact(self, text: str) -> str:
        """Mask the passwords of the configuration in a text."""
        return redact(text, *self._urls)

    @property
    def _urls(self) -> Sequence[URL]:
        """The URLs of the configuration; empty if there is none, or if it cannot be read."""
        try:
            return self.db.urls if self.db else ()
        except Exception:  # noqa: BLE001 - matters less than the error that is explained
            return ()

    def last_words(self, interruption: KeyboardInterrupt) -> str:
        """Return the message after Ctrl-C or SIGTERM."""
        is_at_question = isinstance(interruption, Stopped) and interruption.is_at_question and not self.progress.end
        is_unchanged = self.only_looks or self.again is not None or is_at_question
        return interrupted(self.progress.end, only_looks=is_unchanged, again=self.again)

    def known(self, error: BaseException) -> AntarestError:
        """Return an error of this package that explains an error of any kind to the user."""
        known = explain(error, self.config.db.migration_url if "config" in self.__dict__ else None, *self._urls)
        known = masked(known, *self._urls)
        if known is not error:
            undone = NOTHING_CHANGED if self.only_looks else "What was not committed was rolled back."
            known.state = f"The database is at {self.progress.end}. {undone}" if self.progress.end else undone
        elif self.progress.end and known.state == NOTHING_CHANGED:  # An earlier part of the command was committed.
            known.state = f"The database is at {self.progress.end}; what the lines above say was done stays."
        return known


def guard(
    context: CommandContext, call: Callable[[], int], *, always: bool = False, debug: bool = False, json: bool = False
) -> int:
    """Run a command, and print the error that ends the command. Ctrl-C and SIGTERM undo everything not committed.

    Args:
        context: the context of the command.
        call: the command, as a function that returns the exit code.
        always: whether to handle even the signals that this process was started to ignore. For example, a shell starts
            background commands so that they ignore Ctrl-C.
        debug: whether the traceback of an error is printed too.
        json: whether an error is printed as JSON, on the standard output.

    Returns:
        The exit code.
    """
    handler = _SignalHandler()
    code = EXIT_FAILED
    with handler.in_place(always=always), repeating(config=context.named, project=context.project_named):
        # Python calls no signal handler between the beginning of a block and an assignment such as these.
        try:
            handler.is_running = True
            try:
                with insisting():
                    code = call()
                handler.is_decided = True
                context.output.finish()
                if context.output.failure and code == EXIT_DONE:
                    raise NotReported(context.output.failure)  # noqa: TRY301 - every error is printed in one place
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - every error ends here
                handler.is_decided = True
                code = tell(context, error, debug=debug, json=json)
        except KeyboardInterrupt as interruption:
            handler.is_decided = True
            context.progress.stop()
            complain(f"\n{context.last_words(interruption)}")
            code = interruption.exit_code if isinstance(interruption, Stopped) else EXIT_INTERRUPTED
    return code


def tell(context: CommandContext, error: BaseException, *, debug: bool = False, json: bool = False) -> int:
    """Print an error of any kind.

    Args:
        context: the context of the command.
        error: the error that ended the command.
        debug: whether the traceback of the error is printed too.
        json: whether the error is printed as JSON, on the standard output.

    Returns:
        The exit code.
    """
    known = context.known(error)
    context.progress.stop()
    context.output.finish()
    if debug:
        complain(context.redact("".join(traceback.format_exception(error))))
    if json and not context.output.failure:
        context.output.write(f"{render_error_json(known)}\n")
    elif not (isinstance(known, OutputFailed) and known.is_gone and context.only_looks):
        print_error(known)
    return known.exit_code


def print_error(error: AntarestError) -> int:
    """Print an error, and return its exit code."""
    complain(render_error(error))
    return error.exit_code
