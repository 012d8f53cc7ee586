"""Codes `db.E22x`: the database and this checkout have parted."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..base import EXIT_USAGE, Hint, MigrationError
from ..text import shorten

_AGAIN = "inv db.sync"
_MOST = 4  # ways to read a reference that an error shows
_LONGEST = 300  # characters of what git says


class RevisionLost(MigrationError):
    """The database has a revision whose file is nowhere to be found, so that nobody can undo it.

    Why: it was applied from another clone or machine, and was never pushed; or this clone has only the newest part of
    the history.

    To do: fetch what others have, and try again. Whoever applied it has its file in the store of their clone
    (`.git/antarest/revisions`): put it into the folder of the revisions. Else restore a backup from before it, or start
    anew.
    """

    code = "db.E220"

    def __init__(self, revision: str, database: str, searched: str, *, is_shallow: bool = False) -> None:
        self.revision = revision
        super().__init__(
            f"the database has revision {revision}, and its file is nowhere to be found",
            details={"database": database, "searched": searched},
            hints=[
                Hint("Get the rest of the history", "git fetch --unshallow")
                if is_shallow
                else Hint("Fetch what others have, then try again", "git fetch --all --tags"),
                Hint("Or restore a backup from before it", "inv db.backups"),
                Hint("Or start anew (development only)", "inv db.reset"),
            ],
        )


class ScriptChanged(MigrationError):
    """What was found of a revision that is to be undone is not the code that was applied.

    Why: the file was edited after it was applied, and the file of then is neither in the store nor in git. Its
    downgrade may not fit what its upgrade did.

    To do: read the file where the message says that it was found. If its downgrade fits, run it with `--allow-changed`;
    the schema is checked by nobody then but you.
    """

    code = "db.E221"

    def __init__(self, revision: str, applied: str, found: str, origin: str, command: str = _AGAIN) -> None:
        self.revision = revision
        super().__init__(
            f"the code of revision {revision} that was found is not the code that was applied",
            details={"applied": applied, "found": found, "where": origin},
            hints=[Hint("Read it, and if its downgrade fits, run it", f"{command} --allow-changed")],
        )


class PlanOvertaken(MigrationError):
    """Somebody else has moved the database since the plan was made.

    Why: another run came between the plan and its confirmation.

    To do: look at the new plan.
    """

    code = "db.E222"

    def __init__(self, current: Sequence[str], planned: Sequence[str], command: str = _AGAIN) -> None:
        super().__init__(
            "the database was moved by somebody else since the plan was made",
            details={"planned for": ", ".join(planned) or "base", "current": ", ".join(current) or "base"},
            hints=[Hint("Plan anew", command)],
        )


class NoRepository(MigrationError):
    """The command needs git, and this is no git repository.

    Why: git is not installed, or the project lies in no working tree: a downloaded archive, an installed copy.

    To do: work in a clone of the repository.
    """

    code = "db.E223"
    exit_code = EXIT_USAGE

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "this needs git, and there is no git repository here",
            details={"folder": str(folder)},
            hints=[Hint("Without git, the database can still follow the files", _AGAIN)],
        )


class BranchNotFound(MigrationError):
    """There is no branch of that name to switch to.

    Why: the name is misspelt, was not fetched yet, or is that of a tag or a commit.

    To do: `git branch --all` lists the branches. For a tag or a commit: `git switch --detach`, then `inv db.sync`.
    """

    code = "db.E224"
    exit_code = EXIT_USAGE

    def __init__(self, branch: str, branches: Sequence[str]) -> None:
        near = difflib.get_close_matches(branch, branches)
        super().__init__(
            f"there is no branch {branch!r} to switch to",
            details={"nearest": shorten(near)} if near else {},
            hints=[
                Hint("List the branches", "git branch --all"),
                Hint("For a tag or a commit, switch first", "git switch --detach REF"),
                Hint("And then make the database match", _AGAIN),
            ],
        )


class SwitchRefused(MigrationError):
    """Git does not switch to the branch, so the database was not moved either.

    Why: uncommitted changes would be overwritten, a merge is under way, or another working tree has the branch.

    To do: do what git says, most often commit or stash; then the same command again.
    """

    code = "db.E225"

    def __init__(self, branch: str, reason: str, *, is_ours: bool = False) -> None:
        who = "db.switch" if is_ours else "git"
        super().__init__(
            f"{who} does not switch to {branch}",
            details={f"{who} says": reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}..."},
            hints=[
                Hint("Switch without the database", f"git switch {shlex.quote(branch)}")
                if is_ours
                else Hint("See what is not committed", "git status")
            ],
        )


class AmendRefused(MigrationError):
    """The newest revision may not be written anew.

    Why: others have it, on main or in a tag, and may have applied it; or it is not one that is generated.

    To do: leave it as it is, and write a further revision.
    """

    code = "db.E226"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"db.revision --amend is refused: {reason}",
            hints=[Hint("Write a further revision", 'inv db.revision --message="..."')],
        )


class EditedRevision(MigrationError):
    """Somebody has written in the revision that is to be written anew.

    Why: its file is not what was generated, and generating it anew would lose what was written by hand. A file that
    was generated in another clone counts as edited too, since nobody here knows.

    To do: keep what was written by hand elsewhere, write the file anew with `--discard-edits`, and put it back. The old
    file stays in the store (`.git/antarest/revisions`).
    """

    code = "db.E227"

    def __init__(self, revision: str, path: Path) -> None:
        super().__init__(
            f"revision {revision} was edited since it was generated, and amending it would lose that",
            details={"file": str(path)},
            hints=[
                Hint("See what is in it", f"git diff --no-index /dev/null {shlex.quote(str(path))}"),
                Hint(
                    "Write it anew without the edits; the old file stays in the store",
                    "inv db.revision --amend --discard-edits",
                ),
            ],
        )


class RebaseRefused(MigrationError):
    """The revisions of this branch cannot be put on top of the other head.

    Why: the other branch is not known or not merged here, has several heads itself, or one of the revisions is deployed
    or joins two heads.

    To do: what the message says; where a revision cannot be moved, join the heads with `inv db.merge`.
    """

    code = "db.E228"

    def __init__(self, reason: str, *, merge: str = "") -> None:
        super().__init__(
            f"db.rebase is refused: {reason}",
            hints=[
                Hint("Merge it first", f"git merge {shlex.quote(merge)}")
                if merge
                else Hint("Join the heads instead", "inv db.merge"),
                Hint("Or go on top of another branch", "inv db.rebase --onto=REF"),
            ],
        )


class AmbiguousReference(MigrationError):
    """A reference stands for two different revisions.

    Why: a tag, a branch, a commit or the beginning of a revision id have the same name, and different heads.

    To do: give the revision itself.
    """

    code = "db.E229"

    def __init__(self, reference: str, found: Mapping[str, str]) -> None:
        self.found = dict(found)
        super().__init__(
            f"{reference!r} stands for more than one revision",
            details={f"as {kind}": revision for kind, revision in list(found.items())[:_MOST]},
            hints=[Hint("Give the revision itself", "inv db.history")],
        )


class ReferenceUnusable(MigrationError):
    """A tag, branch, commit or date is no place that the database could go to from this checkout.

    Why: its revisions cannot be read, have several heads, or have a head that this checkout does not have.

    To do: give a revision; or check that state out, and let the database follow with `inv db.sync`.
    """

    code = "db.E230"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the database cannot go to {name}: {reason}",
            hints=[
                Hint("Give a revision of this checkout", "inv db.history"),
                Hint("Or check that state out, and let the database follow", _AGAIN),
            ],
        )


class DeployedUnknown(MigrationError):
    """The deployed revision is none that a rollback from the head could go to.

    Why: `[antarest] deployed` in `alembic.ini` names a revision that was removed or renamed, or that lies on another
    branch than the head.

    To do: name what production really runs, or that it runs nothing.
    """

    code = "db.E231"

    def __init__(self, deployed: str, head: str) -> None:
        super().__init__(
            f"the deployed revision {deployed} is not below the head {head}",
            hints=[
                Hint("Name what production runs", "inv db.deployed REF"),
                Hint("Or that nothing is deployed", "inv db.deployed-clear"),
            ],
        )


class SqlDiffers(MigrationError):
    """A script of SQL does not give the schema that the revisions give.

    Why: a revision looks at the database while it runs (a reflection, a query), which `--sql` cannot write down.

    To do: write the revision without looking, in SQL that holds whatever there is; or let the revisions run.
    """

    code = "db.E232"

    def __init__(self, name: str, difference: str) -> None:
        super().__init__(
            f"{name} does not do what the revisions do",
            details={"difference": difference},
            hints=[Hint("See what the revisions do", "inv db.verify")],
        )


class RecordUnreadable(MigrationError):
    """This role may not read the record of the database, and so nobody knows which code was applied.

    Why: the table belongs to the role that migrates, and this one may not read it.

    To do: run the command as the role that migrates (`db.admin_url`), or give this one the right.
    """

    code = "db.E233"

    def __init__(self, table: str, database: str) -> None:
        super().__init__(
            f"this role may not read the record of the database, the table {table}",
            details={"database": database},
            hints=[Hint("As its owner, give it the right", f"GRANT SELECT ON {table} TO ROLE;")],
        )


class HookInTheWay(MigrationError):
    """A hook cannot be chained: one that was chained before is there already.

    Why: another tool has replaced our hook since, and the one that was kept beside it would be lost.

    To do: put the two hooks into one, or delete the one that is not needed any more; then the same command again.
    """

    code = "db.E234"

    def __init__(self, hook: Path, chained: Path) -> None:
        super().__init__(
            f"the hook {hook.name} cannot be chained: {chained.name} is there already",
            details={"folder": str(hook.parent)},
            hints=[Hint("Keep the one that is needed, then again", "inv db.install-hooks")],
        )


class NotAsSql(MigrationError):
    """A revision cannot be written down as SQL.

    Why: it asks the database something while it runs, and there is none when SQL is only written.

    To do: write the revision without looking, in SQL that holds whatever there is; or let the revisions run.
    """

    code = "db.E235"

    def __init__(self, revision: str, reason: str) -> None:
        super().__init__(
            f"revision {revision} cannot be written as SQL: it looks at the database",
            details={"reason": reason},
            hints=[Hint("Let the revisions run instead", "inv db.upgrade")],
        )
