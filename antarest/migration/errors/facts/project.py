"""Codes `db.E2xx`: the project, the revision graph and its files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..base import EXIT_USAGE, Hint, MigrationError
from ..settings.location import INSTALLED, KIND
from ..text import count, shorten

_LEAVE_THE_RELEASE = (
    Hint("A newer release has upgraded the database: start that release, or roll back with its rollback.sh."),
    Hint("See what this release has", "inv db.history"),
)


class ProjectNotFound(MigrationError, code="db.E200", exit_code=EXIT_USAGE):
    """There is no Alembic project here.

    Why: the command was started in another folder, or `--project` or `ALEMBIC_CONFIG` names a file that does not exist.
    The command looks in the working directory and in each folder above it, for an `alembic.ini`, a `pyproject.toml`
    with `[tool.alembic]`, or a `migrations/alembic.ini`.

    To do: go to the folder of the project, or give `--project=PATH/alembic.ini`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no Alembic project at {path}",
            Hint("Go to the folder of the project, or name the file", "inv db.status --project=PATH/alembic.ini"),
        )


class OtherProject(MigrationError, code="db.E212", exit_code=EXIT_USAGE):
    """The project that was found is perhaps not the project to which the database belongs.

    Why: the database is at a revision that this project lacks, and another project near this folder or near the
    configuration has that revision. Or the database is empty, and several projects could use the database. A run of the
    wrong project would create the tables of that project in the database.

    To do: name the right project with `--project`. The message shows both projects.
    """

    def __init__(self, fact: str, found: Path, other: Path, database: str) -> None:
        super().__init__(
            fact,
            Hint("Name the project", f"inv db.status --project={shlex.quote(str(other))}"),
            Hint("Or, if it is the one that was found", f"inv db.status --project={shlex.quote(str(found))}"),
            details={"project": str(found), "other project": str(other), "database": database},
        )


class InvalidProject(MigrationError, code="db.E210", exit_code=EXIT_USAGE):
    """`alembic.ini` cannot be used as it is.

    Why: a line is wrong, or names a folder or a module that does not exist. Or a line that the command needs is
    missing.

    To do: fix what the message names; `docs/adopting.md` shows the whole section `[antarest]`.
    """

    def __init__(self, path: Path, reason: str, *hints: Hint) -> None:
        self.path = path
        super().__init__(f"{path.name} cannot be used: {reason}", *hints, details={"file": str(path)})


class EnvNotAdopted(MigrationError, code="db.E611", exit_code=EXIT_USAGE):
    """The project's `env.py` did not call `environment.run(context)`.

    Why: `env.py` does not contain this call, for example because it is still the file that `alembic init` wrote. Or
    `env.py` failed before the call, or connected to a database itself. The workflow does not let `env.py` run revisions
    or open connections itself, because `env.py` can name another database. Therefore a command first runs `env.py` in a
    mode in which SQLAlchemy opens no connection.

    To do: replace the calls of `context.configure` in `env.py` as `docs/adopting.md` shows. If `env.py` failed, remove
    the reason that the message names.
    """

    def __init__(self, ini: Path, database: str = "", reason: str = "", *, asked: bool = False) -> None:
        """Make the error for a project.

        Args:
            ini: the settings file of the project.
            database: the URL of the database, redacted; empty if the command has not looked for a database yet.
            reason: why `env.py` failed; empty if it ended without the call.
            asked: whether `env.py` ran in the mode in which SQLAlchemy opens no connection.
        """
        self.failed = bool(reason)
        details = {"project": str(ini), "database": database}
        super().__init__(
            f"env.py failed, so nothing ran: {reason}" if reason else "env.py did not call environment.run(context)",
            Hint("Fix env.py, then look again", "inv db.check"),
            Hint("docs/adopting.md shows the call in env.py."),
            details={name: value for name, value in details.items() if value},
            state="No revision ran, and SQLAlchemy opened no connection for env.py."
            if asked
            else "No revision ran. It is not known what else env.py did, and to which database.",
        )


class UnknownRevision(MigrationError, code="db.E201"):
    """The database is at a revision that has no file here.

    Why: the database was upgraded with the code of another branch or of a newer release, and is now used with this
    code.

    To do: run `inv db.sync`. The command finds the file of the revision in the store of applied revisions or in git.
    The command shows its plan, rolls the revision back, and applies the revisions of this checkout. If a newer release
    has upgraded the database, start that release, or roll back with the `rollback.sh` of that release.
    """

    def __init__(
        self, revision: str, database: str, heads: Sequence[str], number: int, folder: str, elsewhere: str = ""
    ) -> None:
        super().__init__(
            f"the database is at revision {revision}, which this {KIND} does not contain",
            *(
                _LEAVE_THE_RELEASE
                if INSTALLED
                else [
                    *([Hint(elsewhere)] if elsewhere else []),
                    Hint("Make the database match this checkout", "inv db.sync"),
                ]
            ),
            details={
                "database": database,
                "this code": f"head is {shorten(heads) or 'none'}, {count(number, 'revision')} in {folder}",
            },
        )


class MultipleHeads(MigrationError, code="db.E202"):
    """The history has more than one head, so "head" names no single revision.

    Why: two branches each added a revision after the same revision, and both were merged. Or the project has branches
    that stay apart: heads without a common ancestor, or heads that each have a branch label of their own.

    To do: `inv db.rebase` puts the revisions of this branch on top of the other head, and brings the database to the
    new head. If both heads are deployed, join them with `inv db.merge`. If the branches stay apart, `inv db.upgrade
    --to=heads` applies them all, and `--to=LABEL@head` applies one of them. `inv db.revision --head=LABEL@head` writes
    the next revision of a branch.
    """

    def __init__(self, heads: Sequence[str], *, stay_apart: bool = False) -> None:
        diverged = [
            Hint("Put the revisions of this branch on top of the others", "inv db.rebase"),
            Hint("Or, where both are deployed, join them", "inv db.merge"),
        ]
        apart = [
            Hint("They are branches that stay apart; apply them all", "inv db.upgrade --to=heads"),
            Hint("Or join them", "inv db.merge"),
        ]
        super().__init__(f"the history has {len(heads)} heads: {shorten(heads)}", *(apart if stay_apart else diverged))


class InvalidRevisionFile(MigrationError, code="db.E203"):
    """A revision file cannot be read.

    Why: a merge left conflict marks in the file, or the file has another syntax error or no `revision = ...`. Or the
    file imports something that does not exist here, or `lossy`, `moves` or `irreversible` is not a literal. Or the file
    lacks the function `upgrade` or `downgrade` that the command needs.

    To do: open the file at the line that the message names. Write declarations as literals, because they are read
    without running the file. Import only `op` and `sa`: a revision that imports the application breaks when the
    application changes. A revision that cannot be undone declares `irreversible = "why"`.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the revision file {path.name} cannot be read: {reason}",
            Hint("Fix the file, then look again", "inv db.history"),
            details={"file": str(path)},
        )


class MissingPredecessor(MigrationError, code="db.E204"):
    """A revision file names a predecessor, and there is no file of this predecessor.

    Why: the file of the predecessor was deleted or not committed, or is in a commit that was not cherry-picked.

    To do: bring the file back: the `git log` command of the message finds the commits with this file. Or correct
    `down_revision`.
    """

    def __init__(self, path: Path, revision: str, missing: str) -> None:
        self.revision, self.missing = revision, missing
        super().__init__(
            f"revision {revision} follows {missing}, and no revision file has that id",
            Hint("Find the missing file, and bring it back", f"git log --all -- {shlex.quote(f'*{missing}*')}"),
            Hint("Or fix down_revision in the file, then look again", "inv db.history"),
            details={"file": str(path)},
        )


class DuplicateRevision(MigrationError, code="db.E205"):
    """Two revision files have the same id.

    Why: a file was copied as a template, or a file was renamed and the old file was kept.

    To do: delete the copy. If you want both files, give the newer file another id, and correct `down_revision` in
    the files that should follow the newer file.
    """

    def __init__(self, revision: str, paths: Sequence[Path]) -> None:
        super().__init__(
            f"revision {revision} is in more than one file",
            Hint("Give one of them another id, or delete the copy, then look again", "inv db.history"),
            details={"files": shorten([path.name for path in paths]), "folder": str(paths[0].parent)},
        )


class RevisionCycle(MigrationError, code="db.E206"):
    """The revisions follow each other in a circle.

    Why: a `down_revision` was edited by hand, and now leads back to the same revision.

    To do: set `down_revision` to the revision that really comes before. `git log -p` on the file shows the old value.
    """

    def __init__(self, revisions: Sequence[str]) -> None:
        self.revisions = tuple(revisions)
        super().__init__(
            f"the revisions follow each other in a circle: {shorten(revisions)}",
            Hint("Fix down_revision in one of them, then look again", "inv db.history"),
        )


class RevisionNotFound(MigrationError, code="db.E207"):
    """The revision that was asked for does not exist.

    Why: the id is misspelt, or belongs to another branch.

    To do: `inv db.history` lists every revision. The message names the most similar ids.
    """

    def __init__(self, asked: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(
            f"there is no revision {asked!r}",
            Hint("List the revisions", "inv db.history"),
            details={"nearest": shorten(nearest)} if nearest else {},
        )


class AmbiguousRevision(MigrationError, code="db.E208"):
    """More than one revision id begins with the text that was given as a revision.

    Why: the text is too short to name a single revision.

    To do: give more characters of the id.
    """

    def __init__(self, asked: str, candidates: Sequence[str]) -> None:
        self.candidates = tuple(candidates)
        super().__init__(
            f"revision {asked!r} is ambiguous: it could be {shorten(candidates)}",
            Hint("Give more of the id", "inv db.history"),
        )


class OutOfReach(MigrationError, code="db.E209"):
    """The target exists, but the command cannot go there from the current revision.

    Why: the target of an upgrade is below or beside the current revision, or the target of a rollback is above it.

    To do: `inv db.history` marks the current revision. `inv db.rollback --to=REV` goes down, and `inv db.upgrade
    --to=REV` goes up.
    """

    def __init__(self, message: str, current: str, *hints: Hint) -> None:
        super().__init__(
            message,
            Hint("List the revisions, with a mark at current", "inv db.history"),
            *hints,
            details={"current": current},
        )


class SnapshotUnfit(MigrationError, code="db.E213"):
    """No snapshot can be written for these revisions.

    Why: a snapshot can replace revisions only if they always have the same effect, on every machine. A revision can
    have another effect each time if it inserts the time or a random id, imports a module of the project, or reads a
    file. Or the database has something that the statements of a snapshot cannot create again.

    To do: change the revision that the message names, if it was not released yet. Otherwise delete the file of the
    snapshot. Without this file, a new database runs every revision.
    """

    def __init__(self, fact: str) -> None:
        super().__init__(
            f"no snapshot can be written: {fact}",
            Hint("If you can, change that revision, then write it", "inv db.snapshot"),
            Hint("Or continue without a snapshot: delete snapshot/*.sql, if it exists. Then every revision runs"),
        )
