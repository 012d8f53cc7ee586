"""Restores a backup into a new PostgreSQL database. At the end, the new and the live database exchange their names.

Both databases are renamed in one transaction. Before this transaction, the live database does not change. After this
transaction, the old database still exists, and the result of the restore names the old database. The new database gets
the owner, the locale, the rights and the settings of the old database.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from ..database.connection import looking
from ..database.driver_errors import server_command
from ..database.lock.postgresql import PostgresWriter
from . import postgresql, server
from .files import Contents, read_contents
from .programs import ProgramFailed, Programs
from .restore import Job, Restore, Restored, RestorePlan, make_plan, require_intact

_ATTEMPTS = 5  # attempts to rename; the server waits some seconds in each


@contextmanager
def prepared(job: Job, *, end_sessions: bool | None) -> Iterator[PostgresRestore]:
    """Restore a backup into a new database, verify it, and compare it with the live database.

    Args:
        job: the arguments of the restore, such as the backup and the database.
        end_sessions: whether to end the sessions of others; None to decide later.

    Raises:
        BackupUnusable: the backup is not an archive of pg_dump, or it is damaged.
        ProgramsMissing: there is no pg_restore of the server's version.
        RestoreNotAllowed: the role does not have the rights for a restore.
        DatabaseInUse: others are connected, and `end_sessions` is False.
        RestoreFailed: the backup cannot be restored.
    """
    with looking(job.db, job.listener.note) as connection:
        programs = Programs.of(connection, job.db)
        properties = server.read_properties(connection)
        server.require_rights(connection, job.db)
    with ExitStack() as stack:
        maintenance = stack.enter_context(server.maintaining(job.db, properties.name, job.listener.note))
        if end_sessions is False:
            server.require_alone(maintenance, job.db, properties.name)
        postgresql.verify(programs, job.backup.path)
        require_intact(job.backup)
        lock = stack.enter_context(ExitStack())
        writer = lock.enter_context(PostgresWriter.taken(job.db, job.project.version_table, job.patience()))
        server.drop_unfinished(maintenance, properties.name)  # We hold the lock, so killed restores left them.
        name = server.derived_name(properties.name, server.RESTORE + _stamp())
        server.create(maintenance, name, properties)
        stack.callback(server.drop, maintenance, name)  # After success, the new database has another name.
        held = _fill(job, programs, name)
        with looking(job.db, job.listener.note) as connection:
            live = read_contents(connection, job.project.version_table)
        plan = make_plan(job, held, live)
        yield PostgresRestore(job, plan, server.Swap(maintenance, properties, name, writer.pid), lock)


class PostgresRestore(Restore):
    """A restore into PostgreSQL. The new database is complete, and only has to be renamed."""

    def __init__(self, job: Job, plan: RestorePlan, names: server.Swap, lock: ExitStack) -> None:
        super().__init__(job, plan)
        self._names = names
        self._lock = lock

    @property
    def sessions(self) -> list[str]:
        """A text for each session of others that is connected to the database."""
        names = self._names
        return [each.described for each in server.sessions(names.maintenance, names.properties.name, names.own)]

    def _swap(self, *, end_sessions: bool) -> Restored:
        db, names = self.job.db, self._names
        with looking(db, self.job.listener.note) as connection:
            self._require_unchanged(read_contents(connection, self.job.project.version_table))
        # The lock is released first, because its own connection would prevent the renaming. If another run begins now,
        # its connection prevents the renaming too.
        self._lock.close()
        live = names.properties.name
        old = server.derived_name(live, f"_replaced_{_stamp()}")
        for _ in range(_ATTEMPTS if end_sessions else 1):
            if end_sessions:
                server.end_sessions(names.maintenance, db, live)
            if server.rename(names.maintenance, {live: old, names.new: live}, names.properties):
                role = f"--username={db.migration_url.username}" if db.migration_url.username else ""
                tidy = server_command("dropdb", db.migration_url, role, old)
                return Restored(self.plan.held.revisions, f"the database {old}", tidy)
        raise server.in_use(names.maintenance, db, live)


def _fill(job: Job, programs: Programs, name: str) -> Contents:
    """Restore a backup into an empty database, and return the contents of that database."""
    backup = job.backup
    try:
        with programs.running("pg_restore", "--exit-on-error", database=name, stdin=subprocess.PIPE) as target:
            postgresql.feed(backup.path, target, job.progress)
    except ProgramFailed as error:
        raise job.failed(str(error)) from error
    with _other(job, name) as connection:
        held = read_contents(connection, job.project.version_table)
    if backup.contents and (held.rows, held.revisions) != (backup.contents.rows, backup.contents.revisions):
        raise job.failed("the restored database has other rows than the backup")
    return held


@contextmanager
def _other(job: Job, name: str) -> Iterator[Connection]:
    """Connect to another database of the server, to read from it."""
    url = job.db.migration_url.set(database=name)
    with looking(replace(job.db, url=url, admin_url=None), job.listener.note) as connection:
        yield connection


def _stamp() -> str:
    now = datetime.now(UTC)  # To the millisecond, since there may be two restores in one second.
    return f"{now:%Y%m%dt%H%M%S}{now.microsecond // 1000:03}z"
