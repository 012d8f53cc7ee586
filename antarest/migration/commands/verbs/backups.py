"""The verbs that make, list and restore backups."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from ...errors.base import EXIT_DONE
from ...errors.facts.backup import RestoreNotConfirmed

if TYPE_CHECKING:
    from ...backup.restore import RestorePlan
    from ..boundary import CommandContext


def backup(context: CommandContext) -> int:
    """Make a backup of the database, and verify it."""
    from ..rendering import backups  # Imported here: other commands do not wait for it.

    context.introduce()
    made = context.workflow.backups.make()
    context.progress.stop()
    context.report(backups.backup(made) if made else "nothing to do: the database is empty")
    return EXIT_DONE


def backups(context: CommandContext, *, json: bool = False) -> int:
    """List the backups of the database, newest first, with their time, size, revision and number of rows."""
    from ..rendering import backups

    found = context.workflow.backups.list()
    if json:
        context.print(backups.backups_json(found))
        return EXIT_DONE
    context.introduce()
    context.print(backups.backups(found))
    return EXIT_DONE


def restore(
    context: CommandContext,
    *,
    from_: str | None = None,
    yes: bool = False,
    allow_data_loss: bool = False,
    end_sessions: bool = False,
) -> int:
    """List the losses, then restore a backup; the old content is kept."""
    from ..questions import ask
    from ..rendering import backups

    context.introduce()
    may_end = end_sessions or (None if sys.stdin.isatty() else False)
    with context.workflow.backups.restoring(from_, end_sessions=may_end) as prepared:
        context.progress.stop()
        context.print(backups.plan(prepared.plan))
        _agree(prepared.plan, yes=yes or allow_data_loss, everything=allow_data_loss)
        if not end_sessions and (sessions := prepared.sessions):
            context.print("\n".join(f"  {each}" for each in sessions))
            ask("End these sessions?", "inv db.restore --end-sessions")
            end_sessions = True
        done = prepared.swap(end_sessions=end_sessions)
    context.progress.stop()
    context.report(backups.restored(done))
    return EXIT_DONE


def _agree(plan: RestorePlan, *, yes: bool, everything: bool) -> None:
    """Ask for consent if the restore replaces something. `--yes` alone does not permit a known loss."""
    from ..questions import ask
    from ..rendering import backups

    if plan.is_onto_nothing or everything:
        return
    losses = backups.losses(plan)
    if losses and (yes or not sys.stdin.isatty()):
        raise RestoreNotConfirmed(plan.backup.path, losses, plan.database)
    if not yes:
        command = f"inv db.restore --from={shlex.quote(str(plan.backup.path))}"
        ask("Replace the database by this backup?", f"{command} {'--allow-data-loss' if losses else '--yes'}")
