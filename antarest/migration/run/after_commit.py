"""The end of a run: the rights of the application's role, and `rollback.sh`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from ..database import grants
from ..database.connection import looking, moving, read_current
from ..database.lock import one_writer
from ..errors.text import reason
from ..project import rollback_script
from .request import RunOutcome, RunRequest


def finish(request: RunRequest, outcome: RunOutcome) -> None:
    """Grant the missing rights of the application's role, and update `rollback.sh`."""
    if not outcome.steps and outcome.before and request.db.role_to_grant:
        note_grants(request, grant_at_rest(request))
    try:
        if request.project.is_checkout and rollback_script.sync(request.project):
            request.listener.note(f"rewrote {request.project.rollback_script}")
    except OSError as error:  # The run is committed, so it succeeded. An old `rollback.sh` refuses to run.
        request.listener.note(f"cannot rewrite {request.project.rollback_script}: {reason(error)}")


def grant(request: RunRequest, connection: Connection) -> Sequence[grants.Grant]:
    """Grant the missing rights of the application's role, in the transaction of a run. Return the granted rights."""
    missing = grants.lacking(request.project, request.db, connection)
    grants.grant(connection, missing)
    return missing


def grant_at_rest(request: RunRequest) -> Sequence[grants.Grant]:
    """Grant the missing rights of the application's role when no revision runs.

    A right can be missing for an object that somebody created by hand. If no right is missing, nothing is locked.

    Returns:
        The granted rights.
    """
    table = request.project.version_table
    with looking(request.db, request.listener.note) as connection:
        read_current(connection, table)  # Fails with a clear error if the file is not a database.
        if not grants.lacking(request.project, request.db, connection):
            return []
    from .before_commit import naming_blockers  # Imported late: that module imports Alembic, which is slow.

    with (
        one_writer(request.db, table, request.patience()) as writer,
        naming_blockers("the grant", request, writer),
        moving(request.db, writer.begin) as connection,
        connection.begin(),
    ):
        return grant(request, connection)


def note_grants(request: RunRequest, given: Sequence[grants.Grant]) -> None:
    """Report the number of rights that were granted."""
    if given:
        request.listener.note(f"granted {len(given)} rights to role {request.db.role_to_grant}")
