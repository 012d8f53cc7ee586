"""Asks the user for consent, and reads the flags that answer the questions in advance."""

from __future__ import annotations

import select
import signal
import socket
import sys

from ..database.signals import Stopped
from ..errors.base import NOTHING_CHANGED, Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.loss import LossNotConfirmed
from ..errors.facts.refusal import NotConfirmed
from ..errors.loss import Agreement
from ..errors.text import position
from ..workflow.plan import RollbackPlan
from ..workflow.workflow import MigrationWorkflow

HOW_FAR = (
    Hint("So many steps back", "inv db.rollback --steps=1 --dry-run"),
    Hint("Back to a revision", "inv db.rollback --to=REV --dry-run"),
)


def positive(steps: str | None) -> int:
    """Return the number of revisions to go back, from the value of the flag `--steps`; 1 if the flag is missing.

    Raises:
        UsageError: the value is not a whole number of 1 or more.
    """
    try:
        count = int(steps or "1")
    except ValueError:
        count = 0
    if count < 1:
        raise UsageError(f"--steps must be a whole number from 1, not {steps!r}", *HOW_FAR)
    return count


def agree(
    workflow: MigrationWorkflow, plan: RollbackPlan, command: str, *, yes: bool, everything: bool, goal: str = ""
) -> Agreement:
    """Return the user's agreement to a rollback and its losses, from the flags or from the terminal.

    Args:
        workflow: the workflow that made the plan.
        plan: the plan of the rollback.
        command: the command, without the flags that answer the question.
        yes: whether the flag `--yes` answers the question. It does not permit a loss.
        everything: whether the flag `--allow-data-loss` permits every declared loss.
        goal: the current revision after the whole command, if this is not the target of the rollback; otherwise empty.

    Returns:
        The losses to which the user agreed.

    Raises:
        LossNotDeclared: the plan has a loss that its revisions do not declare.
        LossNotConfirmed: data would be lost, and nobody can be asked.
        NotConfirmed: the answer is not yes.
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
    return Agreement(everything=True) if everything else plan.agreement


def ask(question: str, command: str) -> None:
    """Ask a question on the terminal.

    Raises:
        NotConfirmed: the answer is not yes, or there is no terminal.
        Stopped: a signal came instead of an answer.
    """
    if not sys.stdin.isatty():
        raise NotConfirmed(question, command)
    try:
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        _wait_for_answer()
        answer = input()
    except Stopped as stopped:
        stopped.is_at_question = True
        raise
    except (EOFError, OSError, UnicodeError):  # Nobody is there any more, or what was typed is not text.
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise NotConfirmed(question, command)


def _wait_for_answer() -> None:
    """Wait until somebody has typed a line, or a signal has come.

    If a signal comes just before the wait begins, `input` alone would handle the signal only after the answer.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            select.select([sys.stdin, reader], [], [])
        finally:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
