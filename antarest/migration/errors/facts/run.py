"""Codes `db.E6xx`: runs that failed, and did not commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..base import EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_UNREPORTED, SEE_STATUS, Hint, MigrationError
from .fixes import SERVER, fixes_of, for_one_engine

_ROLLED_BACK = "Everything that was not committed was rolled back."
_TRACEBACK = Hint("The same command with --debug shows the traceback.")


class RevisionFailed(MigrationError, code="db.E601"):
    """A revision raised an error while it ran. Everything that was not committed was rolled back.

    Why: the data do not satisfy a condition that the revision adds (for example, NOT NULL for a column with NULLs, or a
    unique index for duplicate values), or the revision has a mistake.

    To do: the message quotes the error of the database, and `--debug` adds the traceback. Fix the data or the revision,
    and upgrade again. The message also says which revision the database is at.
    """

    fact = "the {} of revision {} failed: {}"
    hints_of_kind: tuple[Hint, ...] = (
        Hint("Fix the revision or the data, then look at what is pending", "inv db.status"),
        _TRACEBACK,
    )

    def __init__(
        self,
        revision: str,
        direction: str,
        reason: str,
        *,
        database: str,
        state: str,
        statement: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        self.revision, self.direction, self.reason, self.statement = revision, direction, reason, statement
        super().__init__(
            self.fact.format(direction, revision, reason),
            *fixes_of(revision, reason),
            *self.hints_of_kind,
            details={"database": database} | ({"statement": statement} if statement else {}) | dict(details or {}),
            state=state,
        )


class DeferredConstraintFailed(RevisionFailed, code="db.E620"):
    """A deferred foreign key or constraint trigger fails at the end of a revision. The run was rolled back.

    Why: a revision is allowed to break a deferred constraint if it also repairs it. The run checks deferred constraints
    at the end of each revision, and not only at the commit. So a later revision cannot repair what this revision
    breaks.

    To do: break and repair the constraint in one revision: move the repair into the revision that the message names.
    """

    fact = "after the {} of revision {} a deferred constraint fails: {}"
    hints_of_kind = (
        Hint("If a later revision repairs it, put that into this one. Then look at what is pending", "inv db.status"),
    )


class RevisionNotRunnable(MigrationError, code="db.E612"):
    """The `upgrade` or `downgrade` of a revision is a generator or a coroutine, so calling it runs nothing.

    Why: the function has a `yield`, or is defined with `async def`. Alembic would call the function and record the
    revision as applied, although none of the lines of the function has run.

    To do: remove the `yield`, or the `async`.
    """

    def __init__(self, revision: str, direction: str, kind: str, file: str) -> None:
        super().__init__(
            f"the {direction} of revision {revision} is a {kind}, so a call of it runs nothing",
            Hint("Make it an ordinary function, then look again", "inv db.status"),
            details={"file": file},
        )


class AutocommitNotAsked(MigrationError, code="db.E605"):
    """A revision runs statements outside of its transaction and does not declare this.

    Why: the revision uses `autocommit_block()`, which commits the statements before the block. A later failure would
    leave the database between two revisions.

    To do: declare `transaction = "none"` in the file of the revision. Put only statements into the block that are safe
    to run again, such as `CREATE INDEX CONCURRENTLY IF NOT EXISTS`.
    """

    def __init__(self, revision: str, file: str) -> None:
        super().__init__(
            f"revision {revision} uses autocommit_block(), and its file does not declare it",
            Hint("Declare it in the file; the block must be safe to run again", 'transaction = "none"'),
            details={"file": file},
        )


class RunInterrupted(MigrationError, code="db.E606", exit_code=EXIT_INTERRUPTED):
    """The run was interrupted. Everything that was not committed was rolled back.

    Why: Ctrl-C was pressed, or the process got SIGINT.

    To do: `inv db.status` shows the revision of the database. You can run the command again at any time.
    """

    def __init__(self, database: str, state: str) -> None:
        super().__init__("interrupted", SEE_STATUS, details={"database": database}, state=state)


class RunTerminated(MigrationError, code="db.E607", exit_code=EXIT_TERMINATED):
    """The run was terminated. Everything that was not committed was rolled back.

    Why: a supervisor, a deployment or the system ended the process with SIGTERM.

    To do: `inv db.status` shows the revision of the database. Run the command again, with more time if the limit of the
    supervisor was too short.
    """

    def __init__(self, database: str, state: str) -> None:
        super().__init__("terminated", SEE_STATUS, details={"database": database}, state=state)


class AlembicRefused(MigrationError, code="db.E603"):
    """Alembic itself refused the command, or failed before the first revision.

    Why: Alembic does not accept the arguments (for example, `downgrade -9` when five revisions are applied). Or
    `env.py` failed.

    To do: read the reason in the message, and try the same with `inv db.upgrade` or `inv db.rollback`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Alembic refuses: {reason}", SEE_STATUS)


class RunFailed(MigrationError, code="db.E604"):
    """A run failed before the first revision or after the last one. Everything that was not committed was rolled back.

    Why: the connection broke, the disk is full, or a deferred constraint failed at the commit.

    To do: `inv db.status` shows the revision of the database. Remove the cause, and run the command again.
    """

    def __init__(self, reason: str, *, database: str, state: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(
            f"the run failed: {reason}",
            SEE_STATUS,
            _TRACEBACK,
            details={"database": database, **(details or {})},
            state=state,
        )


class SystemRefused(MigrationError, code="db.E616"):
    """The system refused something that the command needs: a file, a folder, or the conversion of a text.

    Why: a file is missing or belongs to another user, the folder is read-only, the disk is full, or the current folder
    was deleted.

    To do: the message names the file and the reason. Remove the reason, and run the command again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the system refused: {reason}",
            Hint("Remove the reason, then see where the database is", "inv db.status"),
            _TRACEBACK,
            state=_ROLLED_BACK,
        )


class UnexpectedFailure(MigrationError, code="db.E699"):
    """The command failed with an error that the program does not expect.

    Why: a mistake in this program, or a failure outside of the program that no check covers.

    To do: `inv db.status` shows the revision of the database. Repeat the command with `--debug`, and report its output.
    The output masks passwords.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"an unexpected error: {reason}",
            SEE_STATUS,
            _TRACEBACK,
            state=_ROLLED_BACK,
        )


class OutputFailed(MigrationError, code="db.E613"):
    """The command could not print a text that you must see before its next step, so it did not take this step.

    Why: the disk for the output is full, or the program that reads the output has ended.

    To do: make room on the disk, or give the command another output, and run the command again.
    """

    def __init__(self, reason: str, *, is_gone: bool = False) -> None:
        self.is_gone = is_gone
        super().__init__(f"the output cannot be written: {reason}", SEE_STATUS)


class NotReported(MigrationError, code="db.E614", exit_code=EXIT_UNREPORTED):
    """The command has done its work, but could not print all of its output.

    Why: the disk for the output is full, or the program that reads the output has ended.

    To do: do not repeat the command. The lines before this error say what was done. `inv db.status` shows the revision
    of the database.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the command is done, but its output could not be written: {reason}",
            SEE_STATUS,
            state="Nothing that the command did is undone; the lines above say what it was.",
        )


class ScratchRunFailed(MigrationError, code="db.E610"):
    """A plan or a check ran a revision on an empty scratch database, and the revision raised an error.

    Why: the revision needs rows that an empty database does not have, or it cannot run on this engine. Or its downgrade
    has a mistake, and was never run before.

    To do: fix the revision so that it runs on an empty database, up and down. `--debug` shows where the revision fails.
    `inv db.verify` runs the revision on both engines. If the project is for one engine only, write `engines =
    postgresql` (or `sqlite`) into the section `[antarest]` of `alembic.ini`.

    Args:
        revision: the id of the revision.
        direction: the direction in which the revision ran.
        reason: the text of the error that the revision raised.
        engine: the engine of the scratch database.
        details: a mapping from labels to further values, which the message shows.
        fixes: the lines to write into the revision, if they are known.
    """

    def __init__(
        self,
        revision: str,
        direction: str,
        reason: str,
        engine: str = "SQLite",
        *,
        details: Mapping[str, str] | None = None,
        fixes: Sequence[Hint] = (),
    ) -> None:
        self.revision, self.direction, self.reason = revision, direction, reason
        self.fixes = (*fixes, *fixes_of(revision, reason))
        super().__init__(
            f"the {direction} of revision {revision} fails on a scratch database: {reason}",
            *self.fixes,
            Hint("Fix it, then prove it on scratch databases", f"inv db.verify --revisions={revision}"),
            _TRACEBACK,
            details={"scratch": f"an empty {engine} database, at the same revision", **(details or {})},
        )


class ModelsNotMade(MigrationError, code="db.E617"):
    """The tables of the models cannot be created on a scratch database.

    Why: the models use a type, a collation or a default that only one engine has. Or the models need an extension, or
    an object that only the migrations create.

    To do: if PostgreSQL reports the error, add a revision that creates the missing extension or function, before the
    revision that creates the tables. If the project is for one engine only, write `engines = postgresql` (or `sqlite`)
    into the section `[antarest]` of `alembic.ini`. Otherwise give the column a type that both engines have, or a type
    with variants (`sa.JSON().with_variant(JSONB(), "postgresql")`).
    """

    def __init__(self, engine: str, reason: str, metadata: str, *, by_server: bool = False) -> None:
        """Say why the models cannot be created.

        Args:
            engine: the name of the engine in messages.
            reason: the text of the error.
            metadata: the setting that names the metadata of the models.
            by_server: whether a PostgreSQL server has refused a statement.
        """
        other = "postgresql" if engine == "SQLite" else "sqlite"
        extension = "op.execute('CREATE EXTENSION IF NOT EXISTS ...')"
        hints = [
            Hint("Give the column a form that this engine has, then look again", "inv db.check"),
            Hint(f"Or say in [antarest] that the project is not for {engine}", f"engines = {other}"),
        ]
        if own := [*for_one_engine(reason)]:
            hints = [*own, *hints]
        elif by_server:
            hints = [
                Hint("Let a revision make what is missing, first", 'inv db.revision --message="..." --empty'),
                Hint("In that revision, for an extension", extension),
                Hint("If this server cannot have it, name another one", SERVER),
            ]
        super().__init__(
            f"the models cannot be created on {engine}: {reason}",
            *hints,
            _TRACEBACK,
            details={"models": metadata, "scratch": f"an empty {engine} database"},
        )


class RevisionUnfinished(MigrationError, code="db.E615"):
    """The new revision was written, but it does not run on a scratch database yet.

    Why: the revision uses something that the engine of the scratch database does not have, or it changes a column that
    a view uses.

    To do: fix the file that the message names. The message shows the lines to write, if they are known. `inv db.check`
    runs the revision again.
    """

    def __init__(self, failed: ScratchRunFailed, path: Path) -> None:
        self.path = path
        super().__init__(
            f"revision {failed.revision} was written, and does not run yet: {failed.reason}",
            *failed.fixes,
            Hint("Fix the file, then check it", "inv db.check"),
            details={"file": str(path), **failed.details},
            state="The file stays. No database was changed.",
        )


class NotRecorded(MigrationError, code="db.E602"):
    """The database is at another revision than the run has recorded.

    Why: another process changed the revision of the database at the same moment, or a pooler or proxy reported a commit
    that did not happen.

    To do: `inv db.status` shows the revision of the database. Make sure that nobody else migrates, and run the command
    again.
    """

    def __init__(self, expected: str, found: str, database: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the database should be at {expected} now, and is at {found}",
            Hint("See where it is", "inv db.status"),
            details={"database": database},
            state="Another process may have moved it at the same time.",
        )
