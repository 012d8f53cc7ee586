"""The section `db` of the configuration: how to connect to the database, and how to migrate it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.engine import URL

from ..base import Hint
from ..facts.configuration import InvalidValue, UsageError
from . import readers


@dataclass(frozen=True)
class DbConfig:
    """How to connect to the database.

    Args:
        url: the database of the application: PostgreSQL (psycopg2), or SQLite. An SQLite path is relative to the
            configuration file.
        admin_url: the URL for migrations, if they run as a role other than that of `url`; by default `url`.
        application_role: the role that gets rights on the tables that migrations create; by default the user of `url`.
        pool_size: the number of connections that an engine keeps open.
        max_overflow: the number of further connections that an engine opens under load.
        pool_recycle: the number of seconds after which an open connection is replaced by a new one.
        pool_pre_ping: whether a connection is tested before each use.
        connect_timeout: the seconds to wait for a connection to a PostgreSQL server.
        busy_timeout: the seconds to wait for another process that writes to an SQLite file.
        backup: whether to back up PostgreSQL before an upgrade, a rollback or a reset; SQLite is always backed up.
        backup_folder: the folder for backups; by default beside the SQLite file, or in the user's data folder.
        backups_kept: the number of backups to keep; older backups are deleted.
        postgres_programs: the folder with pg_dump and pg_restore of the server's version, if these programs are in no
            usual folder and not in the `PATH`.
        migration_lock_timeout: the seconds that a migration waits for another migration, or that a reading command
            waits for a locked table; `--lock-timeout` overrides this setting.
        lock_timeout: the seconds that a migration waits for a lock on a table, or for readers of an SQLite file. After
            this time the migration rolls back, so that waiting sessions can continue. Then the migration tries again.
        lock_retries: how often a migration that ended because of `lock_timeout` is tried again.
        statement_timeout: the time limit, in seconds, of each statement of a migration on PostgreSQL; 0 for no limit.
    """

    # Not in the repr: the repr of a URL masks the password, but not the secrets among its parameters.
    url: URL = field(
        repr=False, metadata={"reader": readers.url, "example": "postgresql://antarest:${DB_PASSWORD}@db1/antarest"}
    )
    admin_url: URL | None = field(
        default=None,
        repr=False,
        metadata={"reader": readers.url, "example": "postgresql://owner:${DB_PASSWORD}@db1/antarest"},
    )
    application_role: str | None = field(default=None, metadata={"reader": readers.text, "example": "antarest"})
    pool_size: int = field(default=5, metadata={"reader": readers.number(1)})
    max_overflow: int = field(default=10, metadata={"reader": readers.number(0)})
    pool_recycle: int = field(default=1800, metadata={"reader": readers.number(1)})
    pool_pre_ping: bool = field(default=True, metadata={"reader": readers.flag})
    connect_timeout: int = field(default=10, metadata={"reader": readers.number(1)})
    busy_timeout: int = field(default=10, metadata={"reader": readers.number(0, 3600)})
    backup: bool = field(default=False, metadata={"reader": readers.flag})
    backup_folder: Path | None = field(
        default=None, metadata={"reader": readers.path, "example": "/var/backups/antarest"}
    )
    backups_kept: int = field(default=5, metadata={"reader": readers.number(1, 1000)})
    postgres_programs: Path | None = field(
        default=None, metadata={"reader": readers.path, "example": "/usr/lib/postgresql/15/bin"}
    )
    migration_lock_timeout: int = field(default=60, metadata={"reader": readers.SECONDS})
    lock_timeout: int = field(default=5, metadata={"reader": readers.number(1, 3600)})
    lock_retries: int = field(default=5, metadata={"reader": readers.number(0, 1000)})
    statement_timeout: int = field(default=0, metadata={"reader": readers.SECONDS})

    @property
    def migration_url(self) -> URL:
        """The URL with which migrations connect: `admin_url`, or `url` if there is none."""
        return self.admin_url or self.url

    @property
    def urls(self) -> tuple[URL, ...]:
        """The URLs of the configuration. Messages mask the passwords of these URLs."""
        return (self.url, self.admin_url) if self.admin_url else (self.url,)

    @property
    def role_to_grant(self) -> str | None:
        """The role that gets rights on the tables that another role creates; None if no role needs such rights."""
        if self.url.get_backend_name() != "postgresql":
            return None
        other = self.url.username if self.url.username != self.migration_url.username else None
        return self.application_role or other


def with_lock_timeout(db: DbConfig, seconds: str | None, flag: str) -> DbConfig:
    """Return the configuration with another `migration_lock_timeout`.

    Args:
        db: the configuration.
        seconds: the time, as the user wrote it; None for the configured time.
        flag: the name of the flag, for messages.

    Raises:
        UsageError: `seconds` is not a whole number.
    """
    if seconds is None:
        return db
    try:
        return replace(db, migration_lock_timeout=readers.SECONDS(seconds, Path()))
    except InvalidValue as error:
        hint = Hint(f"Write it like this: {flag}=60.")
        raise UsageError(f"{flag} {error.message}, not {seconds!r}", hint) from None
