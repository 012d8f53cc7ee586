"""Backups bound to a revision, on both engines, and restores that first show what they would lose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..database.catalog import read_catalog
from ..database.connection import looking
from ..errors.listener import Listener, Silence
from ..errors.settings.db_config import DbConfig
from ..errors.text import fields, size
from ..project.project import Project
from ..run.outcome import RunOutcome
from ..run.request import RunRequest
from . import into_sqlite, sqlite
from .contents import Contents
from .files import Backup, Folder
from .restore import Job, Restore, Restored, RestorePlan

__all__ = ["Backup", "Backups", "Contents", "Restore", "RestorePlan", "Restored", "before_change"]


class Backups:
    """The backups of one database."""

    def __init__(self, project: Project, db: DbConfig, listener: Listener | None = None) -> None:
        """Bind a project and a database to the folder where its backups lie, and to who hears how they go on."""
        self._project, self._db, self._listener = project, db, listener or Silence()
        self._is_sqlite = db.migration_url.get_backend_name() == "sqlite"

    def list(self) -> list[Backup]:
        """The backups, newest first; the database itself is not looked at."""
        return Folder.of(self._db).list()

    def make(self) -> Backup | None:
        """Back the database up, verify the backup, and delete the oldest ones beyond the number that is kept.

        Returns:
            The backup, which may be an older one that holds just the same; None for an empty database.

        Raises:
            BackupFailed, NoSpace, ProgramsMissing: it could not be made; nothing was changed.
            DatabaseError: the database cannot be reached.
        """
        with looking(self._db) as connection:
            if not read_catalog(connection, exclude=self._project.own_tables):
                return None
        if self._is_sqlite:
            return sqlite.make(self._db, self._project.version_table, self._hears("backup"))
        from . import postgresql  # Its driver is not needed elsewhere.

        return postgresql.make(self._db, self._project.version_table, self._hears("backup"))

    @contextmanager
    def restoring(self, asked: str | None = None, *, end_sessions: bool | None = None) -> Iterator[Restore]:
        """Prepare a restore: the backup is verified and compared with the database. `Restore.swap` does it.

        Args:
            asked: the name or path of the backup; by default the newest one.
            end_sessions: whether the sessions of others may be ended (PostgreSQL); None where that will be asked.

        Raises:
            BackupNotFound, BackupUnusable: there is no such backup, or it cannot be used.
            ProgramsMissing, RestoreNotAllowed, DatabaseInUse, RestoreFailed: it cannot be restored here.
            DatabaseError: the database cannot be reached.
        """
        job = Job(self._project, self._db, Folder.of(self._db).find(asked), self._listener)
        if self._is_sqlite:
            with into_sqlite.prepared(job) as restore:
                yield restore
            return
        from . import into_postgresql  # as above

        with into_postgresql.prepared(job, end_sessions=end_sessions) as prepared:
            yield prepared

    def _hears(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._listener.working(what, done, total)


def before_change(request: RunRequest, _outcome: RunOutcome) -> Path | None:
    """Back up what a run is about to change: SQLite always, PostgreSQL where it is configured or asked for.

    Returns:
        The backup; None where none was made.
    """
    url = request.db.migration_url
    # A file that may not be written will not be changed; the error of the run says more about it.
    is_wanted = os.access(str(url.database), os.W_OK) if url.get_backend_name() == "sqlite" else request.db.backup
    made = Backups(request.project, request.db, request.listener).make() if is_wanted else None
    if made is None:
        return None
    request.listener.note(fields([("backup", f"{made.path} ({size(made.size)})")]))
    return made.path
