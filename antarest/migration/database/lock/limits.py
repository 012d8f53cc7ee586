"""The time for which a statement of a revision waits for a lock. A revision can change this time (PostgreSQL)."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

_SETTING = "lock_timeout"
_CLOSE = 0.95  # A timer of the server never ends a wait early.
_IN_FORCE = text(f"SELECT extract(epoch FROM current_setting('{_SETTING}')::interval)")


class WaitLimit:
    """The `lock_timeout` of one transaction, and the time that its last statement took.

    Attributes:
        seconds: the `lock_timeout` in seconds; 0 for no limit.
        owner: the id of the revision that has changed the `lock_timeout`; empty if it has the configured value.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        """Begin a transaction with this `lock_timeout`."""
        self.seconds, self.owner, self._configured = seconds, "", seconds
        self._connection, self._began, self._statement = connection, time.monotonic(), ""

    def before(self, statement: str) -> None:
        """Note a statement that begins."""
        self._began, self._statement = time.monotonic(), statement

    def after(self, statement: str, revision: str) -> None:
        """Read the setting again if a statement of this revision may have changed it."""
        lower = statement.lower()
        is_undone = self.owner and lower.lstrip().startswith("rollback")
        if self._connection.dialect.name == "postgresql" and (_SETTING in lower or is_undone):
            now = float(self._connection.scalar(_IN_FORCE) or 0)
            self.owner = (self.owner if now == self.seconds else revision) if now != self._configured else ""
            self.seconds = now

    def described(self) -> tuple[str, str]:
        """Return two texts for the error message of the last try: its time, and what has set this time.

        The second text is empty if the time comes from the configuration.
        """
        took = time.monotonic() - self._began
        if not self.seconds or took < self.seconds * _CLOSE:  # NOWAIT, a deadlock, or a limit inside of the statement
            own = "the statement sets it itself" if _SETTING in self._statement.lower() else ""
            return f", the last of {took:.1f} s", own
        return f" of {self.seconds:g} s", f"revision {self.owner} sets it" if self.owner else ""
