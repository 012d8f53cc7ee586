"""The boundary of each program: what it works with, and how an error becomes a text and an exit code.

`python -m antarest.migration`, Invoke's tasks and the launchers share it, so that they fail alike.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from types import FrameType
from typing import TextIO

from ..database.signals import Stopped, insisting
from ..errors.base import EXIT_FAILED, EXIT_INTERRUPTED, AntarestError
from ..errors.facts.run import UnexpectedFailure
from ..errors.rendering import interrupted, render_error, render_error_json
from ..errors.settings.config import Config, load_config
from ..errors.settings.db_config import with_lock_timeout
from ..errors.settings.urls import redact
from ..errors.text import fields
from ..project.project import Project
from ..workflow.workflow import MigrationWorkflow
from .progress import Progress


class _Answer:
    """What a signal does, as handler of SIGINT and SIGTERM.

    Before anything has begun it ends the process; while the command runs it raises `Stopped`; once it is known how the
    command ended, it does nothing, so that this is told: only a second one ends that, where nobody takes what is told.
    It is one handler with a state, since between two handlers there would be a moment for a traceback.
    """

    def __init__(self) -> None:
        self.is_running = self.is_told = self._came_late = False

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        if self.is_told and not self._came_late:
            self._came_late = True
        elif self.is_told or not self.is_running:
            os._exit(128 + signum)
        else:
            raise Stopped(signum)  # No KeyboardInterrupt: where that leaves `exec`, Python ends by it in any case.

    @contextmanager
    def in_place(self, *, always: bool) -> Iterator[None]:
        """Answer inside, in the main thread; no other can."""
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


class Session:
    """What a command works with, made when it is first needed."""

    def __init__(
        self,
        config: str | None,
        project: str | Project | None,
        lock_timeout: str | None = None,
        *,
        backup: bool = False,
    ) -> None:
        self._config_path = config
        self._project = project
        self._lock_timeout = lock_timeout
        self._backup = backup
        self.progress = Progress(sys.stdout)

    @property
    def named(self) -> str:
        """The configuration that the command line named; empty where it named none."""
        return self._config_path or ""

    @property
    def project_name(self) -> str | None:
        """The `alembic.ini` that the command line named; None where it named none."""
        return str(self._project.ini) if isinstance(self._project, Project) else self._project

    @cached_property
    def project(self) -> Project:
        """The Alembic project."""
        return self._project if isinstance(self._project, Project) else Project.load(self._project)

    @cached_property
    def config(self) -> Config:
        """The configuration."""
        config = load_config(self._config_path, sections=self.project.settings())
        db = with_lock_timeout(config.db, self._lock_timeout, "--lock-timeout")
        return replace(config, db=replace(db, backup=db.backup or self._backup))

    @cached_property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on the configured database, with progress on the standard output."""
        return MigrationWorkflow.from_config(self.config, self.project, listener=self.progress)

    def introduce(self) -> None:
        """Say which file was used and which database it names."""
        self.say(("configuration", str(self.config.source)), ("database", self.workflow.database))

    def say(self, *facts: tuple[str, str]) -> None:
        """Print facts, one a line."""
        self.print(fields(facts))

    def print(self, text: str) -> None:
        """Print a text at once: whoever reads a pipe should not wait for the end."""
        print(text, flush=True)

    def redact(self, text: str) -> str:
        """Take the passwords of the configuration out of a text, where it was read."""
        if "config" not in self.__dict__:
            return text
        urls = [url for url in (self.config.db.url, self.config.db.admin_url) if url is not None]
        return redact(text, *urls)

    def known(self, error: Exception) -> AntarestError:
        """The error in our words, whatever it was, with ways on that lead to the same configuration."""
        known = error if isinstance(error, AntarestError) else UnexpectedFailure(self.redact(_one_line(error)))
        known.config = self.named
        return known


def guard(
    session: Session, call: Callable[[], int], *, always: bool = False, debug: bool = False, json: bool = False
) -> int:
    """Do what a command does, and print its error, if it ends with one; Ctrl-C and SIGTERM undo what is not finished.

    Args:
        session: what it works with.
        call: what it does; returns the exit code.
        always: heed signals also where whoever started the program lets it ignore them, as a shell does with Ctrl-C in
            the background; and the first process of a container has no default for either.
        debug: whether the traceback of an error is shown too.
        json: whether an error is printed as JSON, on the standard output.

    Returns:
        The exit code.
    """
    answer = _Answer()
    with answer.in_place(always=always):
        # Python serves no signal between the beginning of a block and an assignment like these.
        try:
            answer.is_running = True
            try:
                with insisting():
                    code = call()
                with suppress(BrokenPipeError):  # Anything else is an error: what was to be written is not whole.
                    sys.stdout.flush()
                _flush(sys.stdout)
                answer.is_told = True
            except BrokenPipeError:  # The reader of our output has gone, as with `| head`.
                answer.is_told = True
                _flush(sys.stdout)
                code = EXIT_FAILED
            except Exception as error:  # noqa: BLE001 - this is the one boundary where nothing may pass
                answer.is_told = True
                code = tell(session, error, debug=debug, json=json)
        except KeyboardInterrupt as interruption:
            answer.is_told = True
            _stop_progress(session)
            _complain(f"\n{interrupted(session.named)}")
            code = interruption.exit_code if isinstance(interruption, Stopped) else EXIT_INTERRUPTED
    return code


def tell(session: Session, error: Exception, *, debug: bool = False, json: bool = False) -> int:
    """Print an error, whatever it was.

    Args:
        session: what the command worked with.
        error: what ended it.
        debug: whether its traceback is shown too.
        json: whether it is printed as JSON, on the standard output.

    Returns:
        The exit code.
    """
    known = session.known(error)
    _stop_progress(session)
    if debug:
        _complain(session.redact("".join(traceback.format_exception(error))))
    if not json:
        return print_error(known)
    with suppress(OSError):
        print(render_error_json(known))
    _flush(sys.stdout)
    return known.exit_code


def print_error(error: AntarestError) -> int:
    """Print an error, and return its exit code."""
    _complain(render_error(error))
    return error.exit_code


def _stop_progress(session: Session) -> None:
    """What comes next has a line of its own, and comes after what was printed."""
    with suppress(OSError):
        session.progress.stop()
    _flush(sys.stdout)


def _complain(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
    _flush(sys.stderr)


def _flush(stream: TextIO) -> None:
    """Write what is left. What nobody takes is discarded: Python would try once more as it ends, and complain."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _one_line(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
