"""The plan of a rollback: what each downgrade drops, how many rows and values that is, and where values are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from antarest.migration import walk
from antarest.migration.catalog import measure, read_catalog
from antarest.migration.errors import Irreversible
from antarest.migration.history import BASE, Revision
from antarest.migration.loss import Agreement, Loss
from antarest.migration.project import Project


@dataclass(frozen=True)
class Drop:
    """A table or column that a downgrade drops, or rows that it declares to delete.

    Attributes:
        loss: what it holds now, and what the revision says of it.
        moved_to: where the revision says that the values are kept.
        is_drop: False when only some rows or values of it may go, and the count is the most that can be lost.
    """

    loss: Loss
    moved_to: tuple[str, ...] = ()
    is_drop: bool = True

    @property
    def loses(self) -> bool:
        """Whether data is lost with it, as far as can be known before it runs."""
        return self.loss.count != 0 and (not self.moved_to or self.loss.declared)


@dataclass(frozen=True)
class PlannedStep:
    """One downgrade of a rollback."""

    revision: Revision
    drops: tuple[Drop, ...]


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback is going to do. It has been looked at, not locked: the run checks again before its commit.

    Attributes:
        current: the revisions that the database is at.
        target: where it goes.
        steps: the downgrades, in order; none when it is there already.
    """

    current: tuple[str, ...]
    target: str
    steps: tuple[PlannedStep, ...]

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What it loses."""
        return tuple(drop.loss for step in self.steps for drop in step.drops if drop.loses)

    @property
    def agreement(self) -> Agreement:
        """The agreement to lose what this plan names, with at most the counts that it names."""
        return Agreement(
            most={(loss.revision, loss.item): loss.count for loss in self.losses if loss.count is not None}
        )


def plan_rollback(
    project: Project, connection: Connection, current: tuple[str, ...], *, steps: int = 1, to: str | None = None
) -> RollbackPlan:
    """Plan a rollback of the database behind `connection`, which is at `current`.

    Raises:
        OutOfReach, RevisionNotFound, AmbiguousRevision: there is no such place below.
        Irreversible: a revision on the way cannot be undone.
    """
    history = project.history
    target = history.rollback_target(current, steps=steps, to=to)
    if set(current) == {target} or (target == BASE and not current):
        return RollbackPlan(current, target, ())
    kept = history.applied([target]) if target != BASE else frozenset[str]()
    on_the_way = [history[id_] for id_ in reversed(history.order) if id_ in history.applied(current) - kept]
    for position, revision in enumerate(on_the_way):
        if revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
    counter = _Counter(connection, project.version_table)
    walked = walk.dropped_by_downgrade(project, current, target)
    return RollbackPlan(current, target, tuple(_plan_step(history[id_], dropped, counter) for id_, dropped in walked))


def _plan_step(revision: Revision, dropped: Sequence[str], counter: _Counter) -> PlannedStep:
    declared, destinations = revision.losses("downgrade"), revision.destinations("downgrade")
    also_declared = [item for item in declared if item not in dropped]
    drops = []
    for item in [*dropped, *also_declared]:
        loss = Loss(revision.id, "downgrade", item, counter.count(item), declared.get(item, ""))
        if item in dropped or loss.count:
            drops.append(Drop(loss, tuple(destinations.get(item, ())), is_drop=item in dropped))
    for source, places in destinations.items():
        for place in places:
            counter.moved(source, place)
    return PlannedStep(revision, tuple(drops))


class _Counter:
    """Counts what items hold now, also those that only come into being on the way down, out of others that exist."""

    def __init__(self, connection: Connection, version_table: str) -> None:
        self._connection = connection
        self._catalog = read_catalog(connection, exclude=[version_table])
        self._origins: dict[str, str] = {}

    def moved(self, source: str, place: str) -> None:
        self._origins[place] = self._origin(source)

    def count(self, item: str) -> int | None:
        """How much "table" or "table.column" holds; None when it does not exist yet and nobody knows what fills it."""
        table, _, column = self._origin(item).partition(".")
        columns = self._catalog.get(table)
        if columns is None or (column and column not in columns):
            return None
        return measure(self._connection, table, [column] if column else ()).of(f"{table}.{column}" if column else table)

    def _origin(self, item: str) -> str:
        table, _, column = item.partition(".")
        if item in self._origins:
            return self._origins[item]
        return f"{self._origins[table]}.{column}" if column and table in self._origins else item
