"""The steps of a run, and its segments: the parts that are committed separately, as the revisions ask.

A run is one segment, unless a revision asks for a boundary. With `transaction = "own"` the run commits before and after
the revision. With `"none"` the revision also leaves its transaction, with `autocommit_block()`, for statements that
PostgreSQL refuses to run inside a transaction.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import takewhile
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from ..database.driver_connections import Attempt, Watcher, set_watcher
from ..database.lock.base import Patience
from ..errors.facts.loss import Irreversible
from ..errors.facts.refusal import RowsOverlap
from ..errors.facts.run import AlembicRefused, AutocommitNotAsked, RevisionNotRunnable
from ..errors.revision import Direction, Revision
from ..losses.guard import LossGuard
from ..losses.tracking.base import RUNS_INSIDE, NotAllowed
from ..project.history import History
from .request import RunRequest

StepsOf = Callable[..., Iterable[Any]]
"""Alembic's function that returns the steps to run, given the current revisions."""

_NOT_ASKED = 'it uses autocommit_block(), and does not say transaction = "none"'
_WROTE_BEFORE = "it changes something before its autocommit_block(), which would stay behind when it fails"
_AGAIN = (
    "its autocommit_block() has what cannot be run again after a failure; these can: CREATE INDEX CONCURRENTLY IF "
    "NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS, REINDEX CONCURRENTLY, ALTER TYPE ADD VALUE IF NOT EXISTS, VACUUM"
)
_CREATES = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(?P<index>\"(?:[^\"]|\"\")+\"|\w+)"
    r"\s+ON\s+(?:ONLY\s+)?(?P<table>(?:(?:\"(?:[^\"]|\"\")+\"|\w+)\.)?(?:\"(?:[^\"]|\"\")+\"|\w+))[^;]*;?\s*",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\s*(?:DROP\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS|REINDEX\s+(?:\([^)]*\)\s*)?\w+\s+CONCURRENTLY"
    r"|ALTER\s+TYPE\s+\S+\s+ADD\s+VALUE\s+IF\s+NOT\s+EXISTS|VACUUM|ANALYZE)\b[^;]*;?\s*",
    re.IGNORECASE,
)

# A relative target such as `+1`, or a target with several revisions. Alembic itself reports errors in such targets.
_RELATIVE = re.compile(r"[+-]|,|@(?!head$)|^heads$")

_INVALID = text("""
    SELECT i.indexrelid::regclass::text
    FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass(:table) AND c.relname = :index AND NOT i.indisvalid
""")
# `relid` is NULL if PostgreSQL hides the table on which another role builds an index. It may be the table meant here.
_BUILDS = text("""
    SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index AS p
    WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
        AND (p.relid = to_regclass(:table) OR p.relid IS NULL) LIMIT 1
""")


def plan_steps(request: RunRequest, steps_of: StepsOf, destination: str | None, current: tuple[str, ...]) -> list[Any]:
    """Return the steps of a run from the current revisions.

    A run that cannot succeed is refused before anything is locked.

    Args:
        request: the request for the run.
        steps_of: Alembic's function that returns the steps to run, given the current revisions.
        destination: the target of the command, as the user wrote it.
        current: the current revisions of the database.

    Raises:
        UnknownRevision, AlembicRefused, RevisionNotFound, AmbiguousRevision: the run cannot go to the destination.
        Irreversible, AutocommitNotAsked, RevisionNotRunnable: a revision on the path cannot run.
    """
    if not request.prepare:
        project, known = request.project, request.undo or ()
        project.refuse_unknown([id_ for id_ in current if id_ not in known], request.database)
        refuse_overlap(project.history, current, request.database)
    try:
        steps = list(steps_of(() if request.prepare else current, None))
    except CommandError as error:
        if destination is not None and not _RELATIVE.search(destination):
            request.project.history.resolve(destination)  # This raises a better error for an unknown or ambiguous id.
        raise AlembicRefused(str(error)) from error
    for position, step in enumerate(steps):
        revision = request.revision_of(step)
        refuse_not_runnable(step, revision)
        if step.is_downgrade and revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
        if revision.uses_autocommit and revision.transaction != "none":
            raise AutocommitNotAsked(revision.id, str(revision.path))
    return steps


def refuse_overlap(history: History, current: Sequence[str], database: str) -> None:
    """Refuse a database that records two revisions of which one includes the other.

    Raises:
        RowsOverlap: the database records two such revisions.
    """
    for revision in current:
        if included := history.below(revision).intersection(current):
            raise RowsOverlap(min(included), revision, database)


def refuse_not_runnable(step: Any, revision: Revision) -> None:
    """Refuse a step of Alembic whose function does nothing when it is called.

    Raises:
        RevisionNotRunnable: the function is a generator or a coroutine.
    """
    function, direction = step.migration_fn, "upgrade" if step.is_upgrade else "downgrade"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RevisionNotRunnable(revision.id, direction, "generator", str(revision.path))
    if inspect.iscoroutinefunction(function):
        raise RevisionNotRunnable(revision.id, direction, "coroutine", str(revision.path))


def leaves_transaction(revision: Revision, engine: str) -> bool:
    """Return whether the revision leaves its transaction on this engine. No revision does so on SQLite."""
    return revision.transaction == "none" and engine != "sqlite"


def first_segment(
    steps: Sequence[Any], revision_of: Callable[[Any], Revision], engine: str, *, begun: bool = False
) -> list[Any]:
    """Return the steps that are run and committed together in the next transaction; empty if there are none.

    Args:
        steps: all steps that are left, in order.
        revision_of: returns the revision of a step.
        engine: the engine of the database.
        begun: whether the transaction has already changed something. In that case, the result is empty if the first
            step needs a transaction of its own.
    """

    def stands_alone(step: Any) -> bool:
        revision = revision_of(step)
        return revision.transaction == "own" or leaves_transaction(revision, engine)

    if steps and stands_alone(steps[0]):
        return [] if begun else [steps[0]]
    return list(takewhile(lambda step: not stands_alone(step), steps))


def let_blocks_pass(context: Any) -> None:
    """On SQLite, let the `autocommit_block()` of a revision stay inside the transaction."""
    context.autocommit_block = nullcontext


class Blocks:
    """Checks each `autocommit_block()` of a revision on PostgreSQL, before and while it runs."""

    def __init__(
        self, context: MigrationContext, guard: LossGuard, leave: Callable[[], None], patience: Patience
    ) -> None:
        """Replace the method `autocommit_block()` of `context` by a method that checks each block.

        `leave` is called before Alembic commits at the start of such a block.
        """
        self._connection: Any = context.connection
        self._guard, self._leave, self._patience = guard, leave, patience
        self._running: tuple[Revision, Direction] | None = None
        self._had_written = False
        self._enter = context.autocommit_block
        context.autocommit_block = self._block  # type: ignore[method-assign]

    def begin(self, revision: Revision, direction: Direction) -> None:
        """Note the revision that is about to run."""
        self._running = (revision, direction)
        self._had_written = leaves_transaction(revision, "postgresql") and self._has_written()

    def _has_written(self) -> bool:
        with self._guard.unwatched():
            return self._connection.scalar(text("SELECT txid_current_if_assigned()")) is not None

    @contextmanager
    def _block(self) -> Iterator[None]:
        if self._running is None or not leaves_transaction(self._running[0], "postgresql"):
            raise NotAllowed(_NOT_ASKED)
        if not self._had_written and self._has_written():
            raise NotAllowed(_WROTE_BEFORE)
        self._guard.end(*self._running)
        self._leave()
        set_watcher(self._connection, None)
        watcher = _BlockWatcher(self._connection, self._patience)
        with self._enter():
            set_watcher(self._connection, watcher)
            try:
                yield
            except Exception:
                set_watcher(self._connection, None)
                watcher.clean()
                raise
            finally:
                set_watcher(self._connection, None)
                self._reset_timeouts()
        self._guard.start()
        self._guard.begin(*self._running)

    def _reset_timeouts(self) -> None:
        """Reset the timeouts that the run switched off, because a pooler later gives the session to other programs."""
        with suppress(SQLAlchemyError):
            for name in ("lock_timeout", "statement_timeout"):
                self._connection.exec_driver_sql(f"RESET {name}")


class _BlockWatcher(Watcher):
    """A watcher that refuses statements which cannot be run again, and drops indexes that failed builds have left."""

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self._connection, self._patience = connection, patience
        self._built: list[re.Match[str]] = []

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - no attempt is needed
        if found := _CREATES.fullmatch(statement):
            self._built.append(found)
            self._drop_invalid(found)
        elif not _OTHERS.fullmatch(statement):
            raise NotAllowed(_AGAIN)

    def inside(self, statement: str) -> None:  # noqa: ARG002 - any statement is refused
        raise NotAllowed(RUNS_INSIDE)

    def clean(self) -> None:
        """Drop the invalid indexes that a failed `autocommit_block()` has left, if the connection still works."""
        with suppress(SQLAlchemyError):
            for found in self._built:
                self._drop_invalid(found)

    def _drop_invalid(self, found: re.Match[str]) -> None:
        """Drop an index if it is INVALID and no other session can be building it."""
        names = {"table": found["table"], "index": _unquoted(found["index"])}
        if self._connection.scalar(_INVALID, names) is None:
            return
        while builder := self._connection.scalar(_BUILDS, names):
            if not self._patience.wait(lambda: f"pid {builder}, which is building {names['index']}"):
                raise NotAllowed(f"pid {builder} is still building the index {names['index']}")
        if invalid := self._connection.scalar(_INVALID, names):
            self._connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {invalid}")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
