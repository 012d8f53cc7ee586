"""Creates the tables that have to exist before the first revision of a history, because no revision creates them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.project import InvalidProject
from ..errors.settings.urls import ENGINES
from ..errors.text import described

_EXAMPLES = "--start=FILE.sql, --start=module:function or --start=sqlite=A.sql,postgresql=B.sql"


def read_start(text: str | None) -> Mapping[str, str]:
    """Parse the value of the flag `--start`. Return, for each engine, its file of SQL or its function.

    Raises:
        UsageError: the value names an unknown engine, or something that is neither a file nor a function.
    """
    if not text:
        return {}
    found: dict[str, str] = {}
    for each in text.split(","):
        engine, equals, name = each.partition("=")
        found |= {engine: name} if equals else dict.fromkeys(ENGINES, each)
    is_sound = all(name.endswith(".sql") or ":" in name for name in found.values())
    if not is_sound or not found.keys() <= ENGINES.keys():
        raise UsageError(f"--start is {text!r}", Hint(f"Write for example {_EXAMPLES}", "inv db.verify"))
    for name in found.values():
        if name.endswith(".sql") and not Path(name).is_file():
            raise UsageError(f"there is no file {name}", Hint(f"Name another one: {_EXAMPLES}."))
    return {engine: str(Path(name).absolute()) if name.endswith(".sql") else name for engine, name in found.items()}


def make_start(connection: Connection, name: str) -> None:
    """Create the tables that have to exist before the first revision, and commit.

    Args:
        connection: a connection to an empty database.
        name: a file of SQL, or a function as `module:function`. The function takes the connection.

    Raises:
        InvalidProject: the file or function failed.
    """
    try:
        if name.endswith(".sql"):
            _execute(connection, Path(name).read_text(encoding="utf-8"))
        else:
            module, _, attribute = name.partition(":")
            getattr(importlib.import_module(module), attribute)(connection)
        connection.commit()
    except Exception as error:  # a function may raise anything
        hint = Hint(f"Correct it, or name another one: {_EXAMPLES}.")
        raise InvalidProject(Path(name), f"it cannot make the tables: {described(error)}", hint) from error


def _execute(connection: Connection, sql: str) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.executescript(sql)
        return
    with driver.cursor() as cursor:  # The driver's own cursor takes a per cent sign as it is.
        cursor.execute(sql)
    driver.commit()
