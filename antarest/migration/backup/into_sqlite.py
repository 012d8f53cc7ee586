"""Restores into an SQLite file: SQLite writes the pages of the backup over it, in one transaction.

The file is not replaced by another one of the same name: a process that has it open would go on with the old one, and
lose what it writes there. So it sees the backup with its next statement. When this process is killed half-way, SQLite
rolls back what was written as soon as somebody opens the file. Only a file that it cannot open at all is replaced.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine

from antarest.core.config import DbConfig
from antarest.core.errors import Hint, NotADatabase
from antarest.core.persistence import redact_url, translate_errors
from antarest.migration.backup import sqlite
from antarest.migration.backup.contents import Contents, Progress, read_contents
from antarest.migration.backup.files import Backup, Folder, create, sync
from antarest.migration.backup.restore import Restore, Restored, RestorePlan, make_plan, require_intact
from antarest.migration.connection import looking, read_current
from antarest.migration.errors import DatabaseInUse, RestoreFailed
from antarest.migration.project import Project

_COMPANIONS = ("-journal", "-wal", "-shm")
_ATTEMPTS = 0.1  # seconds between them


@contextmanager
def prepared(project: Project, db: DbConfig, backup: Backup, progress: Progress) -> Iterator[SqliteRestore]:
    """Verify a backup, and compare it with the database.

    Raises:
        BackupUnusable: it is no backup of SQLite, or is damaged.
        DatabaseError: the database cannot be read.
    """
    held = sqlite.read(backup.path, project.version_table)
    require_intact(backup)
    live: Contents | None = None
    damage = ""
    try:
        with looking(db) as connection:
            live = read_contents(connection, project.version_table)
    except NotADatabase as error:
        damage = error.reason or error.message
    plan = make_plan(project, db, backup, held, live, damage)
    yield SqliteRestore(db, plan, project.version_table, progress)


class SqliteRestore(Restore):
    """A restore into an SQLite file."""

    def __init__(self, db: DbConfig, plan: RestorePlan, version_table: str, progress: Progress) -> None:
        super().__init__(db, plan)
        self._version_table = version_table
        self._progress = progress
        self._file = Path(str(db.migration_url.database))
        self._damaged = f"{self._file}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def swap(self, *, end_sessions: bool = False) -> Restored:
        """As `Restore.swap`. Nobody can be told to let go of an SQLite file, so `end_sessions` changes nothing."""
        del end_sessions
        url = self.db.migration_url
        try:
            with suppress(OSError):  # It exists, or SQLite says what is wrong.
                os.close(create(self._file))
            kept = self._write_over() if not self._is_unreadable() else self._replace()
        except (sqlite3.Error, OSError) as error:
            reason = str(error) if isinstance(error, sqlite3.Error) else (error.strerror or str(error)).lower()
            raise RestoreFailed(reason, database=redact_url(url), backup=self.plan.backup.path) from error
        with looking(self.db) as connection:
            revisions = read_current(connection, self._version_table)
        if revisions != self.plan.held.revisions:
            raise RestoreFailed(
                "the database is not at the revision of the backup",
                database=redact_url(url),
                backup=self.plan.backup.path,
                state=f"What it was before is {kept}.",
            )
        return Restored(revisions, kept)

    def _is_unreadable(self) -> bool:
        """Whether SQLite cannot even lock the file."""
        if not self.plan.damage:
            return False
        try:
            with self._alone():
                return False
        except NotADatabase:
            return True

    @contextmanager
    def _alone(self) -> Iterator[tuple[Connection, sqlite3.Connection]]:
        """Have the file for ourselves: the lock is kept from one transaction to the next, until the block ends."""
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(self._file, isolation_level=None, timeout=0),
            poolclass=NullPool,
        )
        with translate_errors(self.db.migration_url), engine.connect() as connection:
            driver = sqlite.driver_of(connection)
            self._lock(driver)
            yield connection, driver

    def _lock(self, driver: sqlite3.Connection) -> None:
        begin = time.monotonic()
        while True:
            try:
                driver.execute("PRAGMA locking_mode = EXCLUSIVE")
                driver.execute("BEGIN EXCLUSIVE")
                driver.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() - begin > self.db.busy_timeout:
                    raise DatabaseInUse(
                        [],
                        database=redact_url(self.db.migration_url),
                        hints=[
                            Hint("End what uses the file, such as the application, and try again", "inv db.restore")
                        ],
                    ) from error
                time.sleep(_ATTEMPTS)
            else:
                return

    def _write_over(self) -> str:
        """Write the backup over the file; returns where its old content is."""
        with self._alone() as (connection, driver), sqlite.opened(self.plan.backup.path) as source:
            kept = self._keep(connection, driver)
            was_wal = self._fit_page_size(driver, source)
            sqlite.copy(sqlite.driver_of(source), driver, self._progress)
            if was_wal:
                driver.execute("PRAGMA journal_mode = WAL")
        return kept

    def _keep(self, connection: Connection, driver: sqlite3.Connection) -> str:
        if self.plan.live is None:
            sqlite.write(driver, Path(self._damaged), self._progress)
            sync(Path(self._damaged))
            return self._damaged
        now = read_contents(connection, self._version_table)
        self._require_unchanged(now)
        if self.plan.is_onto_nothing:
            return ""
        folder, spare = Folder.of(self.db), self.plan.backup.path
        made = sqlite.make_from(driver, folder, self._version_table, self._progress, spare=spare)
        return str(made.path)

    def _fit_page_size(self, driver: sqlite3.Connection, source: Connection) -> bool:
        """SQLite cannot change the page size of a file in WAL mode; says whether it has to be put back into it."""
        size = driver.execute("PRAGMA page_size").fetchone()[0]
        mode = driver.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal" or source.exec_driver_sql("PRAGMA page_size").scalar() == size:
            return False
        driver.execute("PRAGMA journal_mode = DELETE")
        return True

    def _replace(self) -> str:
        """Put another file in the place of one that is no database; returns the new name of the old one."""
        new = self._file.with_name(f".{self._file.name}.restoring")
        new.unlink(missing_ok=True)
        with sqlite.opened(self.plan.backup.path) as source:
            sqlite.write(sqlite.driver_of(source), new, self._progress)
        sync(new)
        try:
            os.link(self._file, self._damaged)  # So that the name stands for a file at every moment.
        except OSError:  # This file system has no links.
            self._file.rename(self._damaged)
        for companion in _COMPANIONS:  # SQLite would take them for those of the new file.
            with suppress(FileNotFoundError):
                os.rename(f"{self._file}{companion}", f"{self._damaged}{companion}")  # noqa: PTH104 - two names
        new.replace(self._file)
        sync(self._file.parent)
        return self._damaged
