"""Makes a database match the checkout: the part of the workflow that needs git."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..database.connection import read_current
from ..errors.facts.branches import BranchNotFound, NoRepository, RebaseRefused, SwitchRefused
from ..errors.loss import Agreement
from ..errors.revision import Revision
from ..errors.settings.commands import spelled
from ..errors.settings.whole_file import write_whole
from ..project.git import Repository
from ..project.project import Project
from ..project.revision_files import importing, is_revision_file, write_files
from ..run.request import FileChange, RunOutcome
from ..scratch.leftovers import owned_folder
from . import hooks, own_revisions
from .own_revisions import Rebase
from .sync import SyncOptions, SyncPlan, plan_sync, steps_of

if TYPE_CHECKING:
    from ..workflow.workflow import MigrationWorkflow


class Follower:
    """Makes a database match a checkout."""

    def __init__(self, workflow: MigrationWorkflow) -> None:
        """Create a follower for the database and the project of a workflow."""
        self._workflow = workflow

    @contextmanager
    def syncing(self, *, allow_changed: bool = False) -> Iterator[SyncPlan]:
        """Plan to make the database match the checkout. The plan is valid inside the `with` block.

        Args:
            allow_changed: whether a downgrade is allowed to run although its code differs from the applied code.

        Raises:
            RevisionLost, ScriptChanged, Irreversible: a revision that the checkout does not have cannot be undone.
            MultipleHeads: the checkout has several heads.
        """
        command = _flagged("inv db.sync", allow_changed=allow_changed)
        with self._planning(self._as_it_is, SyncOptions(command, allow_changed=allow_changed)) as plan:
            yield plan

    @contextmanager
    def switching(self, branch: str, *, allow_changed: bool = False) -> Iterator[SyncPlan]:
        """Plan to switch to a branch, and to make the database match this branch. Uncommitted changes are kept.

        Args:
            branch: the name of the branch, as in `git switch BRANCH`.
            allow_changed: as for `syncing`.

        Raises:
            NoRepository: the project is in no git repository.
            BranchNotFound, SwitchRefused: git would not switch to the branch.
            MigrationError: as for `syncing`.
        """
        home, repository = self._workflow.project, self._repository()
        if not (commit := repository.branch_of(branch)):
            raise BranchNotFound(branch, repository.lines("for-each-ref", "--format=%(refname:short)", "refs/heads"))
        if reason := repository.refuses(commit):
            raise SwitchRefused(branch, reason)
        here = [repository.branch] if repository.branch else ["--detach", repository.commit("HEAD")]

        def switch() -> None:
            if reason := repository.switch(branch):
                raise SwitchRefused(branch, reason)

        command = _flagged(f"inv db.switch {shlex.quote(branch)}", allow_changed=allow_changed)
        goal = partial(files_at, home, commit, branch)
        with self._planning(goal, SyncOptions(command, allow_changed=allow_changed)) as plan:
            yield replace(plan, file_change=FileChange(switch, lambda: repository.switch(*here)))

    @contextmanager
    def redoing(self) -> Iterator[SyncPlan]:
        """Plan to undo the newest revision with its applied code, and to apply it with the present code.

        Raises:
            MigrationError: as for `syncing`.
        """
        newest = self._workflow.project.history.head
        with self._planning(self._as_it_is, SyncOptions("inv db.redo", again=[newest])) as plan:
            yield plan

    @contextmanager
    def amending(self, *, discard_edits: bool = False) -> Iterator[tuple[SyncPlan, Revision]]:
        """Plan to undo the newest revision, before its file is written again.

        Args:
            discard_edits: whether to replace the file even if somebody has edited it.

        Yields:
            The plan, and the newest revision. The plan is empty if this revision is not applied.

        Raises:
            AmendRefused, EditedRevision: it is not allowed to write the revision again.
            MigrationError: as for `syncing`.
        """
        home = self._workflow.project
        revision = own_revisions.amendable(home, discard_edits=discard_edits)
        command = _flagged("inv db.revision --amend", discard_edits=discard_edits)
        goal = partial(own_revisions.rewritten, home, {}, without=revision.id)
        with self._planning(goal, SyncOptions(command, undo_only=True)) as plan:
            yield plan, revision

    @contextmanager
    def rebasing(self, onto: str = "") -> Iterator[tuple[SyncPlan, Rebase]]:
        """Plan to put the revisions of this branch on top of another head, in the files and in the database.

        Args:
            onto: the branch with the other head. The default is main. If the checkout is on main itself, the default
                is the merged or pulled commit.

        Yields:
            The plan, and the changes of the files.

        Raises:
            NoRepository: the project is in no git repository.
            RebaseRefused: the revisions cannot be moved.
            MigrationError: as for `syncing`.
        """
        home = self._workflow.project
        rebase = own_revisions.plan_rebase(home, self._repository(), onto)
        if not rebase.moved and len(home.history.heads) > 1:
            raise RebaseRefused(f"it would leave {len(home.history.heads)} heads")
        before = {path: path.read_bytes() for path in rebase.contents}

        def restore() -> None:
            for path, content in before.items():
                write_whole(path, content)

        command = f"inv db.rebase --onto={shlex.quote(onto)}" if onto else "inv db.rebase"
        with self._planning(partial(own_revisions.rewritten, home, rebase.contents), SyncOptions(command)) as plan:
            yield replace(plan, file_change=FileChange(rebase.write, restore)), rebase

    def run(self, plan: SyncPlan, agreement: Agreement) -> RunOutcome:
        """Run a plan.

        Args:
            plan: the plan.
            agreement: the losses that the downgrades are allowed to cause.

        Raises:
            PlanOvertaken: the current revision has changed since the plan was made.
            SwitchRefused: git refused to switch to the branch; nothing was changed.
            LossNotDeclared, LossNotConfirmed, RevisionFailed: the run was rolled back; nothing was changed.
        """
        flow = self._workflow
        if plan.is_empty:
            outcome = RunOutcome(before=plan.current, after=plan.current)
            if plan.file_change:
                plan.file_change.make()  # From here on, an import may find other code.
            return outcome
        request = replace(
            flow.request,
            project=plan.project,
            agreement=agreement,
            undo=plan.applied.history,
            command=plan.command,
            file_change=plan.file_change,
        )
        with importing([*plan.project.versions, *plan.applied.versions]):
            return flow.run(steps_of(plan), request)

    def install_hooks(self) -> list[Path]:
        """Write git hooks that report a difference between the database and the checkout. Existing hooks still run.

        Returns:
            The files of the hooks.

        Raises:
            NoRepository: the project is in no git repository.
        """
        return hooks.install(self._workflow.project, self._repository())

    @contextmanager
    def _planning(self, goal: Callable[[Path], Project], options: SyncOptions) -> Iterator[SyncPlan]:
        flow = self._workflow
        with owned_folder("antarest-sync-") as folder:
            there, applied = folder / "goal", folder / "applied"
            there.mkdir()
            applied.mkdir()
            project = goal(there)
            with flow.looking() as connection:
                flow.refuse_others(read_current(connection, flow.project.version_table))
                told = replace(options, note=flow.tell)
                plan = plan_sync(flow.project, project, connection, flow.database, applied, told)
            yield plan

    def _as_it_is(self, _folder: Path) -> Project:
        return self._workflow.project

    def _repository(self) -> Repository:
        repository = self._workflow.project.repository
        if repository is None:
            raise NoRepository(self._workflow.project.root)
        return repository


def _flagged(command: str, **flags: bool) -> str:
    return " ".join([command, *(spelled(flag) for flag, is_set in flags.items() if is_set)])


def files_at(home: Project, commit: str, branch: str, folder: Path) -> Project:
    """Return the project with the revision files of a commit, and the uncommitted files that `git switch` would keep.

    Args:
        home: the project as it is checked out.
        commit: the commit that has the revision files.
        branch: the branch of the commit, for messages.
        folder: an empty folder for the files.

    Raises:
        SwitchRefused: the commit has no revisions in the folders that contain the revisions of this checkout.
    """
    repository = home.repository
    assert repository is not None  # noqa: S101 - a commit comes from a repository
    below = home.is_recursive
    if len(home.history) and not repository.objects(commit, home.versions, recursive=below):
        raise SwitchRefused(branch, f"that branch has no revisions in {home.folder}", is_ours=True)
    places = []
    for number, versions in enumerate(home.versions):
        files = repository.files(commit, [versions], recursive=below)
        for name, is_there in repository.changes(versions).items():
            path = Path(name)
            if (below or str(path.parent) == repository.path(versions)) and is_revision_file(path.name):
                files.pop(name, None)
                if is_there:
                    files[name] = (repository.root / name).read_bytes()
        place = folder / str(number)
        place.mkdir()
        places.append(write_files(place, [(Path(name).name, content) for name, content in files.items()]))
    return replace(home, versions=tuple(places), is_moved=True, at_commit=commit)
