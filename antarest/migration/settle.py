"""What a run leaves in order, at whatever revision: the rights of the application's role, and `rollback.sh`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from antarest.migration import rollback_script
from antarest.migration.connection import looking, moving
from antarest.migration.lock import one_writer
from antarest.migration.move import Move


def settle(move: Move) -> None:
    """Leave the rights of the application's role and `rollback.sh` as they should be, at whatever revision."""
    if not move.steps:
        _mend_grants(move)
    for loss in move.losses:
        move.listener.note(f"lost {loss}")
    if move.project.is_checkout and rollback_script.sync(move.project):
        move.listener.note(f"rewrote {move.project.rollback_script}")


def grant(move: Move, connection: Connection) -> None:
    """Give the application's role the rights that it lacks."""
    if missing := _missing_grants(move, connection):
        from antarest.migration import grants  # Only an installation with two roles needs it.

        grants.grant(connection, missing)
        move.listener.note(f"granted {len(missing)} rights to role {move.db.role_to_grant}")


def _missing_grants(move: Move, connection: Connection) -> list[Any]:
    role = move.db.role_to_grant
    if not role or not move.project.metadata_name:
        return []
    from antarest.migration import grants  # As above.

    return grants.missing_grants(connection, move.project.metadata(), role, move.project.version_table)


def _mend_grants(move: Move) -> None:
    """At head, and yet a right may be missing: an object that somebody made or owned by hand."""
    if not move.db.role_to_grant or not move.before:
        return
    with looking(move.db) as connection:
        missing = _missing_grants(move, connection)
    if missing:
        with (
            one_writer(move.db, move.project.version_table, move.patience) as writer,
            moving(move.db, writer.begin) as connection,
            connection.begin(),
        ):
            grant(move, connection)
