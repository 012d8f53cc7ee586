"""Completes the errors that end a run: adds the path of the backup, and turns a signal into an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..database.signals import Signals, Stopped, stoppable
from ..errors.base import AntarestError
from ..errors.facts.run import RunInterrupted, RunTerminated
from .request import RunOutcome, RunRequest


@contextmanager
def naming_backup(outcome: RunOutcome) -> Iterator[None]:
    """If a run fails after its backup, add the path of the backup to the error."""
    try:
        yield
    except AntarestError as error:
        if outcome.backup:
            error.details["backup"] = str(outcome.backup)
        raise


@contextmanager
def ending_at_signals(request: RunRequest, outcome: RunOutcome) -> Iterator[Signals]:
    """Let a signal end the run with an error that names the state of the database."""
    try:
        with stoppable() as signals:
            yield signals
    except Stopped as stopped:
        ended = RunInterrupted if stopped.exit_code == RunInterrupted.exit_code else RunTerminated
        raise ended(request.database, outcome.state(failed=True)) from None
