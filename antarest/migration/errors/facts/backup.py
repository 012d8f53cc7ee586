"""Codes `db.E9xx`, and `db.E406`: backups that could not be made, and restores that were refused or failed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..base import EXIT_USAGE, NOTHING_CHANGED, SEE_STATUS, Hint, MigrationError
from ..text import numbered, shorten, size
from .database import DatabaseLocked

_LIST = Hint("List the backups", "inv db.backups")


class BackupFailed(MigrationError, code="db.E901"):
    """The backup could not be written or read back, so the command that needs the backup did not start.

    Why: this user is not allowed to write to the folder, the disk is full, or the connection broke. Or a check of the
    finished backup found that its content differs from the database.

    To do: fix the problem that the message names. When `inv db.backup` succeeds, run the command again.
    """

    def __init__(self, reason: str, *, database: str, folder: Path) -> None:
        super().__init__(
            f"the backup failed: {reason}",
            Hint("Fix the cause, then try to make a backup", "inv db.backup"),
            details={"database": database, "folder": str(folder)},
        )


class NoSpace(MigrationError, code="db.E902"):
    """There is too little space left for the backup.

    Why: earlier backups fill the folder, or the database has grown.

    To do: delete backups that nobody needs (`inv db.backups` lists them), or name a larger folder in
    `db.backup_folder`.
    """

    def __init__(self, needed: int, reserve: int, free: int, *, database: str, folder: Path) -> None:
        numbers = f"it needs about {size(needed)} and leaves {size(reserve)} free, and {size(free)} are free"
        super().__init__(
            f"there is too little space for the backup: {numbers}",
            Hint("See what takes the space", shlex.join(["ls", "-l", str(folder)])),
            Hint("Or name another folder in the configuration", "db.backup_folder: /srv/backups"),
            details={"database": database, "folder": str(folder)},
        )


class ProgramsMissing(MigrationError, code="db.E903", exit_code=EXIT_USAGE):
    """The programs pg_dump and pg_restore of the server's major version were not found.

    Why: no client programs are installed, or only those of another major version. It is possible that the server cannot
    read dumps that programs of another version write.

    To do: install the client package of the server's version, or set `db.postgres_programs` to the programs' folder.
    """

    def __init__(self, major: int, found: Sequence[str], *, database: str) -> None:
        super().__init__(
            f"there is no pg_dump and pg_restore of PostgreSQL {major}, which is the server's version",
            Hint("Install the client programs, or name their folder", f"db.postgres_programs: /.../{major}/bin"),
            details={"database": database, "found": shorten(found) or "none"},
        )


class BackupNotFound(MigrationError, code="db.E904"):
    """The database has no backup, or the backup that was asked for does not exist.

    Why: the backup was deleted, or `db.backup_folder` has been changed since the backup was made.

    To do: `inv db.backups` lists the backups.
    """

    def __init__(self, asked: str, *, database: str, folder: Path) -> None:
        super().__init__(
            f"there is no backup {asked}" if asked else "there is no backup of the database",
            _LIST,
            *([] if asked else [Hint("Make one", "inv db.backup")]),
            details={"database": database, "folder": str(folder)},
        )


class BackupUnusable(MigrationError, code="db.E905"):
    """The file is not a backup of this kind of database, or it is damaged.

    Why: the file was cut off, was changed after it was made, or is a backup of the other engine.

    To do: use another backup. `inv db.backups` says which backups can be used.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the backup cannot be used: {reason}", _LIST, details={"backup": str(path)})


class RestoreNotConfirmed(MigrationError, code="db.E906"):
    """A restore would lose data that is newer than the backup, and nobody has agreed to it.

    Why: rows were written since the backup, and a restore replaces them.

    To do: read the list of losses in the message, and save the data that matters. Then agree with `--allow-data-loss`,
    or with a yes on a terminal.
    """

    def __init__(self, backup: Path, losses: Sequence[str], database: str) -> None:
        super().__init__(
            "the restore would lose data that is newer than the backup, and nobody agreed to it",
            Hint("Agree to the loss", shlex.join(["inv", "db.restore", f"--from={backup}", "--allow-data-loss"])),
            details={"database": database, "backup": str(backup), **numbered("loses", losses, 2)},
        )


class RestoreNotAllowed(MigrationError, code="db.E907"):
    """The migrating role does not have the rights that a restore needs.

    Why: the role owns the tables but not the database, or is not allowed to create a database.

    To do: restore as a role that has the rights, or grant the rights that the message lists.
    """

    def __init__(self, missing: Sequence[str], role: str, *hints: Hint, database: str) -> None:
        super().__init__(
            f"the role {role} may not restore: {'; '.join(missing)}", *hints, details={"database": database}
        )


class DatabaseInUse(DatabaseLocked, code="db.E406"):
    """The database cannot be replaced while other sessions are connected to it; trying again can help.

    Why: an application or a session is still connected.

    To do: stop the application or end the session, and restore again. Exit code 4 says that trying again can help.
    """

    def __init__(self, sessions: Sequence[str], *hints: Hint, database: str) -> None:
        who = f"{len(sessions)} sessions" if len(sessions) > 1 else "another session"
        super().__init__(f"the database is in use by {who}", *hints, database=database)
        self.details |= numbered("by", sessions, 3, "and")


class RestoreFailed(MigrationError, code="db.E909"):
    """A restore failed; the database has not changed.

    Why: the server does not accept the dump, a right is missing, or the disk is full. A restore fills a new database
    beside the old one, and replaces the old one only at the end. So the old database has not changed.

    To do: read the reason in the message, fix it, and restore again.
    """

    def __init__(self, reason: str, *, database: str, backup: Path, state: str = NOTHING_CHANGED) -> None:
        super().__init__(
            f"the restore failed: {reason}",
            SEE_STATUS,
            details={"database": database, "backup": str(backup)},
            state=state,
        )


class DatabaseChanged(MigrationError, code="db.E908"):
    """The database was changed between the plan of a restore and the restore.

    Why: somebody wrote between the plan and the restore, so the restore would lose more than you agreed to.

    To do: stop the programs that write, look at the plan again, and agree again.
    """

    def __init__(self, what: str, *, database: str) -> None:
        super().__init__(
            f"the database was changed while the restore was prepared: {what}",
            Hint("Look at the plan again", "inv db.restore"),
            details={"database": database},
        )
