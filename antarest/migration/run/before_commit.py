"""Refuses to commit a segment with losses that no revision declares, or to which nobody agreed.

If a segment fails, the error names the revision and the state of the database. If a lock of another session is the
cause, the run can try the segment again.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ..database.connection import looking, read_current
from ..database.driver_errors import LOCK_FAILURES, NO_RIGHT, driver_error, sqlstate, translate_errors
from ..database.lock.base import Writer
from ..database.lock.tables import NotLocked
from ..database.waits import CANCELLED
from ..errors.base import NOTHING_CHANGED, AntarestError, Hint
from ..errors.facts.database import DatabaseError, NoRoomForLocks
from ..errors.facts.lock import ObjectLocked, Overtaken, TableLocked
from ..errors.facts.loss import ForeignKeysViolated, LossNotConfirmed, LossNotDeclared
from ..errors.facts.refusal import ResetBlocked
from ..errors.facts.run import DeferredConstraintFailed, NotRecorded, RevisionFailed, RunFailed
from ..errors.revision import BASE
from ..errors.settings.urls import redact
from ..errors.text import described, details_of, reason
from ..losses.deferred import DeferredFails
from ..losses.guard import LossGuard
from .request import RunOutcome, RunRequest, Step

_NO_CREATE = re.compile(r"permission denied for (schema|database) (\S+)")
_LONGEST_STATEMENT = 100
_LONGEST_PAUSE = 30.0  # seconds
_AGAIN = (
    Hint("Look at what is pending, then run it again", "inv db.status"),
    Hint("If a time limit ended the statement, raise or remove the limit", "db.statement_timeout: 0"),
)


def refuse_losses(request: RunRequest, guard: LossGuard, state: str) -> None:
    """Refuse a loss that no revision declares, and a loss of a downgrade to which nobody agreed.

    Args:
        request: the request for the run.
        guard: the guard with the losses of the run.
        state: the state of the database, for the error.

    Raises:
        Overtaken: other sessions wrote to a table after a revision used its data and before the revision removed the
            data. So the count of the losses may be wrong.
        LossNotDeclared: a loss is not declared.
        LossNotConfirmed: nobody agreed to a loss of a downgrade.
    """
    if guard.overtaken:
        raise Overtaken(guard.overtaken, request.database, state)
    if undeclared := [loss for loss in guard.losses if not loss.declared]:
        raise LossNotDeclared(undeclared, request.database, state)
    refused = [loss for loss in guard.losses if loss.direction == "downgrade" and not request.agreement.covers(loss)]
    if refused:
        raise LossNotConfirmed(refused, request.database, state, command=request.command, agreement=request.agreement)


def refuse_violations(
    request: RunRequest, before: set[tuple[Any, ...]], after: set[tuple[Any, ...]], state: str
) -> None:
    """Refuse rows that would refer to missing rows, unless as many rows did so before the run.

    Raises:
        ResetBlocked: the rows of others would refer to rows that the reset deletes.
        ForeignKeysViolated: a revision leaves such rows.
    """
    # In a table without an integer key, a rebuild can change the row numbers. So rows are counted, not identified.
    counts, known = (Counter((row[0], row[2]) for row in rows) for rows in (after, before))
    worse = sorted(counts - known)
    if worse and request.prepare:
        theirs = [f"rows of table {table} depend on table {referred}" for table, referred in worse]
        raise ResetBlocked(theirs, request.database)
    if worse:
        raise ForeignKeysViolated([f"{table} -> {referred}" for table, referred in worse], request.database, state)


@contextmanager
def failures(request: RunRequest, outcome: RunOutcome) -> Iterator[None]:
    """Replace an error of a segment by an error that names the revision and the state of the database."""
    url, segment = request.db.migration_url, outcome.segment
    try:
        with translate_errors(url):
            yield
    except AntarestError as error:
        if isinstance(error, DatabaseError):  # This error does not name the revision yet.
            error.state = outcome.state(failed=True) if outcome.total else error.state  # total 0: nothing had begun.
            if segment.running:
                error.details["during"] = f"the {segment.running[1]} of revision {segment.running[0].id}"
        if isinstance(error, NoRoomForLocks):
            error.hints = (*_first_part(segment.steps), *error.hints)
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _refuse_moved(request, outcome, error)
        # A revision that calls sys.exit(0) must not end the command as if it had succeeded.
        why = redact(reason(error) if isinstance(error, Exception) else described(error), *request.db.urls)
        state = outcome.state(failed=True)
        said = {name: redact(value, *request.db.urls) for name, value in details_of(error).items()}
        failed: AntarestError
        if segment.running is None:
            failed = RunFailed(why, database=request.database, state=state, details=said)
        else:
            revision, direction = segment.running
            kind = DeferredConstraintFailed if isinstance(error, DeferredFails) else RevisionFailed
            failed = kind(
                revision.id,
                direction,
                why,
                database=request.database,
                state=state,
                statement=redact(_statement(error), *request.db.urls),
                details=said,
            )
        # The revision is right if somebody has cancelled its statement.
        failed.hints = _AGAIN if sqlstate(error) == CANCELLED else (*_rights(error, str(url.username)), *failed.hints)
        raise failed from error


def _refuse_moved(request: RunRequest, outcome: RunOutcome, error: BaseException) -> None:
    """If Alembic has not found the revision that it wanted to replace, find the revision of the database.

    Raises:
        NotRecorded: somebody else has changed the revision during the run.
    """
    if isinstance(error, CommandError) and "expected to match one row" in str(error):
        found = outcome.after
        with suppress(AntarestError), looking(request.db, request.listener.note) as connection:
            found = read_current(connection, request.project.version_table)
        if found != outcome.after:
            moved = NotRecorded(", ".join(outcome.after) or BASE, ", ".join(found) or BASE, request.database)
            moved.state = f"What was not committed was rolled back. {moved.state}"
            raise moved from error


def _rights(error: BaseException, role: str) -> Iterator[Hint]:
    """If PostgreSQL says that the role lacks a right, yield hints about how to get it or to use another role."""
    if sqlstate(error) == NO_RIGHT:
        if found := _NO_CREATE.search(str(driver_error(error))):
            kind, name = found[1], found[2]
            yield Hint(f"Let the owner of the {kind} permit it", f"GRANT CREATE ON {kind.upper()} {name} TO {role};")
        yield Hint(
            "Name the owner of the tables in the configuration", "db.admin_url: postgresql://OWNER@HOST/DATABASE"
        )


def _first_part(steps: Sequence[Step]) -> Iterator[Hint]:
    """Yield a hint to run only the first half of the steps, because this needs fewer locks."""
    half, direction = len(steps) // 2, steps[0][1] if steps else ""
    if half and direction == "upgrade":
        yield Hint("Run it in parts, first", f"inv db.upgrade --to={steps[half - 1][0].id}")
    elif half:
        yield Hint("Run it in parts, first", f"inv db.rollback --to={steps[half][0].id}")


def _statement(error: BaseException) -> str:
    """Return the statement of an error on one line. The values of its parameters are left out, as they are private."""
    text = " ".join((error.statement or "").split()) if isinstance(error, DBAPIError) else ""
    return text if len(text) <= _LONGEST_STATEMENT else f"{text[: _LONGEST_STATEMENT - 3]}..."


@contextmanager
def naming_blockers(what: str, request: RunRequest, writer: Writer) -> Iterator[None]:
    """If a change outside of revisions, such as a grant, cannot get a lock, name the session that holds the lock.

    Args:
        what: the change, for the message.
        request: the request for the change.
        writer: the migration lock, which this run holds.

    Raises:
        ObjectLocked: another session holds a lock that the change needs.
    """
    try:
        yield
    except Exception as error:
        if not is_lock_failure(error, committing=False):
            raise
        limit = f" of {request.db.lock_timeout} s"
        blockers = writer.blockers()
        raise ObjectLocked(what, blockers, request.database, tries=1, time=limit, state=NOTHING_CHANGED) from error


def holder_of_table(error: BaseException) -> str:
    """Return the text about the session that held a table for too long. The text comes from the `NotLocked` error.

    The text is empty if `error` has no `NotLocked` among its causes, or if the session was not seen.
    """
    cause: BaseException | None = error
    while cause and not isinstance(cause, NotLocked):
        cause = cause.__cause__
    return cause.holder if isinstance(cause, NotLocked) else ""


def note_next_try(request: RunRequest, number: int, error: Exception, blockers: str) -> float:
    """Report why a segment is tried again.

    Args:
        request: the request for the run.
        number: the number of tries until now.
        error: the error of the last try.
        blockers: the session that held the needed lock; empty if this session is not known.

    Returns:
        The seconds to wait before the next try, so that other sessions can continue.
    """
    if isinstance(error, Overtaken):
        request.listener.note(f"{error.message}: rolled back, and the next try locks that first")
        return 0.0
    pause = min(2.0 ** (number - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    who = f" ({blockers})" if blockers else ""
    request.listener.note(f"cannot get a lock{who}: rolled back, next try in {pause:.1f} s")
    return pause


def is_lock_failure(error: BaseException, *, committing: bool) -> bool:
    """Return whether another try can help, because another session caused the error: it held a lock, or wrote first.

    Args:
        error: the error that ended the try.
        committing: whether the error was raised by a commit.
    """
    if isinstance(error, TableLocked):  # A backup has already waited until its time limit.
        return False
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, Overtaken):
            return True
        raised = cause.orig if isinstance(cause, DBAPIError) else cause
        if sqlstate(cause) in LOCK_FAILURES:
            return True
        if committing and isinstance(raised, sqlite3.Error):
            return raised.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        cause = cause.__cause__
    return False
