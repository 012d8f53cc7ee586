"""One run of revisions on a database: all of it or nothing, and nothing lost that was not declared.

The whole run is one transaction on both engines. Before it commits, what it lost is compared with what its revisions
declare; after it, a second connection reads where the database is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from antarest.core.config import DbConfig
from antarest.core.errors import AntarestError
from antarest.core.persistence import redact, redact_url, translate_errors
from antarest.core.urls import is_memory
from antarest.migration import rollback_script
from antarest.migration.catalog import foreign_key_violations
from antarest.migration.connection import looking, moving, read_current
from antarest.migration.errors import (
    AlembicRefused,
    ForeignKeysViolated,
    InMemoryDatabase,
    Irreversible,
    LossNotConfirmed,
    LossNotDeclared,
    NotRecorded,
    RevisionFailed,
    RunFailed,
    UnknownRevision,
)
from antarest.migration.history import BASE, Direction, Revision
from antarest.migration.loss import Agreement, Loss, LossGuard
from antarest.migration.project import Project


class Listener(Protocol):
    """Who wants to hear how a run goes on."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """A revision begins."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """A revision has ended; nothing is committed yet."""

    def working(self, what: str, done: int, total: int) -> None:
        """Something long goes on, such as a backup: so much of it is done; `total` is 0 where nobody knows it."""

    def note(self, text: str) -> None:
        """Something else that the user should know."""


class Silence:
    """A listener that does not listen."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """Do nothing."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Do nothing."""

    def working(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


@dataclass
class Move:
    """One run: what is wished for, and what came of it.

    Attributes:
        project: the Alembic project.
        db: the database.
        listener: who hears how it goes on.
        agreement: what a person agreed to lose, when it goes down.
        before_change: called once with this move when it would change something: the lock is held, and nothing is
            written yet (a backup is made there). What it raises ends the run.
        backup: the backup that was made before it changed anything.
        prepare: what to do inside the transaction before the first revision (a reset drops the objects there).
        before: the revisions that the database was at.
        after: the revisions that it is at now.
        running: the revision that runs right now.
        steps: what was run, with its time in seconds.
        losses: what was lost, declared (and agreed to).
    """

    project: Project
    db: DbConfig
    listener: Listener = field(default_factory=Silence)
    agreement: Agreement = field(default_factory=Agreement)
    before_change: Callable[[Move], None] | None = None
    backup: Path | None = None
    prepare: Callable[[Connection], None] | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    running: tuple[Revision, Direction] | None = None
    steps: list[tuple[Revision, Direction, float]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    @property
    def database(self) -> str:
        """The database as it may be shown."""
        return redact_url(self.db.migration_url)

    @property
    def position(self) -> str:
        """Where the database was when the run began, as it is shown."""
        return ", ".join(self.before) or BASE


def carry_out(context: Any, move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> None:
    """Run the steps that Alembic wants to run, or do nothing when there are none.

    Args:
        context: the module `alembic.context`.
        move: what is wished for; what came of it is recorded there.
        steps_of: Alembic's function that gives the steps from the current revisions.
        destination: where the command wants to go, in its own words.

    Raises:
        AntarestError: it was refused, or it failed; nothing was changed.
    """
    url = move.db.migration_url
    if is_memory(url):
        raise InMemoryDatabase(None)
    with looking(move.db) as connection:
        move.before = move.after = read_current(connection, move.project.version_table)
    _look_ahead(move, steps_of, destination)
    if not _steps(move, steps_of, destination) and not move.prepare:
        _mend_grants(move)
        _sync_rollback_script(move)
        return
    with moving(move.db) as connection, _failures(move):
        guard = LossGuard(connection, exclude=[move.project.version_table])
        context.configure(
            connection=connection,
            fn=lambda current, _context: _walk(move, guard, steps_of(current, _context)),
            **move.project.alembic_options(),
        )
        with context.begin_transaction():
            if move.before_change:
                move.before_change(move)
            if move.prepare:
                move.prepare(connection)
            violations = foreign_key_violations(connection)
            guard.start()
            context.run_migrations()
            guard.finish()
            move.losses = guard.losses
            _judge(move)
            _compare_foreign_keys(move, violations, foreign_key_violations(connection))
            _grant(move, connection)
            move.after = tuple(sorted(context.get_context().get_current_heads()))
    _confirm(move)
    for loss in move.losses:
        move.listener.note(f"lost {loss}")
    _sync_rollback_script(move)


def _look_ahead(move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> None:
    """Refuse what cannot succeed before anything is locked."""
    history = move.project.history
    if move.prepare:
        return
    if unknown := history.unknown(move.before):
        raise UnknownRevision(unknown[0], move.database, history.heads, len(history), move.project.folder)
    for position, step in enumerate(_steps(move, steps_of, destination)):
        revision = history[step.revision.revision]
        if step.is_downgrade and revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)


def _steps(move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> list[Any]:
    try:
        return list(steps_of(() if move.prepare else move.before, None))
    except CommandError as error:
        if destination is not None:
            move.project.history.resolve(destination)  # It has the better words for what is unknown or ambiguous.
        raise AlembicRefused(str(error)) from error


def _walk(move: Move, guard: LossGuard, steps: Iterable[Any]) -> Iterator[Any]:
    """Hand the steps to Alembic one by one; what follows a `yield` happens when Alembic has run the step."""
    for step in steps:
        revision = move.project.history[step.revision.revision]
        direction: Direction = "upgrade" if step.is_upgrade else "downgrade"
        move.running = (revision, direction)
        move.listener.started(revision, direction)
        begin = time.perf_counter()
        guard.begin(revision, direction)
        yield step
        guard.end(revision, direction)
        seconds = time.perf_counter() - begin
        move.steps.append((revision, direction, seconds))
        move.running = None
        move.listener.finished(revision, direction, seconds)


@contextmanager
def _failures(move: Move) -> Iterator[None]:
    """Turn what a revision raises into an error that says which one it was, and that nothing was changed."""
    try:
        with translate_errors(move.db.migration_url):
            yield
    except AntarestError:
        raise
    except Exception as error:
        reason = _reason(move, error)
        if move.running is None:
            raise RunFailed(reason, database=move.database, current=move.position) from error
        revision, direction = move.running
        raise RevisionFailed(
            revision.id, direction, reason, database=move.database, current=move.position, done=len(move.steps)
        ) from error


def _reason(move: Move, error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    first_line = str(cause).strip().partition("\n")[0] or type(cause).__name__
    return redact(first_line, move.db.migration_url)


def _judge(move: Move) -> None:
    """Refuse, before the commit, a loss that no revision declares, or that goes down and nobody agreed to."""
    if undeclared := [loss for loss in move.losses if not loss.declared]:
        raise LossNotDeclared(undeclared, move.database, move.position)
    refused = [loss for loss in move.losses if loss.direction == "downgrade" and not move.agreement.covers(loss)]
    if refused:
        raise LossNotConfirmed(refused, move.database, move.position)


def _compare_foreign_keys(move: Move, before: set[tuple[Any, ...]], after: set[tuple[Any, ...]]) -> None:
    # A rebuild keeps the rowid of a table with an integer key only, so the rows cannot be told apart: count them.
    places = {(row[0], row[2]) for row in after}
    worse = [
        f"{table} -> {referred}"
        for table, referred in sorted(places)
        if sum((row[0], row[2]) == (table, referred) for row in after)
        > sum((row[0], row[2]) == (table, referred) for row in before)
    ]
    if worse:
        raise ForeignKeysViolated(worse, move.database, move.position)


def _grant(move: Move, connection: Connection) -> None:
    role = move.db.role_to_grant
    if role and move.project.metadata_name:
        from antarest.migration import grants  # Only an installation with two roles needs it.

        missing = grants.missing_grants(connection, move.project.metadata(), role, move.project.version_table)
        grants.grant(connection, missing)
        if missing:
            move.listener.note(f"granted {len(missing)} rights to role {role}")


def _mend_grants(move: Move) -> None:
    """At head, and yet a right may be missing: an object that somebody made or owned by hand."""
    if move.db.role_to_grant and move.before:
        with moving(move.db) as connection, connection.begin():
            _grant(move, connection)


def _confirm(move: Move) -> None:
    """Read the revision from a second connection: only that says that the run was committed."""
    with looking(move.db) as connection:
        found = read_current(connection, move.project.version_table)
    if found != move.after:
        raise NotRecorded(", ".join(move.after) or BASE, ", ".join(found) or BASE, move.database)


def _sync_rollback_script(move: Move) -> None:
    if move.project.is_checkout and rollback_script.sync(move.project):
        move.listener.note(f"rewrote {move.project.rollback_script}")
