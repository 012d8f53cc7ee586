"""Errors as text: for a person, and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TextIO

from .base import SEE_STATUS, AntarestError, Hint
from .settings.commands import spell
from .text import printable, style


def interrupted(committed: str = "", *, only_looks: bool = False, again: Hint | None = None) -> str:
    """Return the message for a command that was ended by Ctrl-C or SIGTERM.

    Args:
        committed: the revision of the database after the last commit of this command; empty if there was no commit.
        only_looks: whether the command has only read until now, so that nothing was changed.
        again: the next step; by default the command that shows the status of the database.
    """
    then = again or SEE_STATUS
    hint = Hint(then.text, spell(then.command))
    place = f"the database is at {committed}, and " if committed else ""
    fact = "nothing was changed" if only_looks else f"{place}what was not committed was rolled back"
    return "\n".join([f"interrupted: {fact}", *_hints([hint])]) + "\n"


def render_error(error: AntarestError, stream: TextIO = sys.stderr) -> str:
    """Return the error in the form that every command prints: the message, its values, the state, the next steps.

    Secrets are masked, because the message can be the text of another error, such as an error of the user's `env.py`.
    """
    message = _one_line(_masked(error.message))
    lines = [f"{style(f'error {error.code}:', 'red', stream)} {style(message, 'bold', stream)}"]
    width = max((len(label) for label in error.details), default=0)
    lines += [f"  {label:<{width}}  {_one_line(_masked(value))}" for label, value in error.details.items()]
    lines.append(_one_line(error.state))
    lines += [_one_line(hint) for hint in _hints(error.hints)]
    return "\n".join(line for line in lines if line) + "\n"


def _masked(text: str) -> str:
    if "://" not in text:
        return text
    from .settings.urls import redact  # Imported here: this needs SQLAlchemy, which an error may say is missing.

    return redact(text)


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")


def _hints(hints: Sequence[Hint]) -> list[str]:
    """Return the lines of the next steps, with their commands aligned."""
    labels = [hint.text if hint.text.endswith((":", "?")) else f"{hint.text}:" for hint in hints]
    width = max((len(label) for label, hint in zip(labels, hints, strict=True) if hint.command), default=0)
    return [
        f"  {label:<{width}}   {hint.command}" if hint.command else hint.text
        for label, hint in zip(labels, hints, strict=True)
    ]


def render_error_json(error: AntarestError) -> str:
    """Return the error as JSON, with its secrets masked."""
    details = {label: _masked(value) for label, value in error.details.items()}
    return json.dumps({"error": {**error.to_dict(), "message": _masked(error.message), "details": details}}, indent=2)


def next_command(text: str, command: str) -> str:
    """Return a next step in the form that errors show."""
    return _hints([Hint(text, spell(command))])[0]
