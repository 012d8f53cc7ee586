"""Shows the progress of a run: on a terminal as a line that changes, in a pipe as separate lines."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence

from ..errors.listener import Listener
from ..errors.revision import Direction, Revision
from ..errors.text import position, size, style
from .output import Output
from .rendering.results import revision_line

_MINUTE = 60.0  # seconds
_ARROWS: dict[Direction, str] = {"upgrade": "up  ", "downgrade": "down"}


class Progress(Listener):
    """Prints a line for each revision. A terminal also shows the running revision, and the time that has passed."""

    _EVERY = 1.0  # seconds

    def __init__(self, stream: Output) -> None:
        self._stream = stream
        self.end = ""  # the current revisions after the last commit
        self._clock: _Clock | None = None
        self._is_passing = False
        self._height = 0  # lines of the block that is shown
        self._last_line = time.monotonic()

    def started(self, revision: Revision, direction: Direction) -> None:
        """Show the running revision on a terminal. In a pipe, do nothing until the revision has ended."""
        self._last_line = time.monotonic()
        if not self._stream.isatty():
            return
        arrow, line = style(_ARROWS[direction], "dim", self._stream), revision_line(revision)
        self._write(f"\r  {arrow}       ...  {line}")
        self._clock = _Clock(self._EVERY, lambda seconds: self._write(f"\r  {arrow} {seconds:7.0f} s  {line}"))

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Print the revision and its duration."""
        self._stop_clock()
        start = "\r\x1b[K" if self._stream.isatty() else ""
        arrow = style(_ARROWS[direction], "dim", self._stream)
        self._write(f"{start}  {arrow} {seconds:7.2f} s  {revision_line(revision)}\n")

    def committed(self, revisions: Sequence[str]) -> None:
        """Note the current revisions of the database, for the message of a command that is interrupted later."""
        self.end = position(revisions)

    def working(self, what: str, done: int, total: int) -> None:
        """Show on a terminal how much of a long task is done. The next line replaces this line."""
        if self._stream.isatty():
            shown = f"{100 * done // total:>3} %" if total else size(done)
            self._write(f"\r\x1b[K{what:<14} {shown}")
            self._is_passing = True

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """Show the number of moved rows and the time left.

        On a terminal, each call changes the line. In a pipe, a line is printed once a minute.
        """
        rate = done / seconds if seconds else 0
        left = f", {(total - done) / rate:,.0f} s left" if rate and done < total else ""
        text = f"{table}: {done:,} of {total:,} rows, {rate:,.0f} a second{left}"
        if self._stream.isatty():
            self._stop_clock()
            self._write(f"\r\x1b[K  {text}")
        elif time.monotonic() - self._last_line >= _MINUTE:
            self._last_line = time.monotonic()
            self._write(f"{text}\n")

    def note(self, text: str) -> None:
        """Print a note on its own line."""
        self.stop()
        self._stream.report(text)

    def show(self, text: str) -> None:
        """Show a text on a terminal. The next line replaces this text."""
        if self._stream.isatty():
            self._write(f"\r\x1b[K  {style(text, 'dim', self._stream)}")
            self._is_passing = True

    def block(self, lines: Sequence[str], width: int) -> None:
        """Show lines on a terminal. The next call replaces these lines.

        A terminal that is too small shows only the last line.
        """
        if not self._stream.isatty():
            return
        size_ = shutil.get_terminal_size()
        if width > size_.columns or len(lines) >= size_.lines or os.environ.get("TERM") == "dumb":
            self.show(lines[-1])
            return
        self.stop()
        self._write("".join(f"{line}\n" for line in lines))
        self._height = len(lines)

    def stop(self) -> None:
        """End the line of a revision that did not finish, or clear a line that will be replaced."""
        if self._height:
            self._write(f"\r\x1b[{self._height}A\x1b[J")
            self._height = 0
        is_passing, self._is_passing = self._is_passing, False
        if self._stop_clock():
            self._write("\n")
        elif is_passing:
            self._write("\r\x1b[K")

    def _stop_clock(self) -> bool:
        """Stop the clock of the present line.

        Returns:
            Whether there was a clock.
        """
        clock, self._clock = self._clock, None
        if clock:
            clock.stop()
        return clock is not None

    def _write(self, text: str) -> None:
        self._stream.write(text)


class _Clock:
    """A thread that repeatedly calls a function with the seconds that have passed, until it is stopped."""

    def __init__(self, every: float, show: Callable[[float], None]) -> None:
        self._every, self._show = every, show
        self._begin = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="antarest-clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the calls."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._show(time.monotonic() - self._begin)
