"""Checks that end a segment before its commit: losses that nobody declared or agreed to, and errors of revisions."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError

from ..database.driver_errors import translate_errors
from ..errors.base import AntarestError
from ..errors.facts.database import DatabaseError
from ..errors.facts.loss import LossNotConfirmed, LossNotDeclared
from ..errors.facts.run import DeferredConstraintFailed, RevisionFailed, RunFailed
from ..errors.loss import Loss
from ..errors.settings.urls import redact
from ..errors.text import described, reason
from ..losses.deferred import DeferredFails
from .request import RunOutcome, RunRequest

_LOCK_FAILURES = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_LONGEST_STATEMENT = 100


def refuse_losses(request: RunRequest, losses: Sequence[Loss], state: str) -> None:
    """Refuse a loss that no revision declares, or that a downgrade causes and nobody agreed to.

    Args:
        request: the run.
        losses: what it loses.
        state: the state of the database, for the error.

    Raises:
        LossNotDeclared, LossNotConfirmed: there is one.
    """
    if undeclared := [loss for loss in losses if not loss.declared]:
        raise LossNotDeclared(undeclared, request.database, state)
    refused = [loss for loss in losses if loss.direction == "downgrade" and not request.agreement.covers(loss)]
    if refused:
        raise LossNotConfirmed(refused, request.database, state, command=request.command)


def new_violations(before: set[tuple[Any, ...]], after: set[tuple[Any, ...]]) -> list[str]:
    """The foreign keys that more rows violate than before, as "table -> table"."""
    # A rebuild may change the rowid of a table without an integer key. So rows are counted, and not identified.
    counts, known = (Counter((row[0], row[2]) for row in rows) for rows in (after, before))
    return [f"{table} -> {referred}" for table, referred in sorted(counts - known)]


@contextmanager
def failures(request: RunRequest, outcome: RunOutcome) -> Iterator[None]:
    """Turn an error of a segment into one that names the revision, and the state of the database."""
    url, segment = request.db.migration_url, outcome.segment
    try:
        with translate_errors(url):
            yield
    except AntarestError as error:
        if isinstance(error, DatabaseError):  # This error does not name the revision yet.
            error.state = outcome.state(failed=True) if outcome.total else error.state  # total 0: nothing had begun.
            if segment.running:
                error.details["during"] = f"the {segment.running[1]} of revision {segment.running[0].id}"
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A revision that calls sys.exit(0) must not end the command as if it had succeeded.
        why = redact(reason(error) if isinstance(error, Exception) else described(error), url)
        state = outcome.state(failed=True)
        if segment.running is None:
            raise RunFailed(why, database=request.database, state=state) from error
        revision, direction = segment.running
        statement = redact(_statement(error), url)
        failed = DeferredConstraintFailed if isinstance(error, DeferredFails) else RevisionFailed
        raise failed(
            revision.id, direction, why, database=request.database, state=state, statement=statement
        ) from error


def _statement(error: BaseException) -> str:
    """The statement that failed, on one line, without its values: those are data of users."""
    text = " ".join((error.statement or "").split()) if isinstance(error, DBAPIError) else ""
    return text if len(text) <= _LONGEST_STATEMENT else f"{text[: _LONGEST_STATEMENT - 3]}..."


def is_lock_failure(error: BaseException, *, committing: bool) -> bool:
    """Whether the segment failed because another session holds a lock, so that another try can help."""
    cause: BaseException | None = error
    while cause:
        raised = cause.orig if isinstance(cause, DBAPIError) else cause
        if getattr(raised, "pgcode", None) in _LOCK_FAILURES:
            return True
        if committing and isinstance(raised, sqlite3.Error):
            return raised.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        cause = cause.__cause__
    return False
