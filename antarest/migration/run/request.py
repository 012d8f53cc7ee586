"""The request for a run of revisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..database.lock.patience import Patience
from ..errors.listener import Listener
from ..errors.loss import Agreement
from ..errors.revision import Revision
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..project.history import History
from ..project.project import Project
from .outcome import RunOutcome

REQUEST = "antarest"
"""The attribute of Alembic's configuration in which the workflow hands a request to `env.py`."""


@dataclass(frozen=True)
class FileChange:
    """A change of files, such as a `git switch`, that happens together with the change of the database, or not at all.

    Attributes:
        make: makes the change; an error ends the run, and nothing was changed.
        undo: undoes the change, also one that was made by half.
    """

    make: Callable[[], None]
    undo: Callable[[], object]


@dataclass(frozen=True)
class RunRequest:
    """The request for a run; Alembic's command names the steps.

    Attributes:
        project: the Alembic project.
        db: the database.
        listener: hears how the run goes on.
        agreement: what a person agreed to lose in a downgrade.
        before_change: makes a backup and returns its path. The run calls it when it holds the lock and has written
            nothing yet, and only where it will change something. An error ends the run.
        prepare: runs inside the transaction before the first revision (a reset drops the objects there).
        command: the command that a person would repeat.
        file_change: the change of files that happens right before the last commit.
        undo: the revisions as they were applied, where a downgrade runs other code than the project's files.
    """

    project: Project
    db: DbConfig
    listener: Listener = field(default_factory=Listener)
    agreement: Agreement = field(default_factory=Agreement)
    before_change: Callable[[RunRequest, RunOutcome], Path | None] | None = None
    prepare: Callable[[Connection], None] | None = None
    command: str = "inv db.rollback"
    file_change: FileChange | None = None
    undo: History | None = None

    @property
    def database(self) -> str:
        """The database as it may be shown."""
        return redact_url(self.db.migration_url)

    def patience(self) -> Patience:
        """The time that the run may wait for others, from now on."""
        return Patience(self.db.migration_lock_timeout, self.listener.note)

    def revision_of(self, step: Any) -> Revision:
        """The declarations in the file of a step of Alembic."""
        history = self.undo if self.undo and step.is_downgrade else self.project.history
        return history[step.revision.revision]
