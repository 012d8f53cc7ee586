"""Logs the problems of the application to standard error, without passwords, and each at most once a minute.

Requests are not logged, because their addresses contain the search words of users.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 60.0
_REMEMBERED: Final = 200


class _Formatter(logging.Formatter):
    """Masks the passwords in each log record and its traceback."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class _OnceAMinute(logging.Filter):
    """Drops a message if the same text was logged within the last minute.

    The next logged message counts the dropped ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text, now = record.getMessage(), time.monotonic()
        last, left_out = self._said.get(text, (0.0, 0))
        if last and now - last < _SECONDS:
            self._said[text] = (last, left_out + 1)
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[text] = (now, 0)
        if left_out:
            record.msg, record.args = f"{text} (and {left_out} times before)", None
        return True


def configure(redact: Callable[[str], str]) -> None:
    """Configure the logging to standard error.

    Args:
        redact: masks the passwords in a text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(redact))
    handler.addFilter(_OnceAMinute())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Wrong requests are answered. They do not concern the operator.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
