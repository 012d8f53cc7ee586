"""The commands about branches: the database follows the checkout. See `antarest.migration.cli` for the others."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from antarest.core.errors import EXIT_DONE
from antarest.migration.questions import agree

if TYPE_CHECKING:
    from antarest.migration.checkout.sync import SyncPlan
    from antarest.migration.cli import Session


def sync(session: Session, *, allow_changed: bool = False, **flags: bool) -> int:
    """Make the database match this checkout: undo what it does not have, then apply what is pending."""
    with session.workflow.checkout.syncing(allow_changed=allow_changed) as plan:
        return _carry_out(session, plan, _flagged("inv db.sync", allow_changed=allow_changed), **flags)


def switch(session: Session, *, branch: str, allow_changed: bool = False, **flags: bool) -> int:
    """Switch to a branch and take the database along: both, or neither."""
    with session.workflow.checkout.switching(branch, allow_changed=allow_changed) as plan:
        command = _flagged(f"inv db.switch {shlex.quote(branch)}", allow_changed=allow_changed)
        return _carry_out(session, plan, command, branch, **flags)


def install_hooks(session: Session) -> int:
    """Write git hooks that say in one line when the database and the checkout differ."""
    for path in session.workflow.checkout.install_hooks():
        session.print(str(path))
    return EXIT_DONE


def _carry_out(
    session: Session,
    plan: SyncPlan,
    command: str,
    switch_to: str = "",
    /,
    *,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
) -> int:
    from antarest.migration import report
    from antarest.migration.checkout.report import sync_plan

    workflow = session.workflow
    session.introduce()
    session.print(sync_plan(plan, switch_to))
    if dry_run or (plan.is_empty and not switch_to):
        return EXIT_DONE
    workflow.refuse_undeclared(plan.undo)
    answered = yes or not plan.undo.steps
    agreement = agree(workflow, plan.undo, command, yes=answered, everything=allow_data_loss, goal=plan.goal)
    move = workflow.checkout.sync(plan, agreement, switch_to=switch_to)
    if move.steps:
        session.print(report.move(move, "synchronised"))
    if switch_to:
        session.say(("branch", switch_to))
    return EXIT_DONE


def _flagged(command: str, *, allow_changed: bool) -> str:
    return f"{command} --allow-changed" if allow_changed else command
