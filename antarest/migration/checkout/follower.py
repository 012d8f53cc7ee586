"""The database follows the checkout: what of the workflow needs git."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from antarest.migration.checkout import hooks
from antarest.migration.checkout.git import Repository
from antarest.migration.checkout.sync import SyncPlan, plan_sync, run_sync
from antarest.migration.errors import BranchNotFound, NoRepository, SwitchRefused
from antarest.migration.loss import Agreement
from antarest.migration.project import Project
from antarest.migration.revision_files import importing

if TYPE_CHECKING:
    from antarest.migration.move import Move
    from antarest.migration.workflow import MigrationWorkflow


class Follower:
    """Makes a database match a checkout."""

    def __init__(self, workflow: MigrationWorkflow) -> None:
        """Bind it to the workflow of a database and a project."""
        self._workflow = workflow

    @contextmanager
    def syncing(self, *, allow_changed: bool = False) -> Iterator[SyncPlan]:
        """Plan what makes the database match the checkout, whatever it is at; the plan holds for the block.

        Args:
            allow_changed: also run a downgrade that is not the code that was applied.

        Raises:
            RevisionLost, ScriptChanged, Irreversible: a revision that the checkout does not have cannot be undone.
            MultipleHeads: the checkout has no one head.
        """
        with self._planning(lambda _: self._workflow.project, allow_changed=allow_changed) as plan:
            yield plan

    @contextmanager
    def switching(self, branch: str, *, allow_changed: bool = False) -> Iterator[SyncPlan]:
        """Plan what makes the database match another branch, with the uncommitted work that git takes along.

        Args:
            branch: the branch, as `git switch` takes it.
            allow_changed: as for `syncing`.

        Raises:
            NoRepository: there is no git here.
            BranchNotFound, SwitchRefused: git would not switch to it.
            MigrationError: as for `syncing`.
        """
        home = self._workflow.project
        repository = self._repository()
        if not (commit := repository.branch_of(branch)):
            raise BranchNotFound(branch, repository.lines("for-each-ref", "--format=%(refname:short)", "refs/heads"))
        if reason := repository.refuses(commit):
            raise SwitchRefused(branch, reason)
        with self._planning(lambda folder: files_at(home, commit, folder), allow_changed=allow_changed) as plan:
            yield plan

    def sync(self, plan: SyncPlan, agreement: Agreement, *, switch_to: str = "") -> Move:
        """Make the database match what it was planned for, in one run.

        Args:
            plan: what `syncing` or `switching` gave.
            agreement: what may be lost on the way down.
            switch_to: the branch to change to as the last act before the commit.

        Raises:
            PlanOvertaken: the database is not where it was when the plan was made.
            SwitchRefused: git refused; nothing was changed.
            LossNotDeclared, LossNotConfirmed, RevisionFailed: the run was rolled back; nothing was changed.
        """
        flow = self._workflow
        flow.refuse_undeclared(plan.undo)
        with self._switched(switch_to) as switch, importing([*plan.project.versions, *plan.applied.versions]):
            if plan.is_empty:
                switch()
                return flow.upgrade() if not switch_to else flow.idle(plan.current)
            return flow.on(plan.project).run(
                lambda _, config: run_sync(plan, config),
                agreement=agreement,
                undo=plan.applied.history,
                command=f"inv db.switch {switch_to}" if switch_to else "inv db.sync",
                before_commit=switch,
            )

    def install_hooks(self) -> list[Path]:
        """Write the hooks that say when the database and the checkout differ; those that are there are chained.

        Returns:
            The hooks.

        Raises:
            NoRepository: there is no git here.
        """
        return hooks.install(self._workflow.project, self._repository())

    @contextmanager
    def _planning(self, goal: Callable[[Path], Project], *, allow_changed: bool) -> Iterator[SyncPlan]:
        flow = self._workflow
        with TemporaryDirectory(prefix="antarest-sync-") as folder:
            there, applied = Path(folder, "goal"), Path(folder, "applied")
            there.mkdir()
            applied.mkdir()
            project = goal(there)
            with flow.looking() as connection:
                plan = plan_sync(flow.project, project, connection, flow.database, applied, allow_changed=allow_changed)
            yield plan

    def _repository(self) -> Repository:
        repository = self._workflow.project.repository
        if repository is None:
            raise NoRepository(self._workflow.project.root)
        return repository

    @contextmanager
    def _switched(self, branch: str) -> Iterator[Callable[[], None]]:
        """Give what switches to a branch, and switch back where the block fails after that."""
        if not branch:
            yield lambda: None
            return
        repository = self._repository()
        before = [repository.branch] if repository.branch else ["--detach", repository.commit("HEAD")]
        switched = False

        def switch() -> None:
            nonlocal switched
            if reason := repository.switch(branch):
                raise SwitchRefused(branch, reason)
            switched = True

        try:
            yield switch
        except BaseException:
            if switched:
                repository.switch(*before)
            raise


def files_at(home: Project, commit: str, folder: Path) -> Project:
    """The project with the revision files of a commit, and with what is not committed, as git takes it along.

    Args:
        home: the project as it is checked out.
        commit: the commit.
        folder: an empty folder to write them into.
    """
    repository = home.repository
    assert repository is not None  # noqa: S101 - who names a commit has one
    places = []
    for number, versions in enumerate(home.versions):
        place = folder / str(number)
        place.mkdir()
        files = repository.files(commit, [versions])
        for name, is_there in repository.changes(versions).items():
            files.pop(name, None)
            if is_there and name.endswith(".py"):
                files[name] = (repository.root / name).read_bytes()
        for name, content in files.items():
            (place / Path(name).name).write_bytes(content)
        places.append(place)
    return replace(home, versions=tuple(places), is_moved=True, at_commit=commit)
