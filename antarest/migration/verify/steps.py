"""Runs one revision in one direction for the proof, and measures what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from ..database.driver_connections import Attempt, Watcher, set_watcher
from ..errors.loss import Missing
from ..errors.revision import Direction
from ..losses.rebuilds import RebuildGuard
from .target import Target


def run_step(
    connection: Connection,
    target: Target,
    revision: str,
    direction: Direction,
    before_commit: Callable[[Connection], object] = lambda _: None,
) -> tuple[float, list[Missing]]:
    """Run a revision, and commit.

    Args:
        connection: to a scratch database, without a transaction.
        target: the project.
        revision: its id.
        direction: up or down.
        before_commit: called before the commit.

    Returns:
        The seconds, and the objects that a rebuild of a table on SQLite lost.

    Raises:
        ScratchRunFailed: it failed, and was rolled back.
    """
    missing: list[Missing] = []

    def steps(context: MigrationContext) -> Iterator[Any]:
        guard = RebuildGuard(context, [target.project.version_table.name]) if context.dialect.name == "sqlite" else None
        if guard:
            guard.begin()
            set_watcher(connection, _RebuildWatcher(guard))
        try:
            yield target.runner.step(revision, direction)
        finally:
            set_watcher(connection, None)
        if guard:
            missing.extend(guard.end(target.history[revision], direction))
        before_commit(connection)

    began = time.perf_counter()
    target.runner.run(connection, steps)
    return time.perf_counter() - began, missing


class _RebuildWatcher(Watcher):
    """Passes each statement to the guard of rebuilds."""

    def __init__(self, guard: RebuildGuard) -> None:
        self._guard = guard

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - it only looks
        self._guard.note_statement(statement)
