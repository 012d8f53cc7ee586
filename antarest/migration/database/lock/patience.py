"""How long a run waits for others, and what it says meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_STEP = 0.1  # seconds between two looks
_SILENCE = 1.0  # seconds after which a user wants to know what is waited for


class Patience:
    """The time that one run spends waiting for locks that others hold.

    Attributes:
        is_over: whether somebody has told the run to stop, where no exception can say so.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Begin.

        Args:
            seconds: how long to wait in all.
            tell: who is told, once, what is waited for.
        """
        self.seconds = seconds
        self._tell = tell
        self._begin = time.monotonic()
        self._has_told = False
        self.is_over: Callable[[], bool] = lambda: False

    def restart(self) -> None:
        """Begin anew: something was had meanwhile."""
        self._begin = time.monotonic()

    def wait(self, what: Callable[[], str]) -> bool:
        """Wait a moment, unless the time is over.

        Args:
            what: says what is waited for; asked only when somebody has to be told.

        Returns:
            Whether to look again.
        """
        waited = time.monotonic() - self._begin
        if waited >= self.seconds:
            return False
        if waited > _SILENCE and not self._has_told:
            self._has_told = True
            self._tell(f"waiting for {what()}")
        # Not all at the same moment: many processes may have started together.
        time.sleep(min(_STEP * random.uniform(0.5, 1.5), self.seconds - waited))  # noqa: S311 - no secret
        return True
