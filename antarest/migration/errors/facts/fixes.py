"""What to write into a revision that a database has refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..base import Hint

_PENDING = "pending trigger events"
_RUN_THEM = Hint("Before this statement, write in the revision", 'op.execute("SET CONSTRAINTS ALL IMMEDIATE")')
_NO_LABEL = re.compile(r'invalid input value for enum (.+): "(.*)"')
_NEW_LABEL = re.compile(r'unsafe use of new value "(.*)" of enum type')


def fixes_of(reason: str) -> Iterator[Hint]:
    """Yield the lines to write into a revision that failed with this error of PostgreSQL, if they are known.

    Args:
        reason: the text of the error.
    """
    if _PENDING in reason:
        yield _RUN_THEM
    if found := _NO_LABEL.search(reason):
        statement = f"ALTER TYPE {found[1]} ADD VALUE '{found[2]}'"
        yield Hint("To add this value, write a revision below this one with", f"op.execute({statement!r})")
    if found or _NEW_LABEL.search(reason):
        yield Hint("The revision that adds the value is committed first, if its file says", 'transaction = "own"')
