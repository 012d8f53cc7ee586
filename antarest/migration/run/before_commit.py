"""What ends a segment before its commit: losses that nobody declared or agreed to, and errors of its revisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError

from ..database.driver_errors import translate_errors
from ..errors.base import AntarestError
from ..errors.facts.database import DatabaseError
from ..errors.facts.loss import ForeignKeysViolated, LossNotConfirmed, LossNotDeclared
from ..errors.facts.run import RevisionFailed, RunFailed
from ..errors.loss import Loss
from ..errors.settings.urls import redact
from .move import Move, Step

_LOCK_NOT_HAD = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_LONGEST_STATEMENT = 100


def judge(move: Move, losses: Sequence[Loss]) -> None:
    """Refuse a loss that no revision declares, or that goes down and nobody agreed to.

    Raises:
        LossNotDeclared, LossNotConfirmed: there is one.
    """
    if undeclared := [loss for loss in losses if not loss.declared]:
        raise LossNotDeclared(undeclared, move.database, move.state)
    refused = [loss for loss in losses if loss.direction == "downgrade" and not move.agreement.covers(loss)]
    if refused:
        raise LossNotConfirmed(refused, move.database, move.state, command=move.command)


def compare_foreign_keys(move: Move, before: set[tuple[Any, ...]], after: set[tuple[Any, ...]]) -> None:
    """Refuse rows that point nowhere, unless they did so before.

    Raises:
        ForeignKeysViolated: there are more of them than before.
    """
    # A rebuild keeps the rowid of a table with an integer key only, so the rows cannot be told apart: count them.
    places = {(row[0], row[2]) for row in after}
    worse = [
        f"{table} -> {referred}"
        for table, referred in sorted(places)
        if sum((row[0], row[2]) == (table, referred) for row in after)
        > sum((row[0], row[2]) == (table, referred) for row in before)
    ]
    if worse:
        raise ForeignKeysViolated(worse, move.database, move.state)


@contextmanager
def failures(move: Move, done: Sequence[Step]) -> Iterator[None]:
    """Turn what a revision raises into an error that says which one it was, and what is left of the run.

    Args:
        move: the run.
        done: what has run in this segment, and is undone with it.
    """
    try:
        with translate_errors(move.db.migration_url):
            yield
    except AntarestError as error:
        _complete(error, move, done)
        raise
    except Exception as error:
        move.undone = len(done)
        reason = redact(_first_line(error.orig if isinstance(error, DBAPIError) else error), move.db.migration_url)
        if move.running is None:
            raise RunFailed(reason, database=move.database, state=move.state) from error
        revision, direction = move.running
        statement = redact(_statement(error), move.db.migration_url)
        raise RevisionFailed(
            revision.id, direction, reason, database=move.database, state=move.state, statement=statement
        ) from error


def _complete(error: AntarestError, move: Move, done: Sequence[Step]) -> None:
    """An error of the connection does not know what it ended."""
    if isinstance(error, DatabaseError):
        move.undone = len(done)
        error.state = move.state if move.total else error.state  # Without the lock, nothing has begun.
        if move.running:
            error.details["during"] = f"the {move.running[1]} of revision {move.running[0].id}"


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _statement(error: Exception) -> str:
    """The statement that failed, on one line; without its values, which are somebody's data."""
    text = " ".join((error.statement or "").split()) if isinstance(error, DBAPIError) else ""
    return text if len(text) <= _LONGEST_STATEMENT else f"{text[: _LONGEST_STATEMENT - 3]}..."


def lock_was_not_had(error: BaseException, *, committing: bool) -> bool:
    """Whether the segment failed for a lock of somebody else's, so that trying again can help."""
    cause: BaseException | None = error
    while cause:
        raised = cause.orig if isinstance(cause, DBAPIError) else cause
        if getattr(raised, "pgcode", None) in _LOCK_NOT_HAD:
            return True
        if committing and isinstance(raised, sqlite3.Error):
            return raised.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        cause = cause.__cause__
    return False
