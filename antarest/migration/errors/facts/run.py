"""Codes `db.E6xx`: runs that failed, and so did not commit."""

from __future__ import annotations

from ..base import EXIT_INTERRUPTED, EXIT_TERMINATED, Hint, MigrationError

_STATUS = Hint("See where the database is", "inv db.status")
_TRACEBACK = Hint("The same command with --debug shows the traceback.")


class RevisionFailed(MigrationError):
    """A revision raised an error while it ran; what was not committed before it was rolled back.

    Why: the SQL of the revision does not fit the data (a NOT NULL column over NULLs, a unique index over duplicates),
    or the revision has a mistake.

    To do: the message has what the database said; `--debug` adds the traceback. Mend the data or the revision and
    upgrade again from where the message says that the database is.
    """

    code = "db.E601"

    def __init__(
        self, revision: str, direction: str, reason: str, *, database: str, state: str, statement: str = ""
    ) -> None:
        self.revision, self.direction, self.reason, self.statement = revision, direction, reason, statement
        super().__init__(
            f"the {direction} of revision {revision} failed: {reason}",
            details={"database": database} | ({"statement": statement} if statement else {}),
            state=state,
            hints=[
                Hint("Mend the revision or the data, then look at what is pending", "inv db.status"),
                _TRACEBACK,
            ],
        )


class AutocommitNotAsked(MigrationError):
    """A revision leaves its transaction and does not say so: it could be committed by half.

    Why: the revision uses `autocommit_block()`, which commits what ran before it; a failure after that would leave the
    database between two revisions.

    To do: declare `transaction = "none"` in its file, and let the block hold only what can be run again, such as
    `CREATE INDEX CONCURRENTLY IF NOT EXISTS`.
    """

    code = "db.E605"

    def __init__(self, revision: str, file: str) -> None:
        self.revision = revision
        super().__init__(
            f"revision {revision} uses autocommit_block(), and its file does not say so",
            details={"file": file},
            hints=[Hint("Say so in the file; what is in the block must bear to be run again", 'transaction = "none"')],
        )


class RunInterrupted(MigrationError):
    """Ctrl-C, or SIGINT: what was not committed was rolled back.

    Why: Ctrl-C was pressed, or the process got SIGINT.

    To do: `inv db.status` shows where it is; run the command again whenever you like.
    """

    code = "db.E606"
    exit_code = EXIT_INTERRUPTED

    def __init__(self, database: str, state: str) -> None:
        super().__init__("interrupted", details={"database": database}, state=state, hints=[_STATUS])


class RunTerminated(MigrationError):
    """SIGTERM: what was not committed was rolled back.

    Why: a supervisor, a deployment or the system ended the process.

    To do: `inv db.status` shows where it is; run the command again, with more time if the supervisor's limit was too
    short.
    """

    code = "db.E607"
    exit_code = EXIT_TERMINATED

    def __init__(self, database: str, state: str) -> None:
        super().__init__("terminated", details={"database": database}, state=state, hints=[_STATUS])


class AlembicRefused(MigrationError):
    """Alembic itself refused the command, or failed before the first revision.

    Why: Alembic does not take the arguments (a relative revision that is too far), or `env.py` failed.

    To do: read the reason in the message, and try the same with `inv db.upgrade` or `inv db.rollback`.
    """

    code = "db.E603"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Alembic refuses: {reason}", hints=[Hint("See where the database is", "inv db.status")])


class RunFailed(MigrationError):
    """A run failed before its first revision, or after its last one; what was not committed was rolled back.

    Why: the connection broke, the disk is full, or a deferred constraint failed at the commit.

    To do: `inv db.status` shows where the database is. Remove the cause, and run the command again.
    """

    code = "db.E604"

    def __init__(self, reason: str, *, database: str, state: str) -> None:
        self.reason = reason
        super().__init__(
            f"the run failed: {reason}",
            details={"database": database},
            state=state,
            hints=[
                Hint("See where the database is", "inv db.status"),
                _TRACEBACK,
            ],
        )


class UnexpectedFailure(MigrationError):
    """Something that nobody thought of.

    Why: a mistake in this program, or something outside of it that no check covers.

    To do: `inv db.status` shows where the database is. Repeat the command with `--debug` and report what it prints;
    passwords are masked in it.
    """

    code = "db.E699"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"an unexpected error: {reason}",
            state="An open transaction was rolled back.",
            hints=[
                Hint("See where the database is", "inv db.status"),
                _TRACEBACK,
            ],
        )


class ScratchRunFailed(MigrationError):
    """A revision raised an error on the empty scratch database on which a plan or a check looks at what it does.

    Why: the revision runs on PostgreSQL only, needs rows that an empty database does not have, or its downgrade was
    never run: a plan is the first to run those of an old history.

    To do: mend the revision so that it runs on SQLite too, from base and back; `--debug` shows where it fails. Until
    then `alembic downgrade -1` goes back without a plan, in one transaction and with the same protection against loss.
    """

    code = "db.E610"

    def __init__(self, revision: str, direction: str, reason: str, engine: str = "SQLite") -> None:
        self.revision, self.direction, self.reason = revision, direction, reason
        super().__init__(
            f"the {direction} of revision {revision} fails on a scratch database: {reason}",
            details={"scratch": f"an empty {engine} database, at the same revision"},
            hints=[
                Hint("Mend it, then try it from base and back", "inv db.rollback --to=base --dry-run"),
                Hint("Or go back without a plan", "alembic downgrade -1"),
                _TRACEBACK,
            ],
        )


class NotRecorded(MigrationError):
    """The run ended without an error, and yet a second connection does not see its result.

    Why: another process moved the database at the same moment, or something between us and the server (a pooler, a
    proxy) did not commit what it said it did.

    To do: `inv db.status` shows where it is. Make sure that nobody else migrates, and run the command again.
    """

    code = "db.E602"

    def __init__(self, expected: str, found: str, database: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the database should be at {expected} now, and is at {found}",
            details={"database": database},
            state="Another process may have moved it at the same time.",
            hints=[Hint("See where it is", "inv db.status")],
        )
