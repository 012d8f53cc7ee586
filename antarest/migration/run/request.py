"""The request for a run of revisions, and its outcome."""

from __future__ import annotations

import os
from collections.abc import Callable
from configparser import Error
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from ..database.lock.base import Patience
from ..database.lock.limits import WaitLimit
from ..errors.base import NOTHING_CHANGED, Hint
from ..errors.facts.project import InvalidProject
from ..errors.listener import Listener
from ..errors.loss import Agreement, Loss
from ..errors.revision import BASE, Direction, Revision
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import ENGINES, redact_url, servers
from ..project.history import History
from ..project.project import Project

_NAME_IT = Hint("The configuration names the database, such as that of a test", "export ANTAREST_CONF=PATH")

if TYPE_CHECKING:
    from alembic.config import Config  # Imported only for types: if no revision has to run, Alembic is not loaded.

OUTCOME = "antarest_outcome"
"""The attribute of Alembic's configuration in which `env.py` hands the outcome back to the workflow."""

Step = tuple[Revision, Direction, float]
"""A revision that was run, its direction, and its time in seconds."""


@dataclass
class Segment:
    """The transaction in progress, with the revisions that it commits together.

    Attributes:
        running: the revision that is running, and its direction; None if no revision is running.
        steps: the revisions that have run or were loaded with the snapshot.
        from_snapshot: the number of revisions that were loaded with the snapshot.
        losses: the losses of the revisions in this transaction.
        goal: the current revisions of the database after the commit.
        outside: the running revision, if it has left its transaction; else empty.
        has_changed_files: whether the change of files has begun. Perhaps only some files were changed.
        is_committing: whether the commit has begun.
        is_unsure: whether the connection was lost during the commit, so that the result of the commit is not known.
        limit: the time for which the statements of the segment wait for locks; None before the transaction has begun.
        violations: the rows that referred to missing rows when the transaction began (SQLite).
    """

    running: tuple[Revision, Direction] | None = None
    steps: list[Step] = field(default_factory=list)
    from_snapshot: int = 0
    losses: list[Loss] = field(default_factory=list)
    goal: tuple[str, ...] = ()
    outside: str = ""
    has_changed_files: bool = False
    is_committing: bool = False
    is_unsure: bool = False
    limit: WaitLimit | None = None
    violations: set[tuple[Any, ...]] = field(default_factory=set)

    def waited(self, lock_timeout: int) -> tuple[str, str]:
        """Return how long the last try has waited for a lock, and what has set this time; see `WaitLimit.described`."""
        if self.limit and not self.is_committing:
            return self.limit.described()
        return f" of {lock_timeout} s", ""


@dataclass
class RunOutcome:
    """The outcome of a run.

    Attributes:
        before: the current revisions of the database before the run.
        after: the current revisions of the database after the last commit.
        total: the number of revisions to run.
        steps: the revisions that were committed.
        losses: the committed losses. All of them were declared, and a person agreed to the losses of downgrades.
        is_prepared: whether `RunRequest.prepare` has run, and was committed.
        backup: the path of the backup that was made before the run changed anything; None if no backup was made.
        segment: the segment that is in progress.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    total: int = 0
    steps: list[Step] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    is_prepared: bool = False
    backup: Path | None = None
    segment: Segment = field(default_factory=Segment)

    def record_commit(self) -> None:
        """Record that the segment in progress was committed."""
        self.steps += self.segment.steps
        self.losses += self.segment.losses
        self.after = self.segment.goal
        self.segment = Segment()

    def state(self, *, failed: bool = False) -> str:
        """Return the state of the database for an error.

        Args:
            failed: whether the text counts the revisions that were rolled back with the current segment.
        """
        position, segment, count = ", ".join(self.after) or BASE, self.segment, len(self.steps)
        if segment.is_unsure:
            return f"The connection was lost during a commit: the database is at {position}, or where that led to."
        if segment.outside:
            stays = f"what {segment.outside} did outside of its transaction stays, and must be safe to run again"
            return f"Stopped at {position}: {count} of {self.total} revisions were committed; {stays}."
        if not self.steps:
            undone = len(segment.steps) if failed else 0
            were = f" {undone} revision{' was' if undone == 1 else 's were'} undone with it." if undone else ""
            return f"{NOTHING_CHANGED} The run was rolled back; the database is still at {position}.{were}"
        directions = {step[1] for step in self.steps}
        done = "run" if len(directions) > 1 else "applied" if directions == {"upgrade"} else "rolled back"
        return f"Stopped at {position}: {count} of {self.total} revisions {'was' if count == 1 else 'were'} {done}."


REQUEST = "antarest"
"""The attribute of Alembic's configuration in which the workflow hands a request to `env.py`."""


@dataclass(frozen=True)
class FileChange:
    """A change of files, such as a `git switch`, that happens only together with the change of the database.

    Attributes:
        make: makes the change. If it fails, the run is rolled back.
        undo: undoes the change, even one that was made only in part.
    """

    make: Callable[[], None]
    undo: Callable[[], object]


@dataclass(frozen=True)
class RunRequest:
    """The request for a run. Alembic's command determines the steps of the run.

    Attributes:
        project: the Alembic project.
        db: the settings of the database.
        listener: receives the progress of the run.
        agreement: the losses of a downgrade to which a person agreed.
        before_change: makes a backup, and returns the path of the backup. A run that will change something calls this
            function under the migration lock, before the first change. An error ends the run.
        prepare: a function that runs inside the transaction before the first revision. For example, the function of a
            reset drops the objects of the history.
        command: the command that a person would repeat.
        file_change: the change of files that happens right before the last commit.
        from_base: whether the run is allowed to start at base although the database is not empty.
        undo: the revisions as they were applied, for downgrades that do not run the code in the project's files.
        upgrades_to: the target revisions of a run that only upgrades; empty for any other run. On an empty database,
            such a run can begin with the snapshot of the project.
    """

    project: Project
    db: DbConfig
    listener: Listener = field(default_factory=Listener)
    agreement: Agreement = field(default_factory=Agreement)
    before_change: Callable[[RunRequest, RunOutcome, Connection], Path | None] | None = None
    prepare: Callable[[Connection], None] | None = None
    command: str = "inv db.rollback"
    file_change: FileChange | None = None
    from_base: bool = False
    undo: History | None = None
    upgrades_to: tuple[str, ...] = ()

    @property
    def database(self) -> str:
        """The URL of the database, redacted."""
        return redact_url(self.db.migration_url)

    def patience(self) -> Patience:
        """Return the time limit for waiting for the locks of other sessions. The time starts now."""
        return Patience(self.db.migration_lock_timeout, self.listener.note)

    def revision_of(self, step: Any) -> Revision:
        """Return the revision that a step of Alembic runs, with the declarations of its file."""
        history = self.undo if self.undo and step.is_downgrade else self.project.history
        return history[step.revision.revision]


def refuse_other_database(config: Config, ini: Path, db: DbConfig) -> None:
    """Refuse to run if the caller of Alembic passes a database that is not the configured one.

    Args:
        config: Alembic's configuration. A program may have set `attributes["connection"]` or `sqlalchemy.url`.
        ini: the settings file of the project, for the error.
        db: the configured database.

    Raises:
        InvalidProject: the caller gives a connection, or `sqlalchemy.url` names another database.
    """
    if config.attributes.get("connection") is not None:
        reason = "the caller gives a connection in config.attributes, and the workflow opens the connection itself"
        raise InvalidProject(ini, f"{reason}: leave it out", _NAME_IT)
    try:
        named = make_url(config.file_config.get(config.config_ini_section, "sqlalchemy.url", fallback=""))
    except (ArgumentError, Error):  # Alembic cannot use this URL.
        return
    if named.get_backend_name() not in ENGINES:  # The template of Alembic says driver://user:pass@localhost/dbname.
        return
    if _place(named) not in (_place(db.url), _place(db.migration_url)):
        reason = f"sqlalchemy.url names {redact_url(named)}, and the configuration {redact_url(db.migration_url)}"
        raise InvalidProject(ini, f"{reason}: leave sqlalchemy.url out", _NAME_IT)


def _place(url: URL) -> tuple[object, ...]:
    """Return the parts of a URL that identify its database. The user and the driver are left out."""
    if url.get_backend_name() == "sqlite":
        return (os.path.realpath(url.database) if url.database else "",)
    hosts = [("127.0.0.1" if host == "localhost" else host, port or "5432") for host, port in servers(url)]
    return (url.database, hosts)
