"""What the application logs: problems only, on standard error, without passwords, and each not more than once a minute.

Requests are not logged: their addresses hold what people look for.
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
    """Takes the passwords out of whatever is logged, tracebacks included."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class _OnceAMinute(logging.Filter):
    """Leaves out what was said within the last minute, and says how often."""

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
    """Log to standard error.

    Args:
        redact: takes the passwords out of a text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(redact))
    handler.addFilter(_OnceAMinute())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # What clients send is answered, and not the operator's concern.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
