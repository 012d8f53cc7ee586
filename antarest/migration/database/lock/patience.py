"""The time that a run waits for others, and the message that it prints meanwhile."""

import random
import time
from collections.abc import Callable

_STEP = 0.1  # seconds between two tries
_SILENCE = 1.0  # seconds until the message


class Patience:
    """The time that one run may wait for locks that others hold.

    Attributes:
        is_over: returns whether the run was told to stop, for places where an exception would be lost.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Start the clock.

        Args:
            seconds: how long to wait in all.
            tell: called once with a message that says what the run is waiting for.
        """
        self.seconds = seconds
        self._tell = tell
        self._begin = time.monotonic()
        self._has_told = False
        self.is_over: Callable[[], bool] = lambda: False

    def restart(self) -> None:
        """Start the clock again, after the run got what it waited for."""
        self._begin = time.monotonic()

    def wait(self, what: Callable[[], str]) -> bool:
        """Wait a moment, unless the time is over.

        Args:
            what: returns the text for the message; called only when the message is printed.

        Returns:
            Whether to try again.
        """
        waited = time.monotonic() - self._begin
        if waited >= self.seconds:
            return False
        if waited > _SILENCE and not self._has_told:
            self._has_told = True
            self._tell(f"waiting for {what()}")
        # At random, since many processes may have started at the same moment.
        time.sleep(min(_STEP * random.uniform(0.5, 1.5), self.seconds - waited))  # noqa: S311 - not a secret
        return True
