"""The plans of upgrades and rollbacks: the revisions, and the data that each downgrade drops or moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ..database.catalog import find, measure, read_tables
from ..database.waits import Tell, say_nothing
from ..errors.base import NOTHING_CHANGED
from ..errors.facts.loss import Irreversible, LossNotDeclared
from ..errors.facts.run import ScratchRunFailed
from ..errors.loss import Agreement, Loss
from ..errors.revision import BASE, HEAD, HEADS, Revision
from ..errors.settings.urls import redact_url
from ..project.project import Project

if TYPE_CHECKING:
    from ..scratch.migrated import DowngradeEffect


@dataclass(frozen=True)
class UpgradePlan:
    """The plan of an upgrade. The run reads the current revision again, when it holds the migration lock.

    Attributes:
        current: the current revisions of the database.
        target: the revision to upgrade to; `heads` for all heads of a history with several heads.
        pending: the revisions to run, in order; empty if the database is already at the target.
        ends: the revisions that the target names: the target itself, or all heads for `heads`.
    """

    current: tuple[str, ...]
    target: str
    pending: tuple[Revision, ...]
    ends: tuple[str, ...]


def plan_upgrade(project: Project, current: tuple[str, ...], to: str) -> UpgradePlan:
    """Plan an upgrade of a database that is at `current`.

    Raises:
        OutOfReach, RevisionNotFound, AmbiguousRevision, MultipleHeads: an upgrade cannot go to this target.
    """
    history = project.history
    if to == HEADS and len(history.heads) > 1:
        return UpgradePlan(current, to, tuple(history[id_] for id_ in history.pending(current)), history.heads)
    target = project.resolve(HEAD if to == HEADS else to)
    if current == (target,):  # The usual case at the start of an application: it must not walk through the history.
        return UpgradePlan(current, target, (), current)
    history.require_upgrade(current, target)
    return UpgradePlan(current, target, tuple(history[id_] for id_ in history.pending(current, target)), (target,))


@dataclass(frozen=True)
class Drop:
    """Data that a downgrade removes: a table or column that is dropped, or rows whose loss the revision declares.

    Attributes:
        loss: the loss, counted as if the downgrade ran now, with the reason that the revision declares.
        moved_to: the tables or columns that the revision declares as destinations of the data.
        is_drop: whether the table or column is dropped. If not, only some of the data may be lost, and the count is the
            largest possible loss.
    """

    loss: Loss
    moved_to: tuple[str, ...] = ()
    is_drop: bool = True

    @property
    def loses(self) -> bool:
        """Whether the downgrade loses this data, as far as can be known before it runs."""
        return self.loss.count != 0 and (not self.moved_to or self.loss.declared)


@dataclass(frozen=True)
class PlannedStep:
    """One downgrade of a rollback."""

    revision: Revision
    drops: tuple[Drop, ...]


@dataclass(frozen=True)
class RollbackPlan:
    """The plan of a rollback. No lock is held after planning, so the run counts the losses again.

    Attributes:
        current: the current revisions of the database.
        target: the revision to roll back to.
        steps: the downgrades, in order; empty if the database is already at the target.
        unknown: the reason why the losses of the downgrades are not known; empty if they are known. If there is a
            reason, `steps` has only the declared losses, and the run measures all losses before its commit.
    """

    current: tuple[str, ...]
    target: str
    steps: tuple[PlannedStep, ...]
    unknown: str = ""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses of all steps of the plan."""
        return tuple(drop.loss for step in self.steps for drop in step.drops if drop.loses)

    def refuse_undeclared(self, database: str) -> None:
        """Refuse losses that the revisions do not declare, because nobody can agree to an undeclared loss.

        Args:
            database: the URL of the database, redacted.

        Raises:
            LossNotDeclared: the plan has such a loss.
        """
        if undeclared := [loss for loss in self.losses if not loss.declared]:
            state = f"{NOTHING_CHANGED} The database is at {', '.join(self.current)}."
            raise LossNotDeclared(undeclared, database, state)

    @property
    def agreement(self) -> Agreement:
        """The agreement to the losses that this plan shows, up to the shown counts."""
        shown = [drop.loss for step in self.steps for drop in step.drops if drop.loses or drop.loss.count == 0]
        return Agreement(most={(loss.revision, loss.item): loss.count for loss in shown})


def plan_rollback(
    project: Project,
    connection: Connection,
    current: tuple[str, ...],
    *,
    steps: int = 1,
    to: str | None = None,
    note: Tell = say_nothing,
) -> RollbackPlan:
    """Plan a rollback of the database behind `connection`.

    Args:
        project: the project with the code of the downgrades.
        connection: a connection to read the database.
        current: the current revisions of the database.
        steps: the number of steps to go back, as in `alembic downgrade -N`.
        to: the revision to roll back to, instead of a number of steps.
        note: called with a line before a scratch database is made on the server of the database.

    Raises:
        OutOfReach, RevisionNotFound, AmbiguousRevision: a rollback cannot go to this target.
        Irreversible: a revision on the path cannot be undone.
        RowsOverlap: the database records two revisions of which one includes the other.
    """
    history = project.history
    if len(current) > 1:
        from ..run.segments import refuse_overlap  # Imported here: this needs Alembic, and is rare.

        refuse_overlap(history, current, redact_url(connection.engine.url))
    target = history.rollback_target(current, steps=steps, to=project.resolve(to) if to else None)
    if set(current) == {target} or (target == BASE and not current):
        return RollbackPlan(current, target, ())
    kept = history.applied([target]) if target != BASE else frozenset[str]()
    undone = history.in_order(history.applied(current) - kept)[::-1]
    return plan_undo(project, connection, current, undone, target=target, note=note)


def plan_undo(
    project: Project,
    connection: Connection,
    current: tuple[str, ...],
    undone: Sequence[str],
    *,
    target: str,
    note: Tell,
) -> RollbackPlan:
    """Plan to undo these revisions, in this order.

    Args:
        project: the project with the code of the downgrades.
        connection: a connection to read the database.
        current: the current revisions of the database.
        undone: the revisions to undo, each before its predecessors.
        target: the revision of the database after the rollback.
        note: called with a line before a scratch database is made on the server of the database.

    Raises:
        Irreversible: one of the revisions cannot be undone.
        ScratchRunFailed: the downgrade of one of the revisions fails on an empty scratch database.
    """
    history = project.history
    for position, revision in enumerate(history[id_] for id_ in undone):
        if revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
    counter = _Counter(connection, project.workflow_tables)
    effects, unknown = _effects(project, connection, current, undone, note)
    steps = tuple(_plan_step(history[step.revision], step, counter) for step in effects)
    return RollbackPlan(current, target, steps, unknown)


def _effects(
    project: Project, connection: Connection, current: tuple[str, ...], undone: Sequence[str], note: Tell
) -> tuple[list[DowngradeEffect], str]:
    """Return the effect of each downgrade. If no scratch database can run the downgrades, return only the reason."""
    # These import Alembic, which an upgrade at head does not need.
    from ..scratch.databases import NoPostgres
    from ..scratch.migrated import DowngradeEffect, downgrade_effects

    try:
        return downgrade_effects(project, connection, current, undone, note), ""
    except NoPostgres as error:
        unknown = "; ".join(f"{kind}: {why}" for kind, why in error.reasons.items())
    except ScratchRunFailed as error:
        if error.direction == "downgrade":  # The downgrade is part of the plan.
            raise
        unknown = error.message  # The history does not begin with an empty database.
    return [DowngradeEffect(id_, [], {}) for id_ in undone], unknown


def _plan_step(revision: Revision, effect: DowngradeEffect, counter: _Counter) -> PlannedStep:
    declared, destinations = revision.losses("downgrade"), revision.destinations("downgrade")
    drops = []
    for item in [*effect.dropped, *(item for item in declared if item not in effect.dropped)]:
        loss = Loss(
            revision.id, "downgrade", item, counter.count(item), declared.get(item, ""), unit=counter.unit(item)
        )
        is_drop = item in effect.dropped
        if is_drop or loss.count != 0:
            drops.append(Drop(loss, tuple(destinations.get(item, ())), is_drop))
    counter.follow(effect, destinations)
    return PlannedStep(revision, tuple(drops))


class _Counter:
    """A counter of the present data in tables and columns.

    A downgrade of the plan can create a table or column from another table or column. Because it has not run yet, the
    data of the other table or column is counted.
    """

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        self._connection = connection
        self._tables = read_tables(connection, exclude=exclude)
        # Where the rows and values of an item are now. None if a downgrade of the plan drops the item, because a later
        # item with this name may have other data.
        self._origins: dict[str, tuple[str, ...] | None] = {}

    def follow(self, step: DowngradeEffect, moved: Mapping[str, Sequence[str]]) -> None:
        """Note the tables and columns that a downgrade drops, renames and moves."""
        arrived: dict[str, tuple[str, ...] | None] = {}
        for source, places in [*moved.items(), *((old, [new]) for old, new in step.renamed.items())]:
            origin = self._origin(source)
            for place in places:
                before = arrived.get(place, ())
                arrived[place] = None if origin is None or before is None else tuple(dict.fromkeys((*before, *origin)))
        self._origins |= dict.fromkeys([*step.dropped, *step.renamed]) | arrived

    def count(self, item: str) -> int | None:
        """Return the number of rows or values of "table" or "table.column"; None if it is not known."""
        origin = self._origin(item)
        counts = [self._count(place) for place in origin or ()]
        return None if origin is None or None in counts else sum(count or 0 for count in counts)

    def unit(self, item: str) -> str:
        """Return the unit in which an item is counted: "row" or "value"."""
        place = self._find(item)
        is_column = place[1] is not None if place else "." in item
        return "value" if is_column else "row"

    def _count(self, item: str) -> int | None:
        place = self._find(item)
        if place is None or not self._tables[place[0]].readable:
            return None
        table, column = place
        return measure(self._connection, self._tables[table], [] if column is None else [column]).of(column)

    def _find(self, item: str) -> tuple[str, str | None] | None:
        return find({name: table.columns for name, table in self._tables.items()}, item)

    def _origin(self, item: str) -> tuple[str, ...] | None:
        if item in self._origins:
            return self._origins[item]
        place = self._find(item)
        table, column = place or item.partition(".")[::2]
        if not column or table not in self._origins:
            return (item,)
        tables = self._origins[table]
        return None if tables is None else tuple(f"{name}.{column}" for name in tables)
