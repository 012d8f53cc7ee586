"""Carrying out a move: under the lock, segment by segment, each of them all or nothing.

A segment is one transaction on both engines. Before it commits, what it lost is compared with what its revisions
declare; after it, a second connection reads where the database is. What could not get a lock is rolled back, and tried
again when those who queued behind it have passed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.catalog import foreign_key_violations
from ..database.connection import looking, moving, read_current
from ..database.lock import in_this_process, one_writer
from ..database.lock.base import Writer
from ..database.record import Recorder
from ..database.signals import Signals, Stopped, stoppable
from ..errors.base import AntarestError
from ..errors.facts.lock import ObjectLocked
from ..errors.facts.loss import InTheWay, Irreversible, RebuildLoses
from ..errors.facts.refusal import InMemoryDatabase
from ..errors.facts.run import AlembicRefused, AutocommitNotAsked, NotRecorded, RunInterrupted, RunTerminated
from ..errors.loss import Loss
from ..errors.revision import BASE, Direction
from ..errors.settings.urls import is_memory
from ..losses.guard import LossGuard
from ..losses.rebuilds import RebuildGuard
from ..project.revision_store import keeping
from .after_commit import grant, settle
from .before_commit import compare_foreign_keys, failures, judge, lock_was_not_had
from .move import Move, Step
from .operations import REPORT
from .segments import Blocks, first_segment, let_blocks_pass

_LONGEST_PAUSE = 30.0  # seconds

StepsOf = Callable[..., Iterable[Any]]
"""Alembic's function that gives the steps from the current revisions."""


def carry_out(context: Any, move: Move, steps_of: StepsOf, destination: str | None) -> None:
    """Run the steps that Alembic wants to run, or do nothing when there are none: then nothing is locked either.

    Args:
        context: the module `alembic.context`.
        move: what is wished for; what came of it is recorded there.
        steps_of: Alembic's function that gives the steps from the current revisions.
        destination: where the command wants to go, in its own words.

    Raises:
        DatabaseLocked: another run holds the database, or another session what a revision needs, for too long.
        AntarestError: it was refused, or it failed; `state` says what is left of it.
    """
    if is_memory(move.db.migration_url):
        raise InMemoryDatabase(None)
    with looking(move.db) as connection:
        move.before = move.after = read_current(connection, move.project.version_table)

    def plan() -> list[Any]:
        return _plan(move, steps_of, destination)

    if plan() or move.prepare:
        try:
            with stoppable() as signals, in_this_process(move.db, move.patience):
                move.patience.restart()
                move.patience.is_over = lambda: signals.received is not None
                with one_writer(move.db, move.project.version_table, move.patience) as writer:
                    _Run(context, move, plan, writer, signals).run()
        except Stopped as stopped:
            ended = RunInterrupted if stopped.exit_code == RunInterrupted.exit_code else RunTerminated
            raise ended(move.database, move.state) from None
    if move.act:
        move.act.carry_out()  # Where there was nothing to run any more, nobody has.
    settle(move)


def _plan(move: Move, steps_of: StepsOf, destination: str | None) -> list[Any]:
    """The steps from where the database is; what cannot succeed is refused before anything is locked or changed."""
    if not move.prepare:
        move.refuse_unknown()
    try:
        steps = list(steps_of(() if move.prepare else move.before, None))
    except CommandError as error:
        if destination is not None:
            move.project.history.resolve(destination)  # It has the better words for what is unknown or ambiguous.
        raise AlembicRefused(str(error)) from error
    for position, step in enumerate(steps):
        revision = move.revision_of(step)
        if step.is_downgrade and revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
        if revision.uses_autocommit and revision.transaction != "none":
            raise AutocommitNotAsked(revision.id, str(revision.path))
    return steps


class _Run:
    """One run, with the lock in its hands."""

    def __init__(
        self, context: Any, move: Move, plan: Callable[[], list[Any]], writer: Writer, signals: Signals
    ) -> None:
        self._context = context
        self._move = move
        self._plan = plan
        self._writer = writer
        self._signals = signals
        self._left: list[Any] | None = None  # the steps that are still to be run
        self._is_announced = False
        # Of the segment that runs:
        self._steps: list[Step] = []
        self._losses: list[Loss] = []
        self._rebuilds: RebuildGuard | None = None
        self._goal: tuple[str, ...] = ()
        self._is_committing = False

    def run(self) -> None:
        """Run all of it."""
        while self._left is None or self._left:
            self._try_again_and_again()

    def _try_again_and_again(self) -> None:
        move, tries = self._move, self._move.db.lock_retries + 1
        for number in range(1, tries + 1):
            move.patience.restart()
            try:
                return self._try()
            except Exception as error:
                if not lock_was_not_had(error, committing=self._is_committing):
                    raise
                blockers = self._writer.blockers()
                if number == tries:
                    what = f"the {move.running[1]} of revision {move.running[0].id}" if move.running else "the commit"
                    timeout = move.db.lock_timeout
                    raise ObjectLocked(
                        what, blockers, move.database, tries=tries, timeout=timeout, state=move.state
                    ) from error
                pause = min(2.0 ** (number - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                who = f" ({blockers})" if blockers else ""
                move.listener.note(f"a lock was not to be had{who}: rolled back, next try in {pause:.1f} s")
            self._is_announced = self._is_announced and bool(move.steps)  # Others write meanwhile: back up once more.
            time.sleep(pause)
        return None

    def _try(self) -> None:
        """Run one segment and commit it, or leave nothing of it."""
        move = self._move
        move.running, move.outside, move.is_unsure = None, "", False
        self._steps, self._losses, self._is_committing = [], [], False
        try:
            try:
                self._transact()
            except AntarestError as error:
                if not self._is_committing or lock_was_not_had(error, committing=True) or not self._is_recorded():
                    error.state = move.state if move.is_unsure else error.state
                    self._take_back()
                    raise
            except BaseException:
                self._take_back()
                raise
            steps, self._is_committing = self._steps, False
            self._book()
            if steps:
                self._confirm(steps)
        except BaseException:
            move.undone = 0 if move.steps else len(self._steps)
            raise
        finally:
            self._signals.release()

    def _take_back(self) -> None:
        """The segment was rolled back: what was to change with it changes back; nobody knows where it is unsure."""
        if self._move.act and not self._move.is_unsure:
            self._move.act.take_back()

    def _transact(self) -> None:
        move = self._move
        with failures(move, self._steps), moving(move.db, self._writer.begin) as connection:
            self._signals.cancels(connection)
            guard = LossGuard(connection, exclude=move.project.own_tables)
            segment: list[Any] = []
            self._context.configure(
                connection=connection,
                fn=lambda _current, context: self._walk(segment, context, guard),
                on_version_apply=self._go_on,
                **{REPORT: move.listener.moved, **move.project.alembic_options()},
            )
            # From here on statements run, and the first one takes the lock: Alembic must find no transaction before.
            with self._context.begin_transaction():
                segment += self._look_again(connection)
                self._goal = move.after
                if segment or (move.prepare and not move.steps):
                    self._change(connection, guard)
                    self._writer.check(connection)
                if move.act and len(segment) == len(self._left or ()):
                    move.act.carry_out()
                self._signals.hold()
                self._is_committing = True

    def _look_again(self, connection: Connection) -> list[Any]:
        """The steps of the next segment, from where the database is now that nobody else can move it."""
        move = self._move
        current = read_current(connection, move.project.version_table)
        if not move.steps:
            move.before = move.after = current
            self._left = self._plan()
            move.total = len(self._left)
        elif current != move.after:
            self._follow(current)
        if not self._left and not move.prepare:
            return []
        if move.before_change and not self._is_announced:
            move.before_change(move)
        self._is_announced = True
        return first_segment(self._left, move.revision_of, connection.dialect.name) if self._left else []

    def _follow(self, current: tuple[str, ...]) -> None:
        """On SQLite another run can come between two segments: go on from where it went, if it went our way."""
        move, history = self._move, self._move.project.history
        applied = history.applied(current)
        left = [step for step in self._left or () if step.revision.revision not in applied]
        is_our_way = move.steps[-1][1] == "upgrade" and set(move.after) <= applied
        if history.unknown(current) or not is_our_way:
            raise NotRecorded(", ".join(move.after) or BASE, ", ".join(current) or BASE, move.database)
        self._left, move.after = left, current

    def _change(self, connection: Connection, guard: LossGuard) -> None:
        move = self._move
        if move.prepare and not move.steps:
            move.prepare(connection)
        violations = foreign_key_violations(connection)
        guard.start()
        try:
            self._context.run_migrations()
        except DBAPIError as error:
            self._explain(error)
            raise
        guard.finish()
        self._losses = guard.losses
        judge(move, guard.losses)
        compare_foreign_keys(move, violations, foreign_key_violations(connection))
        grant(move, connection)
        if not self._steps:
            self._goal = tuple(sorted(self._context.get_context().get_current_heads()))

    def _walk(self, segment: list[Any], context: Any, guard: LossGuard) -> Iterator[Any]:
        """Hand the steps to Alembic one by one; what follows a `yield` happens when Alembic has run the step."""
        move, blocks = self._move, None
        recorder = Recorder(context.connection, move.project, keeping(move.project.repository), move.listener.note)
        if context.dialect.name == "sqlite":
            let_blocks_pass(context)
            self._rebuilds = RebuildGuard(context, exclude=move.project.own_tables)
            guard.hear = self._rebuilds.hear
        else:
            blocks = Blocks(context, guard, lambda: self._leave(guard), move.patience)
        for step in segment:
            self._signals.heed()
            revision = move.revision_of(step)
            direction: Direction = "upgrade" if step.is_upgrade else "downgrade"
            move.running = (revision, direction)
            move.listener.started(revision, direction)
            begin = time.perf_counter()
            guard.begin(revision, direction)
            if blocks:
                blocks.begin(revision, direction)
            if self._rebuilds:
                with guard.unwatched():
                    self._rebuilds.begin()
            yield step
            guard.end(revision, direction)
            if self._rebuilds:
                with guard.unwatched():
                    missing = self._rebuilds.end(revision, direction)
                if missing:
                    raise RebuildLoses(revision.id, direction, missing, move.database, move.state)
            seconds = time.perf_counter() - begin
            recorder.add(revision, direction, seconds)
            self._steps.append((revision, direction, seconds))
            move.running = None
            move.listener.finished(revision, direction, seconds)
        with guard.unwatched():
            recorder.write()

    def _go_on(self, heads: Collection[str], **_: object) -> None:
        """Alembic has recorded a revision: that is where the commit has to be found."""
        self._goal = tuple(sorted(heads))

    def _leave(self, guard: LossGuard) -> None:
        """A revision is about to leave its transaction, which is committed there."""
        judge(self._move, guard.losses)
        if self._move.running:
            self._move.outside = self._move.running[0].id

    def _explain(self, error: DBAPIError) -> None:
        """Say more than SQLite does of a view or trigger on which a rebuild fails."""
        move = self._move
        found = self._rebuilds.in_the_way(str(error.orig)) if self._rebuilds else None
        if found and move.running:
            revision, direction = move.running
            raise InTheWay(revision.id, direction, found, str(error.orig), move.database, move.state) from error

    # ---- after the commit

    def _is_recorded(self) -> bool:
        """Whether a commit that ended with an error took place all the same."""
        move = self._move
        try:
            if not self._writer.settle():
                move.is_unsure = True
                return False
            with looking(move.db) as connection:
                found = read_current(connection, move.project.version_table)
        except (AntarestError, SQLAlchemyError):
            move.is_unsure = True
            return False
        move.is_unsure = self._goal == move.after  # A reset comes back to where it was: nobody can tell.
        return found == self._goal and not move.is_unsure

    def _confirm(self, steps: Sequence[Step]) -> None:
        """Read the revision from a second connection: only that says that these steps were committed."""
        move, history = self._move, self._move.project.history
        try:
            with looking(move.db) as connection:
                found = read_current(connection, move.project.version_table)
        except AntarestError as error:
            error.state = f"{move.state} It was committed, and could not be read again."
            raise
        went_on = steps[-1][1] == "upgrade" and set(self._goal) <= history.applied(found)
        if found != self._goal and not went_on:
            raise NotRecorded(", ".join(self._goal) or BASE, ", ".join(found) or BASE, move.database)

    def _book(self) -> None:
        move = self._move
        move.steps += self._steps
        move.losses += self._losses
        move.after = self._goal
        self._left = (self._left or [])[len(self._steps) :]
