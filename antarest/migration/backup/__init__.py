"""Makes and restores backups. A backup records the revision of its database; a restore first shows its losses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..database.catalog import read_catalog
from ..database.connection import looking
from ..errors.listener import Listener
from ..errors.settings.db_config import DbConfig
from ..errors.text import fields, size
from ..project.project import Project
from ..run.request import RunRequest
from . import restore_sqlite, sqlite
from .files import Backup, Folder
from .restore import Job, Restore


class Backups:
    """The backups of one database."""

    def __init__(self, project: Project, db: DbConfig, listener: Listener | None = None) -> None:
        """Prepare the backups of a database. The listener receives the progress of backups and restores."""
        self._project, self._db, self._listener = project, db, listener or Listener()
        self._is_sqlite = db.migration_url.get_backend_name() == "sqlite"

    def list(self) -> list[Backup]:
        """Return the backups, newest first. This does not connect to the database."""
        return Folder.of(self._db).list()

    def make(self) -> Backup | None:
        """Make and verify a backup, and delete the oldest backups beyond the number to keep.

        Returns:
            The backup, or an older backup with the same content; None for an empty database.

        Raises:
            BackupFailed, NoSpace, ProgramsMissing: the backup cannot be made. Nothing was changed.
            DatabaseError: the database cannot be reached.
        """
        with looking(self._db, self._listener.note) as connection:
            if not read_catalog(connection, exclude=self._project.workflow_tables):
                return None
        if self._is_sqlite:
            return sqlite.make(self._db, self._project.version_table, self._listener)
        from . import postgresql  # imported here, since only PostgreSQL needs its driver

        return postgresql.make(self._db, self._project.version_table, self._listener)

    @contextmanager
    def restoring(self, asked: str | None = None, *, end_sessions: bool | None = None) -> Iterator[Restore]:
        """Prepare a restore: verify the backup and compare it with the database. `Restore.swap` replaces the database.

        Args:
            asked: the name or path of the backup; None for the newest backup.
            end_sessions: whether to end the sessions of others (PostgreSQL); None to decide later.

        Raises:
            BackupNotFound, BackupUnusable: there is no such backup, or it cannot be used.
            ProgramsMissing, RestoreNotAllowed, DatabaseInUse, RestoreFailed: the backup cannot be restored here.
            DatabaseError: the database cannot be reached.
        """
        job = Job(self._project, self._db, Folder.of(self._db).find(asked), self._listener)
        if self._is_sqlite:
            with restore_sqlite.prepared(job) as restore:
                yield restore
            return
        from . import restore_postgresql  # as above

        with restore_postgresql.prepared(job, end_sessions=end_sessions) as prepared:
            yield prepared


def before_change(request: RunRequest) -> Path | None:
    """Back up the database before a run changes it. PostgreSQL is backed up only if this is configured or requested.

    Returns:
        The path of the backup; None if no backup was made.
    """
    url = request.db.migration_url
    # A run cannot change a file without write access, and its own error is better than that of a backup.
    is_wanted = os.access(str(url.database), os.W_OK) if url.get_backend_name() == "sqlite" else request.db.backup
    made = Backups(request.project, request.db, request.listener).make() if is_wanted else None
    if made is None:
        return None
    request.listener.note(fields([("backup", f"{made.path} ({size(made.size)})")]))
    return made.path
