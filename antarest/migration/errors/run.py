"""Codes `db.E5xx` and `db.E6xx`: data that would be lost, and runs that failed, and so did not commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from antarest.core.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, Hint
from antarest.migration.errors.base import MigrationError, plural, shorten

if TYPE_CHECKING:
    from antarest.migration.loss import Loss
    from antarest.migration.rebuild import Missing

_SHOWN = 2  # An error has at most nine lines, and one of them may name the backup.
_STATUS = Hint("See where the database is", "inv db.status")
_TRACEBACK = Hint("The same command with --debug shows the traceback.")


class LossNotDeclared(MigrationError):
    """The run would lose data that its revisions do not declare; it was rolled back.

    Why: a revision drops or empties something that has rows, and does not say so in `lossy` or `moves`. It was found
    before the commit, so every row is still there.

    To do: mend the revision so that it keeps the data; where the loss is meant, declare it in the file as the message
    shows, so that whoever reviews it sees it.
    """

    code = "db.E501"

    def __init__(self, losses: Sequence[Loss], database: str, state: str) -> None:
        self.losses = tuple(losses)
        first = losses[0]
        super().__init__(
            f"the {first.direction} of revision {first.revision} would lose data that it does not declare",
            details={"database": database, **_loss_details(losses)},
            state=state,
            hints=[
                Hint("Mend the revision so that it keeps the data, or declare the loss in its file", first.declaration),
            ],
        )


class LossNotConfirmed(MigrationError):
    """A rollback would lose data, declared by its revisions, and nobody has agreed to it.

    Why: the way back drops what the way up created, and rows were written there since.

    To do: read the plan (`inv db.rollback --dry-run`), save what is needed, and agree with `--allow-data-loss`, or with
    a yes on a terminal. `--yes` alone never agrees to a loss.
    """

    code = "db.E502"

    def __init__(self, losses: Sequence[Loss], database: str, state: str, *, target: str = "") -> None:
        self.losses, self.target = tuple(losses), target
        rollback = f"inv db.rollback --to={target}" if target else "inv db.rollback"
        super().__init__(
            "the rollback would lose data, and nobody agreed to it",
            details={"database": database, **_loss_details(losses)},
            state=state,
            hints=[
                Hint("See the plan", f"{rollback} --dry-run"),
                Hint("Agree to the loss", f"{rollback} --allow-data-loss"),
            ],
        )


class Irreversible(MigrationError):
    """A revision on the way back says that it cannot be undone.

    Why: its author declared `irreversible = ...`: what it removed cannot be computed again.

    To do: go back as far as to it, or restore a backup that was taken before it.
    """

    code = "db.E503"

    def __init__(self, revision: str, reason: str, *, is_current: bool) -> None:
        self.revision, self.reason = revision, reason
        reachable = Hint("A rollback can go as far as to it", f"inv db.rollback --to={revision}")
        super().__init__(
            f"revision {revision} is irreversible: {reason}",
            hints=[Hint("See where the database is", "inv db.status") if is_current else reachable],
        )


class ForeignKeysViolated(MigrationError):
    """After the run, rows would refer to rows that do not exist.

    Why: a revision deleted rows that others refer to, or moved some and not those that point at them. SQLite does not
    enforce foreign keys while tables are rebuilt, so they are checked before the commit.

    To do: mend the revision: move or delete the referring rows first. The message names table and target.
    """

    code = "db.E504"

    def __init__(self, violations: Sequence[str], database: str, state: str) -> None:
        self.violations = tuple(violations)
        super().__init__(
            f"after the run, rows of {len(violations)} foreign key{plural(len(violations))} would point nowhere",
            details={"database": database, "where": shorten(violations)},
            state=state,
            hints=[Hint("Mend the revision, then look at what is pending", "inv db.status")],
        )


class RebuildLoses(MigrationError):
    """A rebuild on SQLite would lose a trigger, an index, a check or the like, and the revision does not say so.

    Why: SQLite changes a table by building it anew, and Alembic copies only what it reflects; the rest would be gone
    without a word.

    To do: write what the message shows into the revision, which makes it again; or declare in `lossy` that it is meant.
    """

    code = "db.E505"

    def __init__(self, revision: str, direction: str, missing: Sequence[Missing], database: str, state: str) -> None:
        self.revision, self.missing = revision, tuple(missing)
        first = missing[0]
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table without what belongs to it",
            details={"database": database, "loses": shorten([each.what for each in missing])},
            state=state,
            hints=[
                Hint("Keep it, in the revision", first.again),
                Hint("Or declare its loss there", f'lossy = {{"{direction}": {{"{first.item}": "why"}}}}'),
            ],
        )


class InTheWay(MigrationError):
    """A view or trigger refers to a table that SQLite rebuilds, which is gone for a moment: the rebuild fails.

    Why: SQLite checks every view and trigger when a table is renamed, and the old table is dropped by then.

    To do: drop it before the rebuild and make it again after it; the message has both statements.
    """

    code = "db.E506"

    def __init__(self, revision: str, direction: str, object_: Missing, reason: str, database: str, state: str) -> None:
        self.revision = revision
        kind, name = object_.item.split(":", 1)
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table that {object_.what} refers to",
            details={"database": database, "reason": reason},
            state=state,
            hints=[
                Hint("Before the rebuild, write in the revision", f"op.execute({f'DROP {kind.upper()} {name}'!r})"),
                Hint("And after it", object_.again),
            ],
        )


def _loss_details(losses: Sequence[Loss]) -> dict[str, str]:
    details = {"loses" if index == 0 else f"loses {index + 1}": str(loss) for index, loss in enumerate(losses[:_SHOWN])}
    if len(losses) > _SHOWN:
        details["and"] = f"{len(losses) - _SHOWN} more"
    return details


# ---- a run that failed


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

    def __init__(self, revision: str, direction: str, reason: str) -> None:
        self.revision, self.direction, self.reason = revision, direction, reason
        super().__init__(
            f"the {direction} of revision {revision} fails on a scratch database: {reason}",
            details={"scratch": "an empty SQLite database, at the same revision"},
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
