"""The base of what this package refuses or fails to do."""

from __future__ import annotations

from collections.abc import Sequence

from antarest.core.errors import AntarestError

_SHOWN = 3  # An error has at most nine lines, so a list in it is cut after this many entries.


class MigrationError(AntarestError):
    """Base of what this package refuses or fails to do."""


def shorten(items: Sequence[object], shown: int = _SHOWN) -> str:
    """Join the items with commas, cut after `shown` of them."""
    rest = len(items) - shown
    return ", ".join(str(item) for item in items[:shown]) + (f" and {rest} more" if rest > 0 else "")


def plural(number: int) -> str:
    """What makes a plural of a noun, where the number asks for one."""
    return "" if number == 1 else "s"
