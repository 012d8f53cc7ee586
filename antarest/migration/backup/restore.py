"""What a restore is going to do, on either engine: found out before it is done, and looked at again when it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..database.connection import looking, read_current
from ..database.lock import in_this_process
from ..database.lock.patience import Patience
from ..errors.base import NOTHING_CHANGED
from ..errors.facts.backup import BackupUnusable, DatabaseChanged, RestoreFailed
from ..errors.listener import Listener
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..project.history import History
from ..project.project import Project
from .contents import Contents
from .files import Backup, digest

_Losses = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class RestorePlan:
    """A restore before it is done. It was looked at, not locked: the restore looks again.

    Attributes:
        backup: the backup.
        held: what it really holds.
        database: the database, as it may be shown.
        live: what the database holds now; None where it is damaged and cannot be read.
        damage: what is wrong with the database now.
        newer: the revisions that the database has and the backup has not, in order.
        unknown: the revisions of the backup that the revision files do not have.
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
        """Whether there is nothing to be replaced."""
        return self.live is not None and not self.live.rows and not self.live.revisions

    @cached_property
    def losses(self) -> _Losses:
        """The tables that have more rows now than in the backup: how many they have now, and there."""
        return _losses(self.live, self.held)


@dataclass(frozen=True)
class Restored:
    """What a restore came to.

    Attributes:
        revisions: where the database is now.
        kept: where what it replaced is; empty where there was nothing.
        tidy: the command that deletes that, when nobody needs it any more; empty where it is a backup among others.
    """

    revisions: tuple[str, ...]
    kept: str = ""
    tidy: str = ""


@dataclass(frozen=True)
class Job:
    """What is asked for: which backup is to be restored, into which database, and who hears how it goes on."""

    project: Project
    db: DbConfig
    backup: Backup
    listener: Listener

    @property
    def version_table(self) -> str:
        """The table that records the revision."""
        return self.project.version_table

    @property
    def database(self) -> str:
        """The database as it may be shown."""
        return redact_url(self.db.migration_url)

    def progress(self, done: int, total: int) -> None:
        """Tell how far it is."""
        self.listener.working("restore", done, total)

    def patience(self) -> Patience:
        """The time to wait for others, from now on."""
        return Patience(self.db.migration_lock_timeout, self.listener.note)

    def failed(self, reason: str, state: str = NOTHING_CHANGED) -> RestoreFailed:
        """The error for a restore that failed."""
        return RestoreFailed(reason, database=self.database, backup=self.backup.path, state=state)


class Restore(ABC):
    """A restore that is prepared; `swap` does it."""

    def __init__(self, job: Job, plan: RestorePlan) -> None:
        self.job = job
        self.plan = plan

    @property
    def sessions(self) -> list[str]:
        """Who is connected to the database, in words, as far as anybody can know."""
        return []

    def swap(self, *, end_sessions: bool = False) -> Restored:
        """Replace the database: afterwards it is what it was, or the backup, whatever happens in between.

        Args:
            end_sessions: whether the sessions of others may be ended (PostgreSQL).

        Raises:
            DatabaseInUse: others have it open.
            DatabaseLocked: it is being migrated.
            DatabaseChanged: it holds more than when it was looked at.
            RestoreFailed: it could not be done; the database is what it was.
        """
        with in_this_process(self.job.db, self.job.patience()):
            done = self._swap(end_sessions=end_sessions)
        with looking(self.job.db) as connection:
            revisions = read_current(connection, self.job.version_table)
        if revisions != self.plan.held.revisions:
            kept = f"What it replaced is {done.kept}." if done.kept else "There was nothing before."
            raise self.job.failed("the database is not at the revision of the backup", state=kept)
        return done

    @abstractmethod
    def _swap(self, *, end_sessions: bool) -> Restored:
        """Do it, on this engine."""

    def _require_unchanged(self, now: Contents) -> None:
        """Refuse to lose what nobody has been told of."""
        before = self.plan.live
        if before is None:
            return
        if now.revisions != before.revisions:
            raise DatabaseChanged("it is at another revision", database=self.plan.database)
        for table, (rows, _) in _losses(now, self.plan.held).items():
            if rows > before.rows.get(table, 0):
                raise DatabaseChanged(f"rows were added to {table}", database=self.plan.database)


def make_plan(job: Job, held: Contents, live: Contents | None, damage: str = "") -> RestorePlan:
    """Compare what a backup holds with what the database holds."""
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
    """Refuse a backup whose bytes are not those that were written down when it was made.

    Raises:
        BackupUnusable: they are not.
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
