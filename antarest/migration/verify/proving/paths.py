"""Finds another way to the state after a failed revision. From this state, the later revisions can be proved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from ...errors.facts.fixes import ID_LENGTH
from ...errors.facts.run import ScratchRunFailed
from ...errors.revision import Revision
from ...schema.inventory import Inventory
from ..findings.proof import Proof
from .runs import Runs, groups
from .state import State, nowhere
from .steps import RevisionStep

_LOCKED = "database is locked"
_NO_TYPE = re.compile(r'type "([^"]+)" does not exist')
_NO_TABLE = re.compile(
    r"no such table: (?:main\.)?(\w+)|(?:relation|table) \"(?:\w+\.)?(\w+)\" does not exist|NoSuchTableError: (\w+)"
)


@dataclass
class Reached:
    """The state after a revision whose usual upgrade failed. Another path has led to this state.

    Attributes:
        state: the state before the revision.
        bare: the database after the revision, without rows.
        schema: the schema of the database `bare`.
        is_proved: True if the whole revision runs on this path. If so, the proof of the revision continues from here.
    """

    state: State
    bare: URL
    schema: Inventory
    is_proved: bool


def another_path(
    runs: Runs, proof: Proof, revision: Revision, state: State, failed: ScratchRunFailed
) -> Reached | None:
    """Find another path to the state after a revision, and add a finding about the failure.

    Args:
        runs: runs the revisions.
        proof: receives the finding.
        revision: the revision.
        state: the state before the revision.
        failed: the failure of the usual upgrade.

    Returns:
        The state after the revision; None if no path leads there.
    """
    if reached := next(_as_alembic(runs, revision, state, failed), None):
        return reached
    if state.applied and not revision.predecessors and (reached := _from_nothing(runs, revision)):
        return reached
    runs.failures.add(failed.reason)
    if reached := next(_with_old_calls(runs, revision, state, failed), None):
        proof.add("V301", failed.reason)
        return reached
    if why := runs.why_not(failed.reason):
        proof.not_proved.append(f"the upgrade: {why}")
        return next(_without_statements(runs, revision, state), None)
    if reached := next(_in_one_run(runs, revision, state), None):
        proof.add("V306", failed.reason)
        return reached
    proof.add(*_kind(runs, failed), item=next(iter(_NO_TYPE.findall(failed.reason)), ""))
    paths = (
        _with_room_for_id(runs, revision, state),
        _without_statements(runs, revision, state),
        _with_rows(runs, revision, state),
        _without_python(runs, revision, state, failed),
    )
    return next((found for path in paths for found in path), None)


def _kind(runs: Runs, failed: ScratchRunFailed) -> tuple[str, str]:
    """Return the kind of a failure and its text: V307 if a table is missing that no revision creates, else V301."""
    table = next(filter(None, groups(_NO_TABLE, failed.reason)), "")
    if table and table not in runs.hints.made:
        return "V307", f"{table}: {failed.reason}"
    return "V301", failed.reason


def _as_alembic(runs: Runs, revision: Revision, state: State, failed: ScratchRunFailed) -> Iterator[Reached]:
    """Run the revision as plain Alembic does, since the proof's transaction may block a connection of the revision."""
    if failed.reason == _LOCKED:
        yield from _from_now_on(runs.beside, runs, revision, state)


def _with_old_calls(runs: Runs, revision: Revision, state: State, failed: ScratchRunFailed) -> Iterator[Reached]:
    """Run the revision with the calls that SQLAlchemy 2 refuses, since the revision may be older than SQLAlchemy 2."""
    if not isinstance(failed.__cause__, DBAPIError):
        yield from _from_now_on(runs.old, runs, revision, state)


def _from_now_on(noted: set[str], runs: Runs, revision: Revision, state: State) -> Iterator[Reached]:
    """Run the revision while its id is noted in a set of `runs`. The id stays noted if the revision succeeds."""
    noted.add(revision.id)
    found = list(_try(runs, state, _usual_upgrade(runs, revision), is_proved=True))
    if not found:
        noted.discard(revision.id)
    yield from found


def _from_nothing(runs: Runs, revision: Revision) -> Reached | None:
    """Run a base revision on an empty database, because a base sometimes cannot run after another base."""
    return next(_try(runs, State.empty(runs), _usual_upgrade(runs, revision), is_proved=True), None)


def _in_one_run(runs: Runs, revision: Revision, state: State) -> Iterator[Reached]:
    """Run all revisions up to the failed revision in one run, in which Alembic remembers the created enum types."""
    if state.applied:
        everything = partial(runs.at_once, revisions=[*state.applied, revision.id])
        yield from _try(runs, state, everything, is_proved=False, is_empty=True)


def _with_room_for_id(runs: Runs, revision: Revision, state: State) -> Iterator[Reached]:
    """Make the column of the version table long enough for the revision's id, and run the revision (PostgreSQL)."""
    if len(revision.id) <= ID_LENGTH or runs.clones.engine == "sqlite":
        return

    def upgrade(url: URL) -> Inventory:
        with runs.connected(url) as connection:
            runs.target.runner.make_room_for_ids(connection)
        return _usual_upgrade(runs, revision)(url)

    yield from _try(runs, state, upgrade, is_proved=False)


def _without_statements(runs: Runs, revision: Revision, state: State) -> Iterator[Reached]:
    """Run the revision, but skip each failing statement that cannot change the schema of a table, such as INSERT."""
    step = RevisionStep(revision.id, "upgrade", passes=True)
    yield from _try(runs, state, partial(runs.without_rows, step=step), is_proved=False)


def _with_rows(runs: Runs, revision: Revision, state: State) -> Iterator[Reached]:
    """Run the revision on tables with rows, because it may need rows."""
    filled = state.fill(nowhere)
    with_rows = State(runs, filled.url, state.schema, state.applied)
    yield from _try(runs, with_rows, _usual_upgrade(runs, revision), is_proved=False)


def _without_python(runs: Runs, revision: Revision, state: State, failed: ScratchRunFailed) -> Iterator[Reached]:
    """Run the revision, but also skip each statement that fails in Python and changes no schema."""
    if not isinstance(failed.__cause__, DBAPIError):
        step = RevisionStep(revision.id, "upgrade", passes=True, skips=True)
        yield from _try(runs, state, partial(runs.without_rows, step=step), is_proved=False)


def _usual_upgrade(runs: Runs, revision: Revision) -> Callable[[URL], Inventory]:
    return partial(runs.without_rows, step=RevisionStep(revision.id, "upgrade"))


def _try(
    runs: Runs, state: State, upgrade: Callable[[URL], Inventory], *, is_proved: bool, is_empty: bool = False
) -> Iterator[Reached]:
    url = runs.new() if is_empty else runs.clones.copy(state.bare)
    try:
        yield Reached(state, url, upgrade(url), is_proved)
    except ScratchRunFailed:
        runs.clones.drop(url)
