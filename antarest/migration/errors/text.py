"""Words and numbers in texts: plurals, sizes, lists that are cut, and colours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TextIO

from .revision import BASE

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_SHOWN = 3  # An error has at most nine lines, so a list in it is cut after this many entries.


def shorten(items: Sequence[object], shown: int = _SHOWN) -> str:
    """Join the items with commas, cut after `shown` of them."""
    rest = len(items) - shown
    return ", ".join(str(item) for item in items[:shown]) + (f" and {rest} more" if rest > 0 else "")


def plural(number: int) -> str:
    """What makes a plural of a noun, where the number asks for one."""
    return "" if number == 1 else "s"


def style(text: str, name: str, stream: TextIO) -> str:
    """Colour a text, where the stream is a terminal and NO_COLOR (https://no-color.org) is not set."""
    if not text or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m"


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Labels and values, one pair a line, aligned."""
    rows = [(label, value) for label, value in pairs if value]
    return "\n".join(f"{label:<14} {value}" for label, value in rows)


def position(revisions: Sequence[str]) -> str:
    """Where a database is."""
    return ", ".join(revisions) or BASE


def size(number: int) -> str:
    """A number of bytes, such as `1.2 MB`."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - what the next unit is
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit and value < 100 else f"{value:.0f} {_UNITS[unit]}"  # noqa: PLR2004


def some(ids: Sequence[str], shown: int = 3) -> str:
    """The first few of them, and how many more there are."""
    return ", ".join(ids[:shown]) + (f" and {len(ids) - shown} more" if len(ids) > shown else "")


def count(number: int, noun: str) -> str:
    """A number of things, such as `1 row` or `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
