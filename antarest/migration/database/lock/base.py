"""The interface of the locks of both engines, and the time that a run waits for them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection


class Writer(Protocol):
    """The migration lock of a database. Only one run at a time holds the lock."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that changes the database. This must be the first call of every transaction.

        Raises:
            DatabaseLocked: another run holds the lock for longer than this run waits.
        """

    def check(self, connection: Connection) -> None:
        """Check, before a commit, that the lock is still held.

        Raises:
            LockLost: the server has released the lock.
        """

    def blockers(self) -> str:
        """Return a text that names the session for which the last transaction waited; empty if no session was seen."""

    def wait_for_end(self) -> bool:
        """Wait for the server to end a transaction whose connection was lost. Return whether the transaction ended."""


_STEP = 0.1  # seconds between two tries
_SILENCE = 1.0  # seconds of waiting until the message


class Patience:
    """The time for which one run waits for locks that others hold.

    Attributes:
        tell: prints a line for the user.
        is_over: returns whether a signal told the run to stop. A commit that waits asks this, because signals raise no
            exception during a commit.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Start the clock.

        Args:
            seconds: how long to wait in all.
            tell: called once with a message that says what the run is waiting for.
        """
        self.seconds = seconds
        self.tell = tell
        self._begin = time.monotonic()
        self._has_told = False
        self.is_over: Callable[[], bool] = lambda: False

    def restart(self) -> None:
        """Start the clock again, so that the next wait has the full time."""
        self._begin = time.monotonic()

    def wait(self, what: Callable[[], str]) -> bool:
        """Sleep for about a tenth of a second, unless the time is over.

        Args:
            what: returns the text for the message; called only when the message is printed.

        Returns:
            Whether to try again; False if the time is over.
        """
        waited = time.monotonic() - self._begin
        if waited >= self.seconds:
            return False
        if waited > _SILENCE and not self._has_told:
            self._has_told = True
            self.tell(f"waiting for {what()}")
        # The time is random, since many processes may have started at the same moment.
        time.sleep(min(_STEP * random.uniform(0.5, 1.5), self.seconds - waited))  # noqa: S311 - not a secret
        return True
