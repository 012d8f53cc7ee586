"""A move: one run of revisions on a database, what is wished for and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..database.lock.patience import Patience
from ..errors.base import NOTHING_CHANGED
from ..errors.listener import Listener, Silence
from ..errors.loss import Agreement, Loss
from ..errors.revision import BASE, Direction, Revision
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..project.history import History
from ..project.project import Project

ATTRIBUTE = "antarest"
"""The attribute of Alembic's configuration in which the workflow hands a move to `env.py`."""

Step = tuple[Revision, Direction, float]
"""A revision that was run, how, and its time in seconds."""


@dataclass
class Act:
    """Something outside that changes together with the database, or not at all.

    Attributes:
        do: does it; what it raises ends the run, and nothing was changed.
        undo: undoes it, where the commit after it failed.
        is_done: whether it is done now.
    """

    do: Callable[[], None]
    undo: Callable[[], object]
    is_done: bool = False

    def carry_out(self) -> None:
        """Do it, once."""
        if not self.is_done:
            self.is_done = True  # Done by half, it has to be undone as well.
            self.do()

    def take_back(self) -> None:
        """Undo it, if it is done."""
        if self.is_done:
            self.is_done = False
            self.undo()


@dataclass
class Move:
    """One run: what is wished for, and what came of it.

    Attributes:
        project: the Alembic project.
        db: the database.
        listener: who hears how it goes on.
        agreement: what a person agreed to lose, when it goes down.
        before_change: called once with this move when it would change something: the lock is held, and nothing is
            written yet (a backup is made there). What it raises ends the run.
        backup: the backup that was made before it changed anything.
        prepare: what to do inside the transaction before the first revision (a reset drops the objects there).
        command: the command that a person would repeat.
        act: what changes together with the database, as the last act before the last commit.
        undo: the revisions as they were applied, where a downgrade is to run other code than the project's files.
        before: the revisions that the database was at.
        after: the revisions that it is at now, as far as it was committed.
        running: the revision that runs right now.
        total: how many revisions there are to run.
        steps: what was committed.
        undone: how many revisions had run, and were rolled back.
        losses: what was lost, declared (and agreed to).
        outside: the revision that has left its transaction and has not ended, if one did.
        is_unsure: the connection was lost in the middle of a commit, and nobody could be asked what came of it.
    """

    project: Project
    db: DbConfig
    listener: Listener = field(default_factory=Silence)
    agreement: Agreement = field(default_factory=Agreement)
    before_change: Callable[[Move], None] | None = None
    backup: Path | None = None
    prepare: Callable[[Connection], None] | None = None
    command: str = "inv db.rollback"
    act: Act | None = None
    undo: History | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    running: tuple[Revision, Direction] | None = None
    total: int = 0
    steps: list[Step] = field(default_factory=list)
    undone: int = 0
    losses: list[Loss] = field(default_factory=list)
    outside: str = ""
    is_unsure: bool = False

    def __post_init__(self) -> None:
        self.patience = Patience(self.db.migration_lock_timeout, self.listener.note)

    @property
    def database(self) -> str:
        """The database as it may be shown."""
        return redact_url(self.db.migration_url)

    def revision_of(self, step: Any) -> Revision:
        """What the file of a step of Alembic declares."""
        history = self.undo if self.undo and step.is_downgrade else self.project.history
        return history[step.revision.revision]

    def refuse_unknown(self) -> None:
        """Refuse a database that is at a revision that nobody has brought along.

        Raises:
            UnknownRevision: it is.
        """
        self.project.refuse_unknown(
            [id_ for id_ in self.before if self.undo is None or id_ not in self.undo], self.database
        )

    @property
    def state(self) -> str:
        """What an error says of the state that the database is in now."""
        position = ", ".join(self.after) or BASE
        if self.is_unsure:
            return f"The connection was lost during a commit: the database is at {position}, or where that led to."
        if self.outside:
            stays = f"what {self.outside} did outside of its transaction stays, and bears to be run again"
            return f"Stopped at {position}: {len(self.steps)} of {self.total} revisions were committed; {stays}."
        if not self.steps:
            undone = f" {self.undone} revision{_were(self.undone)} undone with it." if self.undone else ""
            return f"{NOTHING_CHANGED} The run was rolled back; the database is still at {position}.{undone}"
        directions = {step[1] for step in self.steps}
        done = "run" if len(directions) > 1 else "applied" if directions == {"upgrade"} else "rolled back"
        count = len(self.steps)
        return f"Stopped at {position}: {count} of {self.total} revisions {'was' if count == 1 else 'were'} {done}."


def _were(number: int) -> str:
    return " was" if number == 1 else "s were"
