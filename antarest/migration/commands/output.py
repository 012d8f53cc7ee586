"""The output of a command. Writing to it can fail at any moment, for example because a disk is full."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from ..errors.facts.run import NotReported, OutputFailed
from ..errors.text import printable, reason
from ..run.request import RunOutcome
from .rendering import results

_DISCARDED: list[TextIO] = []


class Output:
    """The standard output of a command.

    If a command cannot print its next step, the command does not take this step. The steps that the command has taken
    are reported on any stream that still works.

    Attributes:
        failure: the reason why nothing more can be printed; empty while the standard output works.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure = ""

    def isatty(self) -> bool:
        """Return whether the standard output is a terminal."""
        return self._stream.isatty()

    def print(self, text: str) -> None:
        """Print a text that the user must see before the command continues.

        Raises:
            OutputFailed: the text cannot be printed.
        """
        if error := self._try(f"{printable(text)}\n"):
            raise OutputFailed(self.failure, is_gone=isinstance(error, BrokenPipeError)) from error

    def report(self, text: str) -> None:
        """Print a step that the command has done, or is doing. This never fails."""
        self.write(f"{printable(text)}\n")

    def write(self, text: str) -> None:
        """Write a text unchanged. If the standard output does not work any more, write it to the standard error."""
        if self.failure or self._try(text):
            complain(text)

    def finish(self) -> None:
        """Write the rest of the stream's buffer."""
        self._try("")

    def _try(self, text: str) -> Exception | None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed, or cannot encode the text.
            self.failure = str(getattr(error, "strerror", None) or reason(error))
            _discard(self._stream)
            return error
        return None


def complain(text: str) -> None:
    """Write a text to the standard error. If that does not work, write it to the standard output."""
    for stream in (each for each in (sys.stderr, sys.stdout) if each not in _DISCARDED):
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            _discard(stream)
        else:
            return


def _discard(stream: TextIO) -> None:
    """Discard everything that is written to a stream from now on. Otherwise Python prints an error when it exits."""
    _DISCARDED.append(stream)
    with suppress(OSError, ValueError):  # The stream is closed, or belongs to a test.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def heard_failures() -> Sequence[logging.LogRecord]:
    """Return a list that receives the records that cannot be logged. `logging` would print a traceback for each one."""
    lost: list[logging.LogRecord] = []
    for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            handler.handleError = lost.append  # type: ignore[method-assign,assignment]
    return lost


def require_reported(done: RunOutcome | None, lost: Sequence[logging.LogRecord]) -> None:
    """If the log or the output could not be written, print the outcome on a stream that still works.

    Args:
        done: the outcome of the run; None if the command ran no revisions.
        lost: the records that could not be logged.

    Raises:
        NotReported: the log or the output could not be written.
    """
    output, logs = Output(sys.stdout), Output(sys.stderr)
    output.finish()
    logs.finish()
    if failure := output.failure or logs.failure or ("the log does not work" if lost else ""):
        lines = [results.outcome(done, "done"), *(f"lost {loss}" for loss in done.losses)] if done else []
        complain("".join(f"{line}\n" for line in lines))
        raise NotReported(failure)
