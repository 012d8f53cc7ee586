"""The plan of a restore on either engine, and the check that the database has not changed since the plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..database.connection import looking, read_current
from ..database.lock import in_this_process
from ..database.lock.base import Patience
from ..errors.base import NOTHING_CHANGED
from ..errors.facts.backup import BackupUnusable, DatabaseChanged, RestoreFailed
from ..errors.listener import Listener
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..project.history import History
from ..project.project import Project
from .files import Backup, Contents, digest

_Losses = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class RestorePlan:
    """The plan of a restore. The database is not locked after planning, so the restore checks the database again.

    Attributes:
        backup: the backup to restore.
        held: the contents of the saved database, as read from the backup itself.
        database: the redacted URL of the database.
        live: the present contents of the database; None if the database is damaged and cannot be read.
        damage: a description of the damage to the database; empty if the database is intact.
        newer: the revisions that the database has and the backup does not have, in order.
        unknown: the revisions of the backup that have no revision file.
    """

    backup: Backup
    held: Contents
    database: str
    live: Contents | None
    damage: str
    newer: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def is_onto_nothing(self) -> bool:
        """Whether the database is empty. If so, a restore loses nothing."""
        return self.live is not None and not self.live.rows and not self.live.revisions

    @cached_property
    def losses(self) -> _Losses:
        """The tables that have more rows now than in the backup, each with these two numbers of rows."""
        return _losses(self.live, self.held)


@dataclass(frozen=True)
class Restored:
    """The result of a restore.

    Attributes:
        revisions: the current revisions of the database.
        kept: the database or file with the old content; empty if the database was empty.
        tidy: the command that deletes the old content; empty if the old content was stored as a backup.
    """

    revisions: tuple[str, ...]
    kept: str = ""
    tidy: str = ""


@dataclass(frozen=True)
class Job:
    """The arguments of a restore: the project, the database, the backup, and the listener for its progress."""

    project: Project
    db: DbConfig
    backup: Backup
    listener: Listener

    @property
    def database(self) -> str:
        """The redacted URL of the database."""
        return redact_url(self.db.migration_url)

    def progress(self, done: int, total: int) -> None:
        """Report the progress to the listener."""
        self.listener.working("restore", done, total)

    def patience(self) -> Patience:
        """Return the time limit for waiting for other sessions. The time counts from now."""
        return Patience(self.db.migration_lock_timeout, self.listener.note)

    def failed(self, reason: str, state: str = NOTHING_CHANGED) -> RestoreFailed:
        """Return the error for a restore that failed."""
        return RestoreFailed(reason, database=self.database, backup=self.backup.path, state=state)


class Restore(ABC):
    """A prepared restore. `swap` replaces the database."""

    def __init__(self, job: Job, plan: RestorePlan) -> None:
        self.job = job
        self.plan = plan

    @property
    def sessions(self) -> list[str]:
        """A text for each session that is connected to the database; empty if this is not known."""
        return []

    def swap(self, *, end_sessions: bool = False) -> Restored:
        """Replace the database by the backup. If this fails, the database has not changed.

        Args:
            end_sessions: whether to end the sessions of others (PostgreSQL).

        Raises:
            DatabaseInUse: others have the database open.
            DatabaseLocked: another run is migrating the database.
            DatabaseChanged: the database has more rows than in the plan, or is at another revision.
            RestoreFailed: the restore failed, and the database has not changed.
        """
        with in_this_process(self.job.db, self.job.patience()):
            done = self._swap(end_sessions=end_sessions)
        with looking(self.job.db, self.job.listener.note) as connection:
            revisions = read_current(connection, self.job.project.version_table)
        if revisions != self.plan.held.revisions:
            kept = f"The old content is kept as {done.kept}." if done.kept else "The database was empty before."
            raise self.job.failed("the database is not at the revision of the backup", state=kept)
        return done

    @abstractmethod
    def _swap(self, *, end_sessions: bool) -> Restored:
        """Replace the database, in the way that its engine needs."""

    def _require_unchanged(self, now: Contents) -> None:
        """Raise DatabaseChanged if the restore would lose more than the plan says."""
        before = self.plan.live
        if before is None:
            return
        if now.revisions != before.revisions:
            raise DatabaseChanged("it is at another revision", database=self.plan.database)
        for table, (rows, _) in _losses(now, self.plan.held).items():
            if rows > before.rows.get(table, 0):
                raise DatabaseChanged(f"rows were added to {table}", database=self.plan.database)


def make_plan(job: Job, held: Contents, live: Contents | None, damage: str = "") -> RestorePlan:
    """Compare the contents of a backup with those of the database, and return the plan of a restore."""
    history = job.project.history
    return RestorePlan(
        backup=job.backup,
        held=held,
        database=job.database,
        live=live,
        damage=damage,
        newer=_newer(history, live.revisions, held.revisions) if live else (),
        unknown=history.unknown(held.revisions),
    )


def require_intact(backup: Backup) -> None:
    """Check that a backup has not changed since it was made.

    Raises:
        BackupUnusable: the hash of the backup differs.
    """
    if backup.digest and digest(backup.path) != backup.digest:
        raise BackupUnusable(backup.path, "it has changed since it was made")


def _newer(history: History, current: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, ...]:
    unknown = history.unknown(current)
    known = [history.applied([id_ for id_ in ids if id_ in history]) for ids in (current, target)]
    newer = set(known[0]) - set(known[1])
    return (*(id_ for id_ in history.order if id_ in newer), *(id_ for id_ in unknown if id_ not in target))


def _losses(live: Contents | None, held: Contents) -> _Losses:
    if live is None:
        return {}
    pairs = {table: (rows, held.rows.get(table, 0)) for table, rows in live.rows.items()}
    return {table: (now, then) for table, (now, then) in pairs.items() if now > then}
