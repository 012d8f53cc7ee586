"""One run of revisions under the migration lock. Each segment of the run is committed or rolled back as a whole.

A segment is one transaction on both engines. Before the commit, the losses of the segment are compared with the
declarations of its revisions. After the commit, a second connection reads the current revision. A segment that cannot
get a lock is rolled back, and tried again after a pause. In the pause other sessions can get the lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from alembic.util import to_tuple
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.catalog import foreign_key_violations
from ..database.connection import looking, moving, read_current
from ..database.driver_errors import is_refusal
from ..database.lock import in_this_process, one_writer
from ..database.lock.base import Patience, Writer
from ..database.lock.limits import WaitLimit
from ..database.lock.tables import Learned
from ..database.record import Recorder, make_schema_of
from ..database.signals import Signals
from ..errors.base import AntarestError
from ..errors.facts.lock import ObjectLocked, Overtaken
from ..errors.facts.loss import InTheWay, RebuildLoses, RowsHidden
from ..errors.facts.refusal import InMemoryDatabase
from ..errors.facts.run import NotRecorded
from ..errors.revision import BASE, Direction
from ..errors.settings.urls import is_memory
from ..losses.guard import LossGuard
from ..losses.rebuilds import RebuildGuard
from ..project.env_options import stand_in
from ..project.revision_store import keeping
from .after_commit import finish, grant, note_grants
from .before_commit import failures, holder_of_table, is_lock_failure, note_next_try, refuse_losses, refuse_violations
from .ending import ending_at_signals, naming_backup
from .operations import REPORT
from .request import RunOutcome, RunRequest, Segment, Step
from .revision_operations import revision_operations
from .segments import Blocks, StepsOf, first_segment, let_blocks_pass, plan_steps
from .start import SnapshotStart


def run(context: Any, request: RunRequest, steps_of: StepsOf, destination: str | None) -> RunOutcome:
    """Run the steps that Alembic plans. Without steps, nothing is locked, unless a right has to be granted.

    Args:
        context: the module `alembic.context`.
        request: the request for the run.
        steps_of: Alembic's function that returns the steps to run, given the current revisions.
        destination: the target of the command, as the user wrote it.

    Returns:
        The outcome of the run.

    Raises:
        DatabaseLocked: another run held the database, or another session held a needed lock, for too long.
        AntarestError: the run was refused, or it failed; `state` describes the state of the database.
    """
    if is_memory(request.db.migration_url):
        raise InMemoryDatabase(None)
    plan = partial(plan_steps, request, steps_of, destination)
    current = _current(request)
    stand_in(context._proxy, request.db.migration_url.drivername)  # noqa: SLF001 - the plan imports the revisions
    outcome, start = RunOutcome(before=current, after=current), SnapshotStart.of(request, current)
    if start.candidate or plan(current) or request.prepare:
        with naming_backup(outcome), ending_at_signals(request, outcome) as signals:
            patience = request.patience()
            patience.is_over = lambda: signals.received is not None
            with in_this_process(request.db, patience):
                patience.restart()
                with one_writer(request.db, request.project.version_table, patience) as writer:
                    _Run(context, request, plan, outcome, start, patience, signals, writer).run()
    elif request.file_change:
        request.file_change.make()
    finish(request, outcome)
    return outcome


def _current(request: RunRequest) -> tuple[str, ...]:
    """Return the current revisions of the database, read on a separate connection."""
    with looking(request.db, request.listener.note) as connection:
        return read_current(connection, request.project.version_table)


@dataclass
class _Run:
    """One run that holds the migration lock. `outcome` has its results, and `left` has the remaining steps."""

    context: Any
    request: RunRequest
    plan: Callable[[tuple[str, ...]], list[Any]]
    outcome: RunOutcome
    start: SnapshotStart
    patience: Patience
    signals: Signals
    writer: Writer
    left: list[Any] = field(default_factory=list)
    blocks: Blocks | None = None  # None on SQLite
    learned: Learned = field(default_factory=dict)  # the tables that the next try of the segment locks first

    def run(self) -> None:
        """Run all segments."""
        self._run_segment_with_retries()
        while self.left:
            self._run_segment_with_retries()

    def _run_segment_with_retries(self) -> None:
        tries = self.request.db.lock_retries + 1
        for number in range(1, tries + 1):
            self.patience.restart()
            segment = self.outcome.segment = Segment()
            try:
                self._run_segment(segment)
            except Exception as error:
                can_help = is_lock_failure(error, committing=segment.is_committing)
                if not can_help or (number == tries and isinstance(error, Overtaken)):
                    raise
                blockers = self.writer.blockers() or holder_of_table(error)
                if number == tries:
                    raise self._object_locked(segment, blockers) from error
                time.sleep(note_next_try(self.request, number, error, blockers))
            else:
                return

    def _object_locked(self, segment: Segment, blockers: str) -> ObjectLocked:
        running, db, state = segment.running, self.request.db, self.outcome.state(failed=True)
        named = f"the {running[1]} of revision {running[0].id}" if running else "the run"
        what = "the commit" if segment.is_committing else named
        limits = dict(zip(("time", "setter"), segment.waited(db.lock_timeout), strict=True))
        return ObjectLocked(what, blockers, self.request.database, tries=db.lock_retries + 1, **limits, state=state)

    def _run_segment(self, segment: Segment) -> None:
        """Run one segment and commit it, or roll all of it back."""
        try:
            with self._undoing_file_change(segment), self._passing_a_commit_that_took_place(segment):
                self._transact(segment)
            segment.is_committing = False
            self.learned.clear()
            self.left = self.left[len(segment.steps) - segment.from_snapshot :]
            self.outcome.record_commit()
            self.request.listener.committed(self.outcome.after)
            for loss in segment.losses:
                self.request.listener.note(f"lost {loss}")
            if segment.steps:
                self._confirm(segment.steps)
        finally:
            self.signals.release()

    @contextmanager
    def _undoing_file_change(self, segment: Segment) -> Iterator[None]:
        """Undo the change of files if the segment was rolled back. Keep the change if the commit may have succeeded."""
        try:
            yield
        except BaseException:
            if self.request.file_change and segment.has_changed_files and not segment.is_unsure:
                self.request.file_change.undo()
            raise

    @contextmanager
    def _passing_a_commit_that_took_place(self, segment: Segment) -> Iterator[None]:
        """Ignore an error of the commit if the commit took place nevertheless."""
        try:
            yield
        except AntarestError as error:
            failed = not segment.is_committing or is_lock_failure(error, committing=True)
            if failed or not self._is_recorded(segment, error):
                error.state = self.outcome.state() if segment.is_unsure else error.state
                raise

    # ---- the transaction

    def _transact(self, segment: Segment) -> None:
        request, steps = self.request, list[Any]()
        with failures(request, self.outcome), moving(request.db, self.writer.begin) as connection:
            self.signals.cancels(connection)
            guard: LossGuard
            options = request.project.alembic_options()
            options |= {
                "fn": lambda _heads, _context: self._steps(steps, connection, guard),
                "on_version_apply": (self._note_heads, *to_tuple(options.get("on_version_apply"), ())),
                REPORT: request.listener.moved,
            }
            self.context.configure(connection=connection, **options)
            guard = self._guard(connection)
            # Alembic must find no open transaction here. The first statement begins the transaction.
            with self.context.begin_transaction():
                steps += self._next_steps(connection)
                segment.goal = segment.goal or self.outcome.after
                if steps or segment.from_snapshot or (request.prepare and not self.outcome.steps):
                    self._change(connection, guard)
                    self.writer.check(connection)
                if request.file_change and len(steps) == len(self.left):
                    segment.has_changed_files = True
                    request.file_change.make()
                self.signals.hold()
                segment.is_committing = True

    def _guard(self, connection: Connection) -> LossGuard:
        context, exclude = self.context.get_context(), self.request.project.workflow_tables
        if connection.dialect.name == "sqlite":
            let_blocks_pass(context)
            return LossGuard(connection, exclude, RebuildGuard(context, exclude))
        limit = self.outcome.segment.limit = WaitLimit(connection, self.request.db.lock_timeout)
        guard = LossGuard(connection, exclude, learned=self.learned, note=self.request.listener.note, limit=limit)
        self.blocks = Blocks(context, guard, partial(self._leave, guard), self.patience)
        return guard

    def _next_steps(self, connection: Connection) -> list[Any]:
        """Begin a segment's transaction, and return its steps. Until its end, no other run can change the revision."""
        request, outcome = self.request, self.outcome
        current = read_current(connection, request.project.version_table)
        outcome.segment.violations = foreign_key_violations(connection)
        if not outcome.steps:
            self._begin(connection, current)
        elif current != outcome.after:
            self._follow(current)
        begun = outcome.segment.from_snapshot > 0
        first = first_segment(self.left, request.revision_of, connection.dialect.name, begun=begun)
        return ([] if begun else first[:1]) if request.project.commits_each else first

    def _begin(self, connection: Connection, current: tuple[str, ...]) -> None:
        """Plan the run from the current revisions. For an empty database, begin with the snapshot if it can be used."""
        request, outcome, start = self.request, self.outcome, self.start
        outcome.before = outcome.after = current
        begins = not request.prepare and start.fits(connection, current)
        self.left = [] if begins else self.plan(current)
        outcome.total = start.total if begins else len(self.left)
        if request.before_change and (begins or self.left or request.prepare):
            # Each try makes a new backup, because other sessions can have written after the previous one.
            outcome.backup = request.before_change(request, outcome, connection) or outcome.backup
        if request.prepare:
            request.prepare(connection)
            outcome.is_prepared = True
            begins = start.fits(connection, ())
        if begins:
            make_schema_of(request.project.version_table, connection)
            start.load(self.context.get_context(), outcome.segment)
            done = outcome.segment.from_snapshot
            self.left = [] if done == outcome.total else self.plan(outcome.segment.goal)
            outcome.total = done + len(self.left)

    def _follow(self, current: tuple[str, ...]) -> None:
        """Leave out the remaining steps that another run has applied since the last segment of this run."""
        outcome, history = self.outcome, self.request.project.history
        applied = history.applied(current)
        is_our_way = outcome.steps[-1][1] == "upgrade" and set(outcome.after) <= applied
        if history.unknown(current) or not is_our_way:
            raise self._not_recorded(outcome.after, current)
        self.left, outcome.after = [step for step in self.left if step.revision.revision not in applied], current

    def _change(self, connection: Connection, guard: LossGuard) -> None:
        request, outcome, segment = self.request, self.outcome, self.outcome.segment
        migration = self.context.get_context()
        make_schema_of(request.project.version_table, connection)
        guard.start()
        try:
            with revision_operations(migration):
                migration.run_migrations()
        except DBAPIError as error:
            found = guard.in_the_way(str(error.orig))
            if found and segment.running:
                id_, direction = segment.running[0].id, segment.running[1]
                raise InTheWay(id_, direction, found, str(error.orig), request.database, outcome.state()) from error
            raise
        guard.finish()
        segment.losses = guard.losses
        refuse_losses(request, guard, outcome.state())
        refuse_violations(request, segment.violations, foreign_key_violations(connection), outcome.state())
        note_grants(request, grant(request, connection))
        if not segment.steps:
            segment.goal = tuple(sorted(migration.get_current_heads()))

    def _steps(self, steps: Sequence[Any], connection: Connection, guard: LossGuard) -> Iterator[Any]:
        """Pass the steps to Alembic one by one. The code after the `yield` runs when Alembic has run the step."""
        request, segment = self.request, self.outcome.segment
        recorder = Recorder(connection, request.project, keeping(request.project.repository), request.listener.note)
        for id_, content in self.start.loaded(segment):
            recorder.add(request.project.history[id_], "snapshot", content=content)
        for step in steps:
            self.signals.heed()
            revision = request.revision_of(step)
            direction: Direction = "upgrade" if step.is_upgrade else "downgrade"
            segment.running = (revision, direction)
            request.listener.started(revision, direction)
            began = time.perf_counter()
            guard.begin(revision, direction)
            if self.blocks:
                self.blocks.begin(revision, direction)
            yield step
            guard.end(revision, direction)
            if guard.missing:
                state = self.outcome.state()
                raise RebuildLoses(revision.id, direction, guard.missing, request.database, state)
            if guard.hidden:
                raise RowsHidden(revision.id, direction, guard.hidden, request.database, self.outcome.state())
            seconds = time.perf_counter() - began
            recorder.add(revision, direction, seconds)
            segment.steps.append((revision, direction, seconds))
            segment.running = None
            request.listener.finished(revision, direction, seconds)
        with guard.unwatched():
            recorder.write()

    def _note_heads(self, heads: Collection[str], **_: object) -> None:
        """Note the revisions that Alembic has recorded. They will be the current revisions after the commit."""
        self.outcome.segment.goal = tuple(sorted(heads))

    def _leave(self, guard: LossGuard) -> None:
        """Check the losses before a revision leaves its transaction. Leaving the transaction commits it."""
        segment = self.outcome.segment
        refuse_losses(self.request, guard, self.outcome.state())
        segment.outside = segment.running[0].id if segment.running else ""

    # ---- after the commit

    def _is_recorded(self, segment: Segment, error: AntarestError) -> bool:
        """Return whether a commit that ended with this error took place nevertheless."""
        segment.is_unsure = not is_refusal(error)
        try:
            if not self.writer.wait_for_end():
                return False
            found = _current(self.request)
        except (AntarestError, SQLAlchemyError):
            return False
        segment.is_unsure &= segment.goal == self.outcome.after  # A reset can end at the revision where it began.
        return found == segment.goal != self.outcome.after

    def _confirm(self, steps: Sequence[Step]) -> None:
        """Read the current revision on a second connection, to prove that these steps were committed."""
        goal, request = self.outcome.after, self.request
        try:
            found = _current(request)
        except AntarestError as error:
            error.state = f"{self.outcome.state()} It was committed, and could not be read again."
            raise
        went_on = steps[-1][1] == "upgrade" and set(goal) <= request.project.history.applied(found)
        if found != goal and not went_on:
            raise self._not_recorded(goal, found)

    def _not_recorded(self, expected: Sequence[str], found: Sequence[str]) -> NotRecorded:
        return NotRecorded(", ".join(expected) or BASE, ", ".join(found) or BASE, self.request.database)
