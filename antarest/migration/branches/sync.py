"""Makes a database match a checkout: undoes the revisions that the checkout lacks, and applies the pending revisions.

A revision is undone with the code that was applied. The downgrades and upgrades are one run, with one plan, one
confirmation and one backup. The run is one transaction, unless a revision declares a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ..database.connection import read_current
from ..database.record import read_record
from ..database.waits import Tell, say_nothing
from ..errors.facts.branches import PlanOvertaken, ScriptChanged
from ..errors.revision import BASE, Revision
from ..project.history import History
from ..project.project import Project
from ..project.revision_files import write_files
from ..project.revision_search import FoundRevision
from ..run.request import FileChange
from ..workflow.plan import RollbackPlan, plan_undo
from .applied import Applied, is_on_main, read_applied


@dataclass(frozen=True)
class SyncPlan:
    """The plan to make a database match a checkout.

    Attributes:
        project: the project that the database has to match.
        applied: the project with the revisions as they were applied; equal to `project` if there is nothing to undo.
        undo: the downgrades, newest first, with their losses.
        between: the current revisions of the database after the downgrades.
        apply: the revisions to apply after the downgrades, in order.
        found: the files of some revisions in `undo`, by the id of the revision. These files were not taken from the
            project, but found by a search in git and in the store of applied revisions.
        edited: the revisions that are not undone although their file was edited, because the applied file is lost, or
            because the revision is on main.
        command: the command that carries out the plan.
        file_change: the change of files that belongs to the change of the database; None if no file is changed.
    """

    project: Project
    applied: Project
    undo: RollbackPlan
    between: tuple[str, ...]
    apply: tuple[Revision, ...]
    found: Mapping[str, FoundRevision]
    edited: tuple[str, ...]
    command: str
    file_change: FileChange | None = None

    @property
    def current(self) -> tuple[str, ...]:
        """The current revisions of the database."""
        return self.undo.current

    @property
    def end(self) -> tuple[str, ...]:
        """The current revisions of the database after the plan has run."""
        if not self.apply:
            return self.between
        return tuple(sorted(self.project.history.ends))

    @property
    def is_empty(self) -> bool:
        """Whether the plan has no steps, because the database already matches the project."""
        return not self.undo.steps and not self.apply


@dataclass(frozen=True)
class SyncOptions:
    """The options of `plan_sync`.

    Attributes:
        command: the command that carries out the plan.
        again: the ids of the revisions to undo and to apply again, even if their file has not changed.
        undo_only: True if nothing is applied after the downgrades.
        allow_changed: whether a downgrade is allowed to run although its code differs from the applied code.
        note: called with a message before a scratch database is created on the server of the database.
    """

    command: str = "inv db.sync"
    again: Collection[str] = ()
    undo_only: bool = False
    allow_changed: bool = False
    note: Tell = say_nothing


def plan_sync(
    home: Project, goal: Project, connection: Connection, database: str, folder: Path, options: SyncOptions
) -> SyncPlan:
    """Plan the downgrades and upgrades that make a database match a project.

    Args:
        home: the project as it is checked out.
        goal: the project that the database has to match: `home`, or the project that will be checked out.
        connection: a connection to read the database.
        database: the URL of the database, redacted.
        folder: an empty folder for the files of the applied revisions. It must exist until the plan has run.
        options: see `SyncOptions`.

    Raises:
        RevisionLost: the file of a revision to undo cannot be found.
        ScriptChanged: the file that was found differs from the applied file, and the options do not allow this.
        Irreversible: a revision cannot be undone.
        MultipleHeads: the checkout has several heads that are not meant to stay.
    """
    history = goal.history
    _ = history.ends  # This raises MultipleHeads.
    current = read_current(connection, home.version_table)
    applied = read_applied(home, history, current, read_record(connection, home.version_table, database), database)
    kept, edited = _kept(home, history, applied, options.again)
    undone = [id_ for id_ in reversed(applied.history.order) if id_ not in kept]
    if not options.allow_changed:
        _refuse_changed(applied, undone, options.command)
    pending = () if options.undo_only else tuple(history[id_] for id_ in history.pending(kept))
    if not undone:
        none = RollbackPlan(current, ", ".join(current) or BASE, ())
        return SyncPlan(goal, goal, none, current, pending, {}, edited, options.command)
    files = [(applied.revisions[id_].path.name, content) for id_, content in applied.contents.items()]
    as_applied = replace(home, versions=(write_files(folder, files),), is_moved=True)
    between = _heads(applied, kept)
    undo = plan_undo(as_applied, connection, current, undone, target=", ".join(between) or BASE, note=options.note)
    found = {id_: applied.found[id_] for id_ in undone if id_ in applied.found}
    return SyncPlan(goal, as_applied, undo, between, pending, found, edited, options.command)


def _refuse_changed(applied: Applied, undone: Collection[str], command: str) -> None:
    for id_ in undone:
        if id_ in applied.changed:
            found = applied.found[id_]
            raise ScriptChanged(id_, applied.changed[id_], found.digest, found.origin, command)


def steps_of(plan: SyncPlan) -> Callable[[ScriptDirectory, Sequence[str]], Iterator[MigrationStep]]:
    """Return a function that takes Alembic's scripts and the current revisions, and yields the steps of a plan."""
    theirs = ScriptDirectory.from_config(plan.applied.alembic_config())

    def sync(ours: ScriptDirectory, current: Sequence[str]) -> Iterator[MigrationStep]:
        at = tuple(sorted(current))
        if at != plan.current:
            if at == plan.end:  # Another run has already done the same.
                return
            raise PlanOvertaken(at, plan.current, plan.command)
        for step in plan.undo.steps:
            script = theirs.get_revision(step.revision.id)
            yield MigrationStep.downgrade_from_script(theirs.revision_map, script)
        for revision in plan.apply:
            yield MigrationStep.upgrade_from_script(ours.revision_map, ours.get_revision(revision.id))

    return sync


def _kept(
    home: Project, history: History, applied: Applied, again: Collection[str]
) -> tuple[set[str], tuple[str, ...]]:
    """Return the ids of the applied revisions that are kept, and the ids of the revisions whose file was edited.

    A revision is not kept if the checkout lacks it, or has it with other predecessors. It is not kept either if the
    checkout has other code for it, unless the revision is on main.
    """
    kept = set[str]()
    edited = list(applied.edited)
    for id_ in applied.history.order:
        if id_ not in history or id_ in again or not kept.issuperset(applied.history[id_].predecessors):
            continue
        if sorted(applied.history[id_].predecessors) != sorted(history[id_].predecessors):
            continue
        if id_ in applied.found:  # The checkout has other code for the revision.
            if not is_on_main(home, history[id_].path.name):
                continue
            edited.append(id_)
        kept.add(id_)
    return kept, tuple(edited)


def _heads(applied: Applied, kept: Collection[str]) -> tuple[str, ...]:
    """Return the newest kept revisions, which the version table contains after the downgrades."""
    followed = {down for id_ in kept for down in applied.history[id_].down}
    return tuple(sorted(id_ for id_ in kept if id_ not in followed))
