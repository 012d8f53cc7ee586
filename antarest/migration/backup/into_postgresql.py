"""Restores into PostgreSQL: a new database is filled and verified, and then changes its name with the old one.

Both renames are one transaction. Until then nobody notices anything, and after it the old database still exists, under
a name that is told. What belongs to the database rather than to its contents (owner, locale, rights, settings) is taken
from the old one.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from antarest.core.config import DbConfig
from antarest.core.persistence import redact_url
from antarest.migration.backup import postgresql, server
from antarest.migration.backup.contents import Contents, Progress, read_contents
from antarest.migration.backup.files import Backup
from antarest.migration.backup.programs import ProgramFailed, Programs
from antarest.migration.backup.restore import Restore, Restored, RestorePlan, make_plan, require_intact
from antarest.migration.connection import looking, read_current
from antarest.migration.errors import RestoreFailed
from antarest.migration.project import Project

_ATTEMPTS = 5  # of the swap, each of which waits some seconds inside the server


@contextmanager
def prepared(
    project: Project, db: DbConfig, backup: Backup, progress: Progress, *, end_sessions: bool | None
) -> Iterator[PostgresRestore]:
    """Restore a backup into a database of its own, verify it, and compare it with the live one.

    Args:
        project: the project.
        db: the live database.
        backup: the backup.
        progress: who hears how far it is.
        end_sessions: whether others may be cut off; None where that will be asked.

    Raises:
        BackupUnusable: it is no archive of pg_dump, or is damaged.
        ProgramsMissing: there is no pg_restore of the server's version.
        RestoreNotAllowed: the role has not the rights.
        DatabaseInUse: others are connected, and may not be cut off.
        RestoreFailed: it could not be restored.
    """
    with looking(db) as connection:
        programs = Programs.of(connection, db)
        properties = server.read_properties(connection)
        server.require_rights(connection, db)
    with ExitStack() as stack:
        maintenance = stack.enter_context(server.maintaining(db, properties.name))
        if end_sessions is False:
            server.require_alone(maintenance, db, properties.name)
        postgresql.verify(programs, backup.path)
        require_intact(backup)
        server.drop_unfinished(maintenance, properties.name)
        name = server.derived_name(properties.name, f"_restore_{_stamp()}_{secrets.token_hex(3)}")
        server.create(maintenance, name, properties)
        stack.callback(server.drop, maintenance, name)  # It has another name when all went well.
        held = _fill(project, db, programs, backup, name, progress)
        with looking(db) as connection:
            live = read_contents(connection, project.version_table)
        plan = make_plan(project, db, backup, held, live)
        with _other(db, name) as keeper:  # So that another restore does not take it for one that was killed.
            yield PostgresRestore(project, db, plan, properties, name, maintenance, keeper)


class PostgresRestore(Restore):
    """A restore into PostgreSQL: the new database is there, and waits for its name."""

    def __init__(
        self,
        project: Project,
        db: DbConfig,
        plan: RestorePlan,
        properties: server.Properties,
        name: str,
        maintenance: Connection,
        keeper: Connection,
    ) -> None:
        super().__init__(db, plan)
        self._project, self._properties, self._name = project, properties, name
        self._maintenance, self._keeper = maintenance, keeper

    @property
    def sessions(self) -> list[str]:
        """The sessions of others, in words."""
        return [each.described for each in server.sessions(self._maintenance, self._properties.name)]

    def swap(self, *, end_sessions: bool = False) -> Restored:
        """As `Restore.swap`."""
        with looking(self.db) as connection:
            self._require_unchanged(read_contents(connection, self._project.version_table))
        self._keeper.close()
        live = self._properties.name
        old = server.derived_name(live, f"_replaced_{_stamp()}")
        for attempt in range(_ATTEMPTS):
            if end_sessions:
                server.end_sessions(self._maintenance, self.db, live)
            if server.rename(self._maintenance, {live: old, self._name: live}, self._properties):
                break
            if not end_sessions or attempt == _ATTEMPTS - 1:
                server.require_alone(self._maintenance, self.db, live, is_asked=end_sessions)
        else:
            raise AssertionError  # require_alone has raised
        with looking(self.db) as connection:
            revisions = read_current(connection, self._project.version_table)
        if revisions != self.plan.held.revisions:
            raise RestoreFailed(
                "the database is not at the revision of the backup",
                database=redact_url(self.db.migration_url),
                backup=self.plan.backup.path,
                state=f"The database that it replaced is {old}.",
            )
        role = f"--username={self.db.migration_url.username}" if self.db.migration_url.username else ""
        return Restored(revisions, f"the database {old}", server.command("dropdb", self.db, role, old))


def _fill(
    project: Project, db: DbConfig, programs: Programs, backup: Backup, name: str, progress: Progress
) -> Contents:
    """Restore a backup into an empty database, and say what it holds then."""
    database = redact_url(db.migration_url)
    try:
        with programs.running("pg_restore", "--exit-on-error", database=name, stdin=subprocess.PIPE) as target:
            postgresql.feed(backup.path, target, progress)
    except ProgramFailed as error:
        raise RestoreFailed(str(error), database=database, backup=backup.path) from error
    with _other(db, name) as connection:
        held = read_contents(connection, project.version_table)
    if backup.contents and (held.rows, held.revisions) != (backup.contents.rows, backup.contents.revisions):
        reason = "what was restored has other rows than the backup"
        raise RestoreFailed(reason, database=database, backup=backup.path)
    return held


@contextmanager
def _other(db: DbConfig, name: str) -> Iterator[Connection]:
    """Look at another database of the server."""
    url = db.migration_url.set(database=name)
    with looking(replace(db, url=url, admin_url=None)) as connection:
        yield connection


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
