"""Listeners, which are told about the progress of a run."""

from __future__ import annotations

from typing import Protocol

from .revision import Direction, Revision


class Listener(Protocol):
    """An object that is told about the progress of a run."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """Called when a revision begins."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Called when a revision has ended. It is not committed yet."""

    def working(self, what: str, done: int, total: int) -> None:
        """Called while something long runs, such as a backup: `done` of `total`, which is 0 where it is not known."""

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """Called while a revision moves data: `done` of `total` rows of the table, after so many seconds."""

    def note(self, text: str) -> None:
        """Called with anything else that the user should know."""


class Silence:
    """A listener that ignores everything."""

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
