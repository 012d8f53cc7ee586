"""Runs one revision in one direction for the proof, and measures what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from ..database.driver_connections import Watcher, set_watcher
from ..errors.loss import Missing
from ..errors.revision import Direction
from ..losses.rebuilds import RebuildGuard
from .target import Target


def run_step(
    connection: Connection,
    target: Target,
    revision: str,
    direction: Direction,
    before_commit: Callable[[Connection], None] | None = None,
) -> tuple[float, list[Missing]]:
    """Run a revision, and commit.

    Args:
        connection: to a scratch database, without a transaction.
        target: the project.
        revision: the id of the revision.
        direction: the direction in which it runs.
        before_commit: called when the revision has run, before the commit.

    Returns:
        The seconds that it took, and what a rebuild of a table on SQLite lost beside rows.

    Raises:
        ScratchRunFailed: it failed, and was rolled back.
    """
    missing: list[Missing] = []

    def steps(context: MigrationContext) -> Iterator[Any]:
        step = target.runner.step(revision, direction)
        if target.is_sqlite(connection):
            guard = RebuildGuard(context, exclude=[target.version_table])
            with _watching(connection, guard):
                yield step
            missing.extend(guard.end(target.history[revision], direction))
        else:
            yield step
        if before_commit:
            before_commit(connection)

    began = time.perf_counter()
    target.runner.run(connection, steps)
    return time.perf_counter() - began, missing


@contextmanager
def _watching(connection: Connection, guard: RebuildGuard) -> Iterator[None]:
    guard.begin()
    set_watcher(connection, _RebuildWatcher(guard))
    try:
        yield
    finally:
        set_watcher(connection, None)


class _RebuildWatcher(Watcher):
    """Passes each statement to the guard of rebuilds."""

    def __init__(self, guard: RebuildGuard) -> None:
        self._guard = guard

    def before(self, statement: str) -> None:
        self._guard.note_statement(statement)
