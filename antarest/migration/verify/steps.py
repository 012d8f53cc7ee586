"""Running one revision in one direction, as an Alembic run of its own, without the `env.py` of the project."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.watched_connection import Watcher, set_watcher
from ..errors.loss import Missing
from ..errors.revision import Direction, Revision
from ..losses.rebuilds import RebuildGuard
from ..losses.tracking.base import NotAllowed
from ..run.revision_operations import revision_operations
from ..run.segments import first_segment, let_blocks_pass
from .target import Target

Look = Callable[[Connection], None]


class StepFailed(Exception):
    """A revision did not run; the text is what the engine, or Python, says."""


def run_step(
    connection: Connection, target: Target, revision: str, direction: Direction, before_commit: Look | None = None
) -> tuple[float, list[Missing]]:
    """Run a revision, and commit.

    Args:
        connection: to a scratch database, without a transaction.
        target: the project.
        revision: which one.
        direction: up or down.
        before_commit: looks at the database when the revision has run.

    Returns:
        The seconds it took, and what a rebuild on SQLite lost beside rows.

    Raises:
        StepFailed: it did not run, and was rolled back.
    """
    make = MigrationStep.upgrade_from_script if direction == "upgrade" else MigrationStep.downgrade_from_script
    step = make(target.script.revision_map, target.script.get_revision(revision))
    missing: list[Missing] = []
    began = time.perf_counter()

    def steps(context: MigrationContext) -> Iterator[Any]:
        rebuilds = RebuildGuard(context, exclude=[target.version_table]) if target.is_sqlite(connection) else None
        if rebuilds:
            rebuilds.begin()
            set_watcher(connection, _Hearing(rebuilds))
        try:
            yield step
        finally:
            set_watcher(connection, None)
        if rebuilds:
            missing.extend(rebuilds.end(target.history[revision], direction))
        if before_commit:
            before_commit(connection)

    _run(connection, target, steps)
    return time.perf_counter() - began, missing


def run_all(connection: Connection, target: Target, to: str = "heads", current: Sequence[str] = ()) -> None:
    """Run the history upwards in one run, and commit where the project does.

    Args:
        connection: to a scratch database, without a transaction.
        target: the project.
        to: the revision to end at.
        current: where the database is.

    Raises:
        StepFailed: it did not run, and was rolled back.
    """
    heads: Any = tuple(current)  # as Alembic passes it, whatever it is annotated as
    history = target.history

    def revision_of(step: Any) -> Revision:
        return history[step.revision.revision]

    left: list[Any] = list(target.script._upgrade_revs(to, heads))  # noqa: SLF001 - as `command`
    while left:
        segment = left[:1] if target.commits_each else first_segment(left, revision_of, connection.dialect.name)
        left = left[len(segment) :]
        _run(connection, target, partial(_hand, segment))


def _hand(steps: list[Any], _context: MigrationContext) -> list[Any]:
    return steps


class _Hearing(Watcher):
    """Lets the guard of rebuilds hear each statement."""

    def __init__(self, guard: RebuildGuard) -> None:
        self._guard = guard

    def before(self, statement: str) -> None:
        self._guard.note_statement(statement)


def _run(connection: Connection, target: Target, steps: Callable[[MigrationContext], Any]) -> None:
    options = {"fn": lambda _current, context: steps(context), "script": target.script, "as_sql": False}
    context = MigrationContext.configure(connection, opts={**options, **target.options()})
    if target.is_sqlite(connection):
        let_blocks_pass(context)
    around = EnvironmentContext(target.config, target.script, as_sql=False)  # for revisions that ask `context`
    around._migration_context = context  # noqa: SLF001 - as its own `configure` does
    try:
        with silence(), around, revision_operations(context), context.begin_transaction():
            context.run_migrations()
    except (Exception, SystemExit) as error:
        connection.rollback()
        raise StepFailed(_reason(error)) from error
    if not target.is_sqlite(connection):  # What comes next is a session of its own, as that of the next run is.
        connection.exec_driver_sql("RESET ALL; SET datestyle = ISO")  # The driver sets that once, when it connects.
        connection.commit()


def _reason(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    first = str(cause).strip().partition("\n")[0]
    if isinstance(error, (DBAPIError, NotAllowed)):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


@contextmanager
def silence() -> Iterator[None]:
    """What revisions print or warn of is not about anybody's database."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
