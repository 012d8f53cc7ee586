"""The steps of a run: the revisions that Alembic's command wants to run, refused where they cannot succeed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from alembic.util import CommandError

from ..errors.facts.loss import Irreversible
from ..errors.facts.run import AlembicRefused, AutocommitNotAsked
from .request import RunRequest

StepsOf = Callable[..., Iterable[Any]]
"""Alembic's function that gives the steps from the current revisions."""


@dataclass(frozen=True)
class Planner:
    """Gives the steps of a run.

    Attributes:
        request: what the run is asked to do.
        steps_of: Alembic's function that gives the steps from the current revisions.
        destination: where the command wants to go, in its own words.
    """

    request: RunRequest
    steps_of: StepsOf
    destination: str | None

    def steps(self, current: tuple[str, ...]) -> list[Any]:
        """The steps from where the database is.

        Raises:
            UnknownRevision, AlembicRefused, RevisionNotFound, AmbiguousRevision: there is no way.
            Irreversible, AutocommitNotAsked: a revision on the way cannot run.
        """
        request = self.request
        if not request.prepare:
            request.refuse_unknown(current)
        try:
            steps = list(self.steps_of(() if request.prepare else current, None))
        except CommandError as error:
            if self.destination is not None:
                request.project.history.resolve(self.destination)  # Its error is better for an unknown or short id.
            raise AlembicRefused(str(error)) from error
        for position, step in enumerate(steps):
            revision = request.revision_of(step)
            if step.is_downgrade and revision.irreversible:
                raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
            if revision.uses_autocommit and revision.transaction != "none":
                raise AutocommitNotAsked(revision.id, str(revision.path))
        return steps
