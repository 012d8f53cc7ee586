"""Checks of the revisions of a run on SQLite, where most changes of a table rebuild it."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from ..errors.facts.loss import InTheWay, RebuildLoses
from ..errors.revision import Direction, Revision
from ..losses.guard import LossGuard
from ..losses.rebuilds import RebuildGuard
from .outcome import RunOutcome
from .request import RunRequest
from .segments import let_blocks_pass


class RebuildChecks:
    """Refuses a revision whose rebuild of a table loses more than rows; `Blocks` has the checks for PostgreSQL."""

    def __init__(self, context: MigrationContext, guard: LossGuard, request: RunRequest, outcome: RunOutcome) -> None:
        """Prepare a transaction.

        Args:
            context: Alembic's.
            guard: measures the losses of the revisions.
            request: the run.
            outcome: what came of it so far, for errors.
        """
        let_blocks_pass(context)
        self._guard, self._request, self._outcome = guard, request, outcome
        self._rebuilds = RebuildGuard(context, exclude=request.project.own_tables)
        guard.on_statement = self._rebuilds.note_statement

    def begin(self, _revision: Revision, _direction: Direction) -> None:
        """A revision is about to run."""
        with self._guard.unwatched():
            self._rebuilds.begin()

    def end(self, revision: Revision, direction: Direction) -> None:
        """A revision has run.

        Raises:
            RebuildLoses: a rebuild lost more than rows, and the revision does not declare it.
        """
        with self._guard.unwatched():
            missing = self._rebuilds.end(revision, direction)
        if missing:
            database, state = self._request.database, self._outcome.state()
            raise RebuildLoses(revision.id, direction, missing, database, state)

    def explain(self, error: DBAPIError) -> None:
        """Say more than SQLite does of a view or trigger on which a rebuild fails.

        Raises:
            InTheWay: that is the error.
        """
        running = self._outcome.segment.running
        found = self._rebuilds.in_the_way(str(error.orig))
        if found and running:
            database, state = self._request.database, self._outcome.state()
            raise InTheWay(running[0].id, running[1], found, str(error.orig), database, state) from error
