"""Who hears how a run goes on."""

from __future__ import annotations

from typing import Protocol

from .revision import Direction, Revision


class Listener(Protocol):
    """Who wants to hear how a run goes on."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """A revision begins."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """A revision has ended; nothing is committed yet."""

    def working(self, what: str, done: int, total: int) -> None:
        """Something long goes on, such as a backup: so much of it is done; `total` is 0 where nobody knows it."""

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """A move of data in a revision goes on: so many rows are done, of so many, in so many seconds."""

    def note(self, text: str) -> None:
        """Something else that the user should know."""


class Silence:
    """A listener that does not listen."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """Do nothing."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Do nothing."""

    def working(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
