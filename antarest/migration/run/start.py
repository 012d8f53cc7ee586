"""The start of a run on an empty database. The run loads the project's snapshot, if it is safe to use the snapshot."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking
from ..database.driver_connections import is_in_transaction
from ..database.driver_errors import is_connection_error
from ..errors.text import reason
from ..snapshot.file import Doubt
from ..snapshot.loading import Candidate, find, not_used, refuse_database
from .before_commit import is_lock_failure
from .request import RunRequest, Segment


@dataclass
class SnapshotStart:
    """Decides whether a run begins with the snapshot, and loads it.

    Attributes:
        request: the request for the run.
        candidate: the snapshot; None as soon as there is a reason not to use it.
    """

    request: RunRequest
    candidate: Candidate | None = None

    @classmethod
    def of(cls, request: RunRequest, current: tuple[str, ...]) -> Self:
        """Find the snapshot, if the run only upgrades and the database has run no revision."""
        start = cls(request)
        if request.upgrades_to and (request.prepare or not current):
            try:
                start.candidate = find(
                    request.project, request.db.migration_url.get_backend_name(), request.upgrades_to
                )
            except Doubt as doubt:
                request.listener.note(not_used(doubt))
        return start

    def fits(self, connection: Connection, current: tuple[str, ...]) -> bool:
        """Return whether the run begins with the snapshot. A note tells the user the decision and its reason.

        Args:
            connection: a connection to the database.
            current: the current revisions of the database.
        """
        if self.candidate is None or current:
            return False
        try:
            refuse_database(self.candidate.snapshot, connection, self.request.project.workflow_tables)
        except Doubt as doubt:
            self._give_up(doubt)
            return False
        self.request.listener.note(str(self.candidate))
        return True

    def load(self, migration: Any, segment: Segment) -> None:
        """Load the snapshot in the transaction of the run. If the load fails, undo it, so that every revision runs.

        Args:
            migration: Alembic's migration context.
            segment: the segment in progress. The revisions of the snapshot are added to it.
        """
        assert self.candidate  # noqa: S101 - `fits` has returned True
        began, connection, history = time.perf_counter(), migration.connection, self.request.project.history
        savepoint = connection.begin_nested()
        try:
            self.candidate.load(migration)
        except DBAPIError as error:
            is_lost = is_connection_error(error) or not is_in_transaction(connection)
            if is_lost or is_lock_failure(error, committing=False):
                raise
            savepoint.rollback()
            self._give_up(Doubt(reason(error)))
            return
        savepoint.commit()
        seconds = (time.perf_counter() - began) / len(self.candidate.contents)
        segment.steps += [(history[id_], "upgrade", seconds) for id_ in self.candidate.contents]
        segment.from_snapshot = len(self.candidate.contents)
        segment.goal = tuple(sorted(self.candidate.snapshot.current))

    def loaded(self, segment: Segment) -> Iterable[tuple[str, bytes]]:
        """Return the ids of revisions that a segment has loaded with the snapshot, and the contents of their files."""
        return self.candidate.contents.items() if self.candidate and segment.from_snapshot else ()

    @property
    def total(self) -> int:
        """The number of revisions that the run applies to an empty database."""
        return len(self.request.project.history.applied(self.request.upgrades_to))

    def _give_up(self, doubt: Doubt) -> None:
        self.candidate = None
        self.request.listener.note(not_used(doubt))


def foresee(request: RunRequest, current: tuple[str, ...]) -> None:
    """Report, for a plan, whether a run would begin with the snapshot. Nothing is locked.

    Args:
        request: the request for the run.
        current: the current revisions of the database.
    """
    start = SnapshotStart.of(request, current)
    with looking(request.db, request.listener.note) as connection:
        start.fits(connection, current)
