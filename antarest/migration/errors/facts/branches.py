"""Codes `db.E22x`: the database and this checkout have different revisions."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..base import EXIT_USAGE, Hint, MigrationError
from ..text import shorten

_AGAIN = "inv db.sync"
_MOST = 4  # an error shows at most so many meanings of a reference
_LONGEST = 300  # characters of what git says


class RevisionLost(MigrationError, code="db.E220"):
    """The database has a revision whose file was not found, so nothing can undo the revision.

    Why: the revision was applied from another clone or machine, and was never pushed. Or this clone has only the newest
    part of the history.

    To do: fetch the branches of the others, and try again. The person who applied the revision has the file in the
    store of their clone (`.git/antarest/revisions`): put the file into the folder of the revisions. If nobody has the
    file, restore a backup that is older than the revision, or reset the database.
    """

    def __init__(
        self, revision: str, database: str, searched: str, *, is_shallow: bool = False, has_git: bool = True
    ) -> None:
        fetch = Hint("Fetch what others have, then try again", "git fetch --all --tags")
        if is_shallow:
            fetch = Hint("Get the rest of the history", "git fetch --unshallow")
        elif not has_git:
            fetch = Hint("Put its file back into the folder of the revisions, then look again", "inv db.status")
        super().__init__(
            f"the database has revision {revision}, and its file was not found",
            fetch,
            Hint("Or restore a backup from before it", "inv db.backups"),
            details={"database": database, "searched": searched},
        )


class ScriptChanged(MigrationError, code="db.E221"):
    """The file that was found for a revision does not have the code that was applied.

    Why: the file was edited after it was applied, and the applied version is neither in the store nor in git. It
    is possible that the downgrade in the edited file does not undo what the applied upgrade did.

    To do: read the file that the message names. If the downgrade in this file undoes what the applied upgrade did, run
    the command again with `--allow-changed`. Afterwards check the schema yourself, because the command cannot check it.
    """

    def __init__(self, revision: str, applied: str, found: str, origin: str, command: str = _AGAIN) -> None:
        super().__init__(
            f"the code of revision {revision} that was found is not the code that was applied",
            Hint("Read it, and if its downgrade fits, run it", f"{command} --allow-changed"),
            details={"applied": applied, "found": found, "where": origin},
        )


class PlanOvertaken(MigrationError, code="db.E222"):
    """The current revision of the database has changed since the plan was made.

    Why: somebody else ran a migration between the plan and its confirmation.

    To do: run the command again, and read the new plan.
    """

    def __init__(self, current: Sequence[str], planned: Sequence[str], command: str = _AGAIN) -> None:
        super().__init__(
            "somebody else has moved the database since the plan was made",
            Hint("Plan again", command),
            details={"planned for": ", ".join(planned) or "base", "current": ", ".join(current) or "base"},
        )


class NoRepository(MigrationError, code="db.E223", exit_code=EXIT_USAGE):
    """The command needs a git repository, and there is none.

    Why: git is not installed, or the project is not in a working tree of git. For example, the project is a downloaded
    archive or an installed copy.

    To do: work in a clone of the repository.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "this needs git, and there is no git repository here",
            Hint("Without git, the database can still follow the files", _AGAIN),
            details={"folder": str(folder)},
        )


class BranchNotFound(MigrationError, code="db.E224", exit_code=EXIT_USAGE):
    """There is no branch of that name.

    Why: the name is misspelt, the branch was not fetched yet, or the name is that of a tag or a commit.

    To do: `git branch --all` lists the branches. For a tag or a commit, run `git switch --detach` and `inv db.sync`.
    """

    def __init__(self, branch: str, branches: Sequence[str]) -> None:
        near = difflib.get_close_matches(branch, branches)
        super().__init__(
            f"there is no branch {branch!r} to switch to",
            Hint("List the branches", "git branch --all"),
            Hint("For a tag or a commit, switch first", "git switch --detach REF"),
            Hint("And then make the database match", _AGAIN),
            details={"nearest": shorten(near)} if near else {},
        )


class SwitchRefused(MigrationError, code="db.E225"):
    """Git does not switch to the branch, so the revision of the database was not changed either.

    Why: uncommitted changes would be overwritten, a merge is under way, or another working tree has the branch.

    To do: do what git says. Most often, you have to commit or stash the changes. Then run the same command again.
    """

    def __init__(self, branch: str, reason: str, *, is_ours: bool = False) -> None:
        who = "db.switch" if is_ours else "git"
        super().__init__(
            f"{who} does not switch to {branch}",
            Hint("Switch without the database", f"git switch {shlex.quote(branch)}")
            if is_ours
            else Hint("See what is not committed", "git status"),
            details={f"{who} says": reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}..."},
        )


class AmendRefused(MigrationError, code="db.E226"):
    """The newest revision cannot be generated again.

    Why: the revision is on main or in a tag, so other people have perhaps applied it. Or the revision is deployed, or
    it joins two heads.

    To do: leave the revision as it is, and write another revision.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"db.revision --amend is refused: {reason}",
            Hint("Write another revision", 'inv db.revision --message="..."'),
        )


class EditedRevision(MigrationError, code="db.E227"):
    """The revision to amend was edited by hand.

    Why: generating the file again would lose the edits. A file that was generated in another clone counts as edited
    too, because this clone does not know what was generated there.

    To do: copy the edits somewhere else, generate the file again with `--discard-edits`, and put the edits back. The
    old file stays in the store (`.git/antarest/revisions`).
    """

    def __init__(self, revision: str, path: Path) -> None:
        super().__init__(
            f"revision {revision} was edited since it was generated, and amending it would lose that",
            Hint("See what is in it", f"git diff --no-index /dev/null {shlex.quote(str(path))}"),
            Hint(
                "Write it again without the edits; the old file stays in the store",
                "inv db.revision --amend --discard-edits",
            ),
            details={"file": str(path)},
        )


class RebaseRefused(MigrationError, code="db.E228"):
    """The revisions of this branch cannot be moved on top of another head.

    Why: the other branch is not known, is not merged into this branch, or has several heads itself. Or one of the
    revisions of this branch is deployed or joins two heads.

    To do: do what the message says. If a revision cannot be moved, join the heads with `inv db.merge`.
    """

    def __init__(self, reason: str, *, merge: str = "") -> None:
        super().__init__(
            f"db.rebase is refused: {reason}",
            Hint("Merge it first", f"git merge {shlex.quote(merge)}")
            if merge
            else Hint("Join the heads instead", "inv db.merge"),
            Hint("Or go on top of another branch", "inv db.rebase --onto=REF"),
        )


class AmbiguousReference(MigrationError, code="db.E229"):
    """The given name, or the given beginning of an id, stands for more than one revision.

    Why: for example, a tag and a branch have the same name, and their revisions have different heads. The beginning of
    a commit id or of a revision id can be ambiguous too.

    To do: give the whole id of the revision.
    """

    def __init__(self, reference: str, found: Mapping[str, str]) -> None:
        super().__init__(
            f"{reference!r} stands for more than one revision",
            Hint("Give the whole id of the revision", "inv db.history"),
            details={f"as {kind}": revision for kind, revision in list(found.items())[:_MOST]},
        )


class ReferenceUnusable(MigrationError, code="db.E230"):
    """This checkout cannot bring the database to the revision of this tag, branch, commit or date.

    Why: the revisions at this tag, branch, commit or date cannot be read, have several heads, or have a head that this
    checkout lacks.

    To do: give the id of a revision. Or check out the tag, branch or commit, and run `inv db.sync`.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the database cannot go to {name}: {reason}",
            Hint("Give a revision of this checkout", "inv db.history"),
            Hint("Or check that state out, and let the database follow", _AGAIN),
        )


class DeployedUnknown(MigrationError, code="db.E231"):
    """The settings name a deployed revision that is not below the head.

    Why: `[antarest] deployed` in `alembic.ini` names a revision that was removed or renamed, or that does not lie on
    the branch of the head.

    To do: run `inv db.deployed REF` with the revision that production really runs. If no revision is deployed, run `inv
    db.deployed-clear`.
    """

    def __init__(self, deployed: str, head: str) -> None:
        super().__init__(
            f"the deployed revision {deployed} is not below the head {head}",
            Hint("Name the revision that production runs", "inv db.deployed REF"),
            Hint("Or say that nothing is deployed", "inv db.deployed-clear"),
        )


class SqlDiffers(MigrationError, code="db.E232"):
    """The SQL that `--sql` wrote and the revisions lead to different schemas.

    Why: a revision reads from the database while it runs (a reflection, a query), and `--sql` runs without a database.

    To do: write the revision so that it does not read from the database; or run the revisions instead of the SQL.
    """

    def __init__(self, name: str, difference: str) -> None:
        super().__init__(
            f"{name} does not do what the revisions do",
            Hint("See what the revisions do", "inv db.verify"),
            details={"difference": difference},
        )


class RecordUnreadable(MigrationError, code="db.E233"):
    """This role is not allowed to read the history table, in which the database records the applied revisions.

    Why: the history table belongs to the role that migrates, and this role has no SELECT on it.

    To do: run the command as the role that migrates (`db.admin_url`), or grant SELECT to this role.
    """

    def __init__(self, table: str, database: str) -> None:
        super().__init__(
            f"this role may not read the history table of the database, {table}",
            Hint("As its owner, grant the right", f"GRANT SELECT ON {table} TO ROLE;"),
            details={"database": database},
        )


class HookInTheWay(MigrationError, code="db.E234"):
    """The existing git hook cannot be renamed, because an older hook already has the new name.

    Why: the command renamed an older hook when it installed our hook. Since then, another tool has put its own hook in
    the place of our hook. If the command renamed the hook of the tool too, the older hook would be overwritten.

    To do: put the two hooks into one file, or delete the one that you do not need. Then run the same command again.
    """

    def __init__(self, hook: Path, chained: Path) -> None:
        super().__init__(
            f"the hook {hook.name} cannot be chained: {chained.name} is there already",
            Hint("Keep the one that you need, then install again", "inv db.install-hooks"),
            details={"folder": str(hook.parent)},
        )


class NotAsSql(MigrationError, code="db.E235"):
    """A revision cannot be written as SQL.

    Why: the revision reads from the database while it runs, and `--sql` runs without a database.

    To do: write the revision so that it does not read from the database; or run the revisions instead of the SQL.
    """

    def __init__(self, revision: str, reason: str) -> None:
        super().__init__(
            f"revision {revision} cannot be written as SQL: it reads from the database",
            Hint("Run the revisions instead of the SQL; see where the database is", "inv db.status"),
            details={"reason": reason},
        )
