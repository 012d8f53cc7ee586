"""The boundary of each program: what it works with, and how an error becomes a text and an exit code.

`python -m antarest.migration`, Invoke's tasks and the launchers share it, so that they fail alike.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from types import FrameType
from typing import Any

from antarest.core.config import Config, load_config, with_lock_timeout
from antarest.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, AntarestError
from antarest.core.urls import redact
from antarest.migration import report
from antarest.migration.errors import UnexpectedFailure
from antarest.migration.progress import Progress
from antarest.migration.project import Project
from antarest.migration.signals import Stopped, insisting
from antarest.migration.workflow import MigrationWorkflow

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def terminating(*, always: bool = False) -> Iterator[None]:
    """Let SIGTERM end whatever runs inside as Ctrl-C does, by `Stopped` in the main thread.

    Args:
        always: also where whoever started the program lets it ignore them, as a shell does with Ctrl-C in the
            background; and the first process of a container has no default for either.
    """

    def stop(signum: int, _frame: FrameType | None) -> None:
        raise Stopped(signum)  # No KeyboardInterrupt itself: where that leaves `exec`, Python ends by it in any case.

    with _handled({each: stop for each in _SIGNALS if always or signal.getsignal(each) is not signal.SIG_IGN}):
        yield


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Handle signals so, inside, where this is the main thread; no other can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _last_word() -> AbstractContextManager[None]:
    """Once it is known how a command ended, no signal changes that, or keeps it from being said."""
    return _handled(dict.fromkeys(_SIGNALS, signal.SIG_IGN))


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
        config = load_config(self._config_path)
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
        self.print(report.fields(facts))

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


def guard(session: Session, call: Callable[[], int], *, debug: bool = False, json: bool = False) -> int:
    """Do what a command does, and print its error, if it ends with one.

    Args:
        session: what it works with.
        call: what it does; returns the exit code.
        debug: whether the traceback of an error is shown too.
        json: whether an error is printed as JSON, on the standard output.

    Returns:
        The exit code.
    """
    try:
        try:
            with insisting():
                return call()
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - this is the one boundary where nothing may pass
            with _last_word():
                return tell(session, error, debug=debug, json=json)
    except KeyboardInterrupt as interruption:
        with _last_word():
            session.progress.stop()
            sys.stderr.write(f"\n{report.interrupted(session.named)}")
        return interruption.exit_code if isinstance(interruption, Stopped) else EXIT_INTERRUPTED
    except BrokenPipeError:  # The reader of our output has gone, as with `| head`.
        _discard_output()
        return EXIT_FAILED


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
    try:
        session.progress.stop()
        sys.stdout.flush()
    except BrokenPipeError:  # The error has another reader.
        _discard_output()
    if debug:
        sys.stderr.write(session.redact("".join(traceback.format_exception(error))))
    if json:
        print(report.render_error_json(known))
        return known.exit_code
    return print_error(known)


def print_error(error: AntarestError) -> int:
    """Print an error, and return its exit code."""
    sys.stderr.write(report.render_error(error))
    return error.exit_code


def _discard_output() -> None:
    """Discard the output that nobody reads; else Python, as it ends, tries once more to write it, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
