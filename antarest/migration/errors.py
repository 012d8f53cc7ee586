"""What can go wrong when a database is moved: one class a fact, each with its values and the way on.

Codes: `db.E2xx` the revision graph and its files, `db.E5xx` data that would be lost, `db.E6xx` a run that failed,
`db.E7xx` an operation that was refused, `db.E8xx` the checks. (`config.E...`, `db.E3xx` and `db.E4xx` live in
`antarest.core.errors`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from antarest.core.errors import EXIT_USAGE, NOTHING_CHANGED, AntarestError, Hint

if TYPE_CHECKING:
    from antarest.migration.loss import Loss

_SHOWN = 3  # An error has at most nine lines, so a list in it is cut after this many entries.


class MigrationError(AntarestError):
    """Base of what this package refuses or fails to do."""


def shorten(items: Sequence[object], shown: int = _SHOWN) -> str:
    """Join the items with commas, cut after `shown` of them."""
    rest = len(items) - shown
    return ", ".join(str(item) for item in items[:shown]) + (f" and {rest} more" if rest > 0 else "")


# ---- the revision graph and its files


class ProjectNotFound(MigrationError):
    """There is no `alembic.ini`, neither in the working directory nor beside the package."""

    code = "db.E200"
    exit_code = EXIT_USAGE

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"there is no Alembic project at {path}",
            hints=[
                Hint("Go to the folder of the repository, or name the file", "--project=PATH/alembic.ini"),
            ],
        )


class InvalidProject(MigrationError):
    """`alembic.ini` cannot be used as it is."""

    code = "db.E210"
    exit_code = EXIT_USAGE

    def __init__(self, path: Path, reason: str, hints: Sequence[Hint] = ()) -> None:
        self.path = path
        super().__init__(f"{path.name} cannot be used: {reason}", details={"file": str(path)}, hints=hints)


class UnknownRevision(MigrationError):
    """The database is at a revision that the files do not have: another branch, or a newer release."""

    code = "db.E201"

    def __init__(self, revision: str, database: str, heads: Sequence[str], count: int, folder: str) -> None:
        self.revision = revision
        super().__init__(
            f"the database is at revision {revision}, which this checkout does not contain",
            details={
                "database": database,
                "this code": f"head is {shorten(heads) or 'none'}, {count} revisions in {folder}",
            },
            hints=[
                Hint("Find the branch that has it, and roll back from there", f"git log --all -- '*{revision}*'"),
                Hint("Or start anew with this checkout (development only)", "inv db.reset"),
            ],
        )


class MultipleHeads(MigrationError):
    """The history ends in more than one revision, so that "head" says nothing."""

    code = "db.E202"

    def __init__(self, heads: Sequence[str]) -> None:
        self.heads = tuple(heads)
        super().__init__(
            f"the history has {len(heads)} heads: {shorten(heads)}",
            hints=[
                Hint("Change down_revision of the newer one to the other head", "inv db.history"),
                Hint("Or join them", "alembic merge heads -m 'merge heads'"),
            ],
        )


class InvalidRevisionFile(MigrationError):
    """A revision file cannot be read: a syntax error, no `revision`, or a declaration that is not a literal."""

    code = "db.E203"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(
            f"the revision file {path.name} cannot be read: {reason}",
            details={"file": str(path)},
            hints=[Hint("Mend the file, then look again", "inv db.history")],
        )


class MissingPredecessor(MigrationError):
    """A revision file names a predecessor that no file has."""

    code = "db.E204"

    def __init__(self, path: Path, revision: str, missing: str) -> None:
        self.revision, self.missing = revision, missing
        super().__init__(
            f"revision {revision} follows {missing}, and no revision file has that id",
            details={"file": str(path)},
            hints=[
                Hint("Bring the missing file back", f"git log --all -- '*{missing}*'"),
                Hint("Or mend down_revision in the file, then look again", "inv db.history"),
            ],
        )


class DuplicateRevision(MigrationError):
    """Two revision files have the same id."""

    code = "db.E205"

    def __init__(self, revision: str, paths: Sequence[Path]) -> None:
        self.revision = revision
        super().__init__(
            f"revision {revision} is in more than one file",
            details={"files": shorten([path.name for path in paths]), "folder": str(paths[0].parent)},
            hints=[Hint("Give one of them another id, or delete the copy, then look again", "inv db.history")],
        )


class RevisionCycle(MigrationError):
    """The revisions follow each other in a circle."""

    code = "db.E206"

    def __init__(self, revisions: Sequence[str]) -> None:
        self.revisions = tuple(revisions)
        super().__init__(
            f"the revisions follow each other in a circle: {shorten(revisions)}",
            hints=[Hint("Mend down_revision in one of them, then look again", "inv db.history")],
        )


class RevisionNotFound(MigrationError):
    """The revision that was asked for does not exist."""

    code = "db.E207"

    def __init__(self, asked: str, nearest: Sequence[str] = ()) -> None:
        self.asked = asked
        super().__init__(
            f"there is no revision {asked!r}",
            details={"nearest": shorten(nearest)} if nearest else {},
            hints=[Hint("List the revisions", "inv db.history")],
        )


class AmbiguousRevision(MigrationError):
    """The beginning of a revision id fits more than one revision."""

    code = "db.E208"

    def __init__(self, asked: str, candidates: Sequence[str]) -> None:
        self.asked, self.candidates = asked, tuple(candidates)
        super().__init__(
            f"revision {asked!r} is ambiguous: it could be {shorten(candidates)}",
            hints=[Hint("Give more of the id", "inv db.history")],
        )


class OutOfReach(MigrationError):
    """The target exists, but the verb cannot go there from the current revision."""

    code = "db.E209"

    def __init__(self, message: str, current: str, hints: Sequence[Hint] = ()) -> None:
        super().__init__(
            message,
            details={"current": current},
            hints=[*hints, Hint("List the revisions, with a mark at current", "inv db.history")],
        )


# ---- data that would be lost


class LossNotDeclared(MigrationError):
    """The run would lose data that its revisions do not declare; it was rolled back."""

    code = "db.E501"

    def __init__(self, losses: Sequence[Loss], database: str, current: str) -> None:
        self.losses = tuple(losses)
        first = losses[0]
        super().__init__(
            f"the {first.direction} of revision {first.revision} would lose data that it does not declare",
            details={"database": database, **_loss_details(losses)},
            state=f"{NOTHING_CHANGED} The run was rolled back; the database is still at {current}.",
            hints=[
                Hint("Mend the revision so that it keeps the data, or declare the loss in its file", first.declaration),
            ],
        )


class LossNotConfirmed(MigrationError):
    """A rollback would lose data, declared by its revisions, and nobody has agreed to it."""

    code = "db.E502"

    def __init__(self, losses: Sequence[Loss], database: str, current: str) -> None:
        self.losses = tuple(losses)
        super().__init__(
            "the rollback would lose data, and nobody agreed to it",
            details={"database": database, **_loss_details(losses)},
            state=f"{NOTHING_CHANGED} The database is at {current}.",
            hints=[
                Hint("See the plan", "inv db.rollback --dry-run"),
                Hint("Agree to the loss", "inv db.rollback --allow-data-loss"),
            ],
        )


class Irreversible(MigrationError):
    """A revision on the way back says that it cannot be undone."""

    code = "db.E503"

    def __init__(self, revision: str, reason: str, nearest: str) -> None:
        self.revision, self.reason = revision, reason
        super().__init__(
            f"revision {revision} is irreversible: {reason}",
            details={"reachable": f"down to {nearest}"},
            hints=[Hint("Roll back as far as that", f"inv db.rollback --to={nearest}")],
        )


class ForeignKeysViolated(MigrationError):
    """After the run, rows would refer to rows that do not exist."""

    code = "db.E504"

    def __init__(self, violations: Sequence[str], database: str, current: str) -> None:
        self.violations = tuple(violations)
        super().__init__(
            f"the run would leave {len(violations)} foreign keys that point nowhere",
            details={"database": database, "where": shorten(violations)},
            state=f"{NOTHING_CHANGED} The run was rolled back; the database is still at {current}.",
            hints=[Hint("Mend the revision, then look at what is pending", "inv db.status")],
        )


def _loss_details(losses: Sequence[Loss]) -> dict[str, str]:
    details = {"loses" if index == 0 else f"loses {index + 1}": str(loss) for index, loss in enumerate(losses[:_SHOWN])}
    if len(losses) > _SHOWN:
        details["and"] = f"{len(losses) - _SHOWN} more"
    return details


# ---- a run that failed


class RevisionFailed(MigrationError):
    """A revision raised an error while it ran; everything was rolled back."""

    code = "db.E601"

    def __init__(self, revision: str, direction: str, reason: str, *, database: str, current: str, done: int) -> None:
        self.revision, self.direction, self.reason = revision, direction, reason
        undone = f" {done} revisions before it were undone with it." if done else ""
        super().__init__(
            f"the {direction} of revision {revision} failed: {reason}",
            details={"database": database},
            state=f"{NOTHING_CHANGED} The run was rolled back; the database is still at {current}.{undone}",
            hints=[
                Hint("Mend the revision or the data, then look at what is pending", "inv db.status"),
                Hint("See the traceback", "run it again with --debug"),
            ],
        )


class AlembicRefused(MigrationError):
    """Alembic itself refused the command, or failed before the first revision."""

    code = "db.E603"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Alembic refuses: {reason}", hints=[Hint("See where the database is", "inv db.status")])


class RunFailed(MigrationError):
    """A run failed before its first revision, or after its last one; everything was rolled back."""

    code = "db.E604"

    def __init__(self, reason: str, *, database: str, current: str) -> None:
        self.reason = reason
        super().__init__(
            f"the run failed: {reason}",
            details={"database": database},
            state=f"{NOTHING_CHANGED} The run was rolled back; the database is still at {current}.",
            hints=[
                Hint("See where the database is", "inv db.status"),
                Hint("See the traceback", "run it again with --debug"),
            ],
        )


class UnexpectedFailure(MigrationError):
    """Something that nobody thought of."""

    code = "db.E699"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"an unexpected error: {reason}",
            state="An open transaction was rolled back.",
            hints=[
                Hint("See where the database is", "inv db.status"),
                Hint("See the traceback", "run it again with --debug"),
            ],
        )


class NotRecorded(MigrationError):
    """The run ended without an error, and yet a second connection does not see its result."""

    code = "db.E602"

    def __init__(self, expected: str, found: str, database: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the database should be at {expected} now, and is at {found}",
            details={"database": database},
            state="Another process may have moved it at the same time.",
            hints=[Hint("See where it is", "inv db.status")],
        )


# ---- an operation that was refused


class InMemoryDatabase(MigrationError):
    """The configuration names a database that would be gone when the command ends."""

    code = "db.E701"
    exit_code = EXIT_USAGE

    def __init__(self, source: Path | None) -> None:
        super().__init__(
            "the configured database is an SQLite database in memory, which is gone when the command ends",
            details={"configuration": str(source)} if source else {},
            hints=[Hint("Name a file in the configuration", "db.url: sqlite:///antarest.db")],
        )


class ResetRefused(MigrationError):
    """A reset of a database that looks like one that others use."""

    code = "db.E702"

    def __init__(self, reason: str, database: str) -> None:
        super().__init__(
            f"db.reset is refused: {reason}",
            details={"database": database},
            hints=[Hint("If it is the one to be emptied, say so", "inv db.reset --allow-production")],
        )


class ResetNotConfirmed(MigrationError):
    """A reset of a database that has rows, and nobody has agreed to lose them."""

    code = "db.E703"

    def __init__(self, database: str, rows: int, tables: int) -> None:
        self.rows = rows
        super().__init__(
            f"db.reset would lose {rows} rows in {tables} tables",
            details={"database": database},
            hints=[Hint("Agree to it", "inv db.reset --yes --allow-data-loss")],
        )


class NotConfirmed(MigrationError):
    """The question was answered with no, or nobody was there to answer it."""

    code = "db.E704"

    def __init__(self, question: str, command: str) -> None:
        super().__init__(f"not confirmed: {question}", hints=[Hint("Answer it in advance", command)])


class SqlNotSupported(MigrationError):
    """`--sql` for SQLite, whose table rebuilds need the database itself."""

    code = "db.E705"

    def __init__(self, database: str) -> None:
        super().__init__(
            "--sql writes scripts for PostgreSQL only; SQLite rebuilds tables, which needs the database itself",
            details={"database": database},
            hints=[Hint("Upgrade the SQLite file directly", "alembic upgrade head")],
        )


# ---- the checks


class RollbackScriptStale(MigrationError):
    """`rollback.sh` was made for another head than the one that the files have."""

    code = "db.E801"

    def __init__(self, path: Path, written_for: str, head: str) -> None:
        self.written_for, self.head = written_for, head
        super().__init__(
            f"{path.name} was written for head {written_for}, and the head is {head}",
            details={"file": str(path)},
            hints=[
                Hint("Write it anew", "inv db.rollback-script"),
                Hint("Or roll back one step from where the database is", "inv db.rollback"),
            ],
        )


class CheckFailed(MigrationError):
    """`db.check` found something."""

    code = "db.E802"

    def __init__(self, findings: int) -> None:
        self.findings = findings
        super().__init__(f"db.check has {findings} finding{'s' if findings != 1 else ''}, see above")
