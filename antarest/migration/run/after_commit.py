"""What a run leaves in order, at whatever revision: the rights of the application's role, and `rollback.sh`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from ..database import grants
from ..database.connection import looking, moving, read_current
from ..database.lock import one_writer
from ..project import rollback_script
from .move import Move


def settle(move: Move) -> None:
    """Leave the rights of the application's role and `rollback.sh` as they should be, at whatever revision."""
    if not move.steps and move.before and move.db.role_to_grant:
        _tell(move, mend_grants(move))
    for loss in move.losses:
        move.listener.note(f"lost {loss}")
    if move.project.is_checkout and rollback_script.sync(move.project):
        move.listener.note(f"rewrote {move.project.rollback_script}")


def grant(move: Move, connection: Connection) -> None:
    """Give the application's role the rights that it lacks, in the transaction of a run."""
    missing = grants.lacking(move.project, move.db, connection)
    grants.grant(connection, missing)
    _tell(move, missing)


def mend_grants(move: Move) -> Sequence[grants.Grant]:
    """Give the application's role the rights that it lacks: at head too, an object may be made or owned by hand.

    Nothing is locked where nothing is missing.

    Returns:
        The rights that were given.
    """
    with looking(move.db) as connection:
        read_current(connection, move.project.version_table)  # A file that is no database is said to be none.
        if not grants.lacking(move.project, move.db, connection):
            return []
    with (
        one_writer(move.db, move.project.version_table, move.patience) as writer,
        moving(move.db, writer.begin) as connection,
        connection.begin(),
    ):
        missing = grants.lacking(move.project, move.db, connection)
        grants.grant(connection, missing)
    return missing


def _tell(move: Move, given: Sequence[grants.Grant]) -> None:
    if given:
        move.listener.note(f"granted {len(given)} rights to role {move.db.role_to_grant}")
