"""Questions to a person, and answers given in advance: how far back, what may be lost, and whether at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors.base import NOTHING_CHANGED, Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.loss import LossNotConfirmed
from ..errors.facts.refusal import NotConfirmed
from ..errors.loss import Agreement
from ..errors.text import position
from ..workflow.workflow import MigrationWorkflow

if TYPE_CHECKING:
    from ..workflow.plan import RollbackPlan

HOW_FAR = (
    Hint("So many steps back", "inv db.rollback --steps=1 --dry-run"),
    Hint("Back to a revision", "inv db.rollback --to=REV --dry-run"),
)


def positive(steps: str | None) -> int:
    """How many steps back: one, unless somebody says so.

    Raises:
        UsageError: it is no number of steps.
    """
    try:
        count = int(steps or "1")
    except ValueError:
        count = 0
    if count < 1:
        raise UsageError(f"--steps must be a whole number from 1, not {steps!r}", hints=HOW_FAR)
    return count


def agree(
    workflow: MigrationWorkflow,
    plan: RollbackPlan,
    command: str,
    *,
    yes: bool,
    everything: bool,
    goal: str = "",
) -> Agreement:
    """What may be lost: nothing without losses, all that is named with the flag, or what is answered on a terminal.

    Args:
        workflow: whose plan it is.
        plan: what goes down.
        command: the command, without the flags that answer the question.
        yes: whether the question is answered with yes already; that permits no loss.
        everything: whether every declared loss is agreed to already.
        goal: where the database goes, if that is not where the plan ends.

    Raises:
        LossNotDeclared: the plan loses something that its revisions do not declare.
        LossNotConfirmed, NotConfirmed: nobody agrees.
    """
    plan.refuse_undeclared(workflow.database)
    is_terminal = sys.stdin.isatty()
    verb = f"Go to {goal}" if goal else f"Roll back to {plan.target}"
    if plan.losses and not everything:
        if yes or not is_terminal:
            state = f"{NOTHING_CHANGED} The database is at {position(plan.current)}."
            raise LossNotConfirmed(plan.losses, workflow.database, state, command=command)
        ask(f"{verb} and lose this?", f"{command} --allow-data-loss")
        return plan.agreement
    if is_terminal and not yes and not everything:
        ask(f"{verb}?", f"{command} --yes")
    return Agreement(everything=everything)


def ask(question: str, command: str) -> None:
    """Ask on the terminal, where there is one.

    Raises:
        NotConfirmed: the answer is not yes, or nobody can answer.
    """
    if not sys.stdin.isatty():
        raise NotConfirmed(question, command)
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise NotConfirmed(question, command)
