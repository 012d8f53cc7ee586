"""Restores a backup into an SQLite file: SQLite overwrites the file with the pages of the backup, in one transaction.

The file itself is not replaced. Otherwise a process that has the file open would continue with the old file, and lose
its writes. Instead, such a process reads the backup with its next statement. If the restore is killed before the end,
SQLite rolls back when the file is opened next. Only a file that SQLite cannot open at all is replaced.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine

from ..database.connection import looking
from ..database.driver_errors import translate_errors
from ..database.file_locks import holder, reader
from ..database.lock.sqlite import is_busy
from ..errors.base import Hint
from ..errors.facts.backup import BackupFailed, BackupUnusable, DatabaseInUse
from ..errors.facts.database import NotADatabase
from . import sqlite
from .files import Contents, Folder, create, read_contents, sync
from .restore import Job, Restore, Restored, RestorePlan, make_plan, require_intact


@contextmanager
def prepared(job: Job) -> Iterator[SqliteRestore]:
    """Verify a backup, and compare it with the database.

    Raises:
        BackupUnusable: the file is not a backup of SQLite, or it is damaged.
        DatabaseError: the database cannot be read.
    """
    held = sqlite.read(job.backup.path, job.project.version_table)
    require_intact(job.backup)
    live: Contents | None = None
    damage = ""
    try:
        with looking(job.db, job.listener.note) as connection:
            live = read_contents(connection, job.project.version_table)
    except NotADatabase as error:
        damage = error.reason or error.message
    yield SqliteRestore(job, make_plan(job, held, live, damage))


class SqliteRestore(Restore):
    """A restore into an SQLite file."""

    def __init__(self, job: Job, plan: RestorePlan) -> None:
        super().__init__(job, plan)
        self._file = Path(str(job.db.migration_url.database))
        self._damaged = f"{self._file}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def _swap(self, *, end_sessions: bool) -> Restored:
        """Overwrite the file with the backup. SQLite has no sessions to end, so `end_sessions` has no effect."""
        del end_sessions
        try:
            with suppress(OSError):  # The file exists already, or SQLite will report the failure.
                os.close(create(Path(os.path.realpath(self._file))))
            kept = self._write_over_or_replace()
        except (sqlite3.Error, OSError) as error:
            reason = str(error) if isinstance(error, sqlite3.Error) else (error.strerror or str(error)).lower()
            raise self.job.failed(reason) from error
        return Restored(self.plan.held.revisions, kept)

    def _write_over_or_replace(self) -> str:
        try:
            return self._write_over()
        except NotADatabase:  # SQLite cannot lock the file, or cannot read its first page.
            if not self.plan.damage:
                raise
            return self._replace()

    @contextmanager
    def _alone(self) -> Iterator[tuple[Connection, sqlite3.Connection]]:
        """Lock the file until the end of the `with` block, even between two transactions."""
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(self._file, isolation_level=None, timeout=0),
            poolclass=NullPool,
        )
        with translate_errors(self.job.db.migration_url), engine.connect() as connection:
            driver = sqlite.driver_of(connection)
            self._lock(driver)
            yield connection, driver

    def _lock(self, driver: sqlite3.Connection) -> None:
        patience = self.job.patience()
        while True:
            try:
                driver.execute("PRAGMA locking_mode = EXCLUSIVE")
                driver.execute("BEGIN EXCLUSIVE")
                driver.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if not patience.wait(lambda: self._user() or "a process that has the file open"):
                    raise self._in_use() from error
            else:
                return

    def _user(self) -> str:
        return holder(str(self._file)) or reader(str(self._file))

    def _in_use(self) -> DatabaseInUse:
        hint = Hint("Stop the program that has the file open, such as the application, and try again", "inv db.restore")
        return DatabaseInUse([user] if (user := self._user()) else [], hint, database=self.job.database)

    def _write_over(self) -> str:
        """Overwrite the file with the backup, and return the path of a backup of its old content."""
        with self._alone() as (connection, driver), sqlite.opened(self.job.backup.path) as source:
            kept = self._keep(connection, driver)
            was_wal = self._fit_page_size(driver, source)
            sqlite.copy(sqlite.driver_of(source), driver, self.job.progress)
            if was_wal:
                driver.execute("PRAGMA journal_mode = WAL")
        return kept

    def _keep(self, connection: Connection, driver: sqlite3.Connection) -> str:
        if self.plan.live is None:
            return self._keep_damaged(driver)
        now = read_contents(connection, self.job.project.version_table)
        self._require_unchanged(now)
        if self.plan.is_onto_nothing:
            return ""
        folder, spare = Folder.of(self.job.db), self.job.backup.path
        try:
            made = sqlite.make_from(driver, folder, self.job.project.version_table, self.job.progress, spare=spare)
        except BackupFailed as error:
            if not isinstance(error.__cause__, BackupUnusable):
                raise
            return self._keep_damaged(driver)  # The file is damaged, although its rows can be counted.
        return str(made.path)

    def _keep_damaged(self, driver: sqlite3.Connection) -> str:
        sqlite.write(driver, Path(self._damaged), self.job.progress)
        sync(Path(self._damaged))
        return self._damaged

    def _fit_page_size(self, driver: sqlite3.Connection, source: Connection) -> bool:
        """Leave WAL mode if the page size has to change. Return whether WAL mode was left."""
        size = driver.execute("PRAGMA page_size").fetchone()[0]
        mode = driver.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal" or source.exec_driver_sql("PRAGMA page_size").scalar() == size:
            return False
        driver.execute("PRAGMA journal_mode = DELETE")
        return True

    def _replace(self) -> str:
        """Replace a file that is not a database, and return the new name of the old file."""
        new = self._file.with_name(f".{self._file.name}.restoring")
        new.unlink(missing_ok=True)
        with sqlite.opened(self.job.backup.path) as source:
            sqlite.write(sqlite.driver_of(source), new, self.job.progress)
        sync(new)
        Path(self._damaged).unlink(missing_ok=True)  # A failed copy may have left an incomplete file.
        try:
            os.link(self._file, self._damaged)  # A link, so that the name always exists.
        except OSError:  # The file system has no links.
            self._file.rename(self._damaged)
        for companion in ("-journal", "-wal", "-shm"):  # SQLite would apply them to the new file.
            with suppress(FileNotFoundError):
                os.rename(f"{self._file}{companion}", f"{self._damaged}{companion}")  # noqa: PTH104 - two names
        new.replace(self._file)
        sync(self._file.parent)
        return self._damaged
