"""Listeners, which receive the progress of a run."""

from __future__ import annotations

from collections.abc import Sequence

from .revision import Direction, Revision


class Listener:
    """An object that receives the progress of a run. A method that a subclass does not override does nothing."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """Called when a revision begins."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Called when a revision has ended. Its changes are not committed yet."""

    def committed(self, revisions: Sequence[str]) -> None:
        """Called after each commit of a run, with the current revisions of the database."""

    def working(self, what: str, done: int, total: int) -> None:
        """Called during a long task, such as a backup: `done` of `total` units are finished. An unknown total is 0."""

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """Called while a revision moves data: `done` of `total` rows of the table are moved after `seconds` seconds."""

    def note(self, text: str) -> None:
        """Called with any other text that the user should read."""
