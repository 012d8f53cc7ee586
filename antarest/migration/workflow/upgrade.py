"""The plan of an upgrade: where it goes, and what it runs on the way."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors.revision import Revision
from ..project.project import Project


@dataclass(frozen=True)
class UpgradePlan:
    """The plan of an upgrade. The run reads the current revision again, under the lock.

    Attributes:
        current: the revisions that the database is at.
        target: the revision where the upgrade goes.
        pending: the revisions that it runs, in order; none when the database is there already.
    """

    current: tuple[str, ...]
    target: str
    pending: tuple[Revision, ...]


def plan_upgrade(project: Project, current: tuple[str, ...], to: str) -> UpgradePlan:
    """Plan an upgrade of a database that is at `current`.

    Raises:
        OutOfReach, RevisionNotFound, AmbiguousRevision, MultipleHeads: there is no such place above.
    """
    history = project.history
    target = project.resolve(to)
    history.require_upgrade(current, target)
    return UpgradePlan(current, target, tuple(history[id_] for id_ in history.pending(current, target)))
