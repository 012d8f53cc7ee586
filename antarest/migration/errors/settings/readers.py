"""Readers of settings: functions that return the value of a text, or raise an error that says what is expected."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL

from ..facts.configuration import DatabaseUrlMissing, InvalidValue
from .urls import normalise_url

ENVIRONMENTS: Final = ("development", "test", "staging", "production")

_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNLIMITED = 2**31 - 1

# A reader gets the text of a value and the folder of the file, and returns the value of the field. It raises a
# ConfigError about the value alone: `_read_section` adds the key and the file.
Reader = Callable[[str, Path], Any]


def text(value: str, _folder: Path) -> str:
    """Read a text that is not empty."""
    if not value:
        raise InvalidValue("a text that is not empty")
    return value


def url(value: str, folder: Path) -> URL:
    """Read the URL of a database."""
    if not value:
        raise DatabaseUrlMissing
    return normalise_url(value, folder=folder)


def environment(value: str, _folder: Path) -> str:
    """Read the kind of environment, such as `production`."""
    # A closed list: a misspelt "production" would be a production database without its protection.
    if value.lower() not in ENVIRONMENTS:
        raise InvalidValue(f"one of {', '.join(ENVIRONMENTS)}")
    return value.lower()


def path(value: str, folder: Path) -> Path:
    """Read a path, relative to the configuration file."""
    return Path(os.path.abspath(folder / Path(text(value, folder)).expanduser()))  # noqa: PTH100 - links stay links


def flag(value: str, _folder: Path) -> bool:
    """Read a boolean value, in any spelling that YAML knows."""
    if value.lower() not in _FLAGS:
        raise InvalidValue("true or false")
    return _FLAGS[value.lower()]


def number(minimum: int, maximum: int = _UNLIMITED) -> Reader:
    """Return a reader of whole numbers between two limits."""
    limits = f"of at least {minimum}" if maximum == _UNLIMITED else f"from {minimum} to {maximum}"

    def read(value: str, _folder: Path) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", value) or not minimum <= int(value) <= maximum:
            raise InvalidValue(f"a whole number {limits}")
        return int(value)

    return read


SECONDS = number(0, 86_400)
