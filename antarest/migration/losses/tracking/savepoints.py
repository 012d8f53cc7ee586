"""The state of a tracker at each savepoint, restored when the transaction goes back to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")

_MADE = re.compile(r"\s*SAVEPOINT\s+(\S+?)\s*;?\s*", re.IGNORECASE)
_BACK_TO = re.compile(r"\s*ROLLBACK\s+(?:(?:WORK|TRANSACTION)\s+)?TO\s+(?:SAVEPOINT\s+)?(\S+?)\s*;?\s*", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class Savepoints(Generic[State]):
    """Follows the savepoints of a transaction by its statements.

    Where it cannot follow (several statements in one string, a released savepoint) it forgets them: then a loss that
    was rolled back may be reported, but no loss is missed.
    """

    def __init__(self, save: Callable[[], State], restore: Callable[[State], None]) -> None:
        """Begin without savepoints.

        Args:
            save: returns the state now.
            restore: takes the state of the savepoint that the transaction went back to.
        """
        self._save = save
        self._restore = restore
        self._states: dict[str, State] = {}

    def forget(self) -> None:
        """Forget all of them."""
        self._states.clear()

    def follow(self, statement: str) -> bool:
        """Follow a statement that has run. Return whether a rollback may have brought back earlier tables."""
        if "SAVEPOINT" not in (upper := statement.upper()) and "ROLLBACK" not in upper and "RELEASE" not in upper:
            return False
        bare = _COMMENTS.sub(" ", statement)
        if made := _MADE.fullmatch(bare):
            self._states[_name(made[1])] = self._save()
            return False
        if back := _BACK_TO.fullmatch(bare):
            name = _name(back[1])
            if name in self._states:
                self._restore(self._states[name])
            return True
        self.forget()
        return True


def _name(written: str) -> str:
    """Return one name for all spellings. If two savepoints share it, the later one counts, so no loss is missed."""
    return written.strip("\"'`[]").lower()
