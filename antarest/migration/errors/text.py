"""Helpers for messages: numbers with nouns, sizes, shortened lists, first lines and colours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from .revision import BASE

_UNITS = ("kB", "MB", "GB", "TB")
_THOUSAND = 1000.0
_TEN = 9.95  # smaller sizes have one decimal
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
# Characters that control a terminal, or that reverse a line. Our own colours and line breaks are left as they are.
_CONTROL = re.compile(r"(?P<colour>\x1b\[(?:[012]|3[123])m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SHOWN = 3  # An error has at most nine lines, so a list in it is cut after this many entries.
_OBJECT = re.compile(r" ?<[\w.]+ object at 0x[0-9a-f]+>")  # says nothing to a user


def shorten(items: Sequence[object], shown: int = _SHOWN) -> str:
    """Return the first items joined with commas, followed by the number of the items that are left out."""
    rest = len(items) - shown
    return ", ".join(str(item) for item in items[:shown]) + (f" and {rest} more" if rest > 0 else "")


def numbered(label: str, items: Sequence[object], shown: int, others: str = "") -> dict[str, str]:
    """Return the first items as details of an error, followed by the number of the items that are left out.

    Args:
        label: the label of the first item.
        items: the items.
        shown: how many items to show.
        others: the label of the further items, to which 2, 3 and so on are added; by default `label`.
    """
    labels = [label, *(f"{others or label} {number}" for number in range(2, shown + 1))]
    details = {name: str(item) for name, item in zip(labels, items, strict=False)}
    return details | ({"and": f"{len(items) - shown} more"} if len(items) > shown else {})


class Stream(Protocol):
    """An output stream, such as a terminal or a file."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""


def printable(text: str) -> str:
    """Return a text with its control characters as escapes, so that a name or a message cannot control the terminal."""
    return _CONTROL.sub(lambda found: found["colour"] or ascii(found[0])[1:-1], text)


def style(text: str, name: str, stream: Stream) -> str:
    """Return the text in a colour, if the stream is a terminal and NO_COLOR (https://no-color.org) is not set."""
    if not text or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m"


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Return labels and values as aligned lines. Pairs without a value are left out."""
    rows = [(label, value) for label, value in pairs if value]
    return "\n".join(f"{label:<14} {value}" for label, value in rows)


def position(revisions: Sequence[str]) -> str:
    """Return the current revisions of a database as text for a message."""
    return ", ".join(revisions) or BASE


def size(number: float) -> str:
    """Return a number of bytes as text, such as `1.2 MB`."""
    value, unit = float(number), 0
    while round(value) >= _THOUSAND and unit < len(_UNITS):
        value, unit = value / _THOUSAND, unit + 1
    if unit == 0:
        return count(round(number), "byte")
    return f"{value:.{1 if value < _TEN else 0}f} {_UNITS[unit - 1]}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as `1 row`, `2,000 rows` or `3 studies`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def first_line(text: object) -> str:
    """Return the first line of a text, without spaces around it, and without the addresses of Python objects."""
    return _OBJECT.sub("", str(text).strip().partition("\n")[0].rstrip())


def described(error: BaseException) -> str:
    """Return the class name and the first line of an unexpected error."""
    return ": ".join(filter(None, [type(error).__name__, first_line(error)]))


def details_of(error: BaseException) -> dict[str, str]:
    """Return the DETAIL and the HINT that PostgreSQL adds to a message, each on one line."""
    said = getattr(getattr(error, "orig", error), "diag", None)
    lines = {name: getattr(said, f"message_{name}", None) or "" for name in ("detail", "hint")}
    return {name: shorten(text.splitlines(), _SHOWN) for name, text in lines.items() if text}


def reason(error: BaseException) -> str:
    """Return the first line of an error, without SQLAlchemy's additions; the class name if the error has no text."""
    said = first_line(getattr(error, "orig", None) or error) or type(error).__name__
    return _OBJECT.sub("", said)
