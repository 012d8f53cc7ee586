"""Questions at a terminal."""

from __future__ import annotations

import sys

from antarest.migration.errors import NotConfirmed


def ask(question: str, command: str) -> bool:
    """Ask on the terminal, where there is one.

    Args:
        question: what to agree to.
        command: what answers it in advance.

    Returns:
        True: the answer is yes.

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
    return True
