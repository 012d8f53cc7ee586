"""Converts our commands to the form that the user can type.

All other code writes each command as in a checkout, for example `inv db.status`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .location import PACKAGE

PROGRAM: Final = "antarest-db"
PROVER: Final = "antarest-verify"
_TASK: Final = re.compile(r"\binv db\.(?P<verb>[a-z][a-z-]*)")
_RIVALS: Final = frozenset(("--new", "--revisions"))  # No command takes both.
_INVOKE: Final = ("inv", "invoke")

_flags: list[tuple[str, str]] = []
"""The flags to add to our commands, each after the verb that takes the flag; the verb is empty if all verbs do."""


@contextmanager
def repeating(verb: str = "", *, x: Sequence[str] = (), **flags: str | bool | Sequence[str] | None) -> Iterator[None]:
    """In the block, show our commands with flags that the user gave.

    Without these flags, a command would use another database, for example.

    Args:
        verb: the verb that takes the flags; empty if all verbs take the flags.
        x: the values of `-x`, which all verbs take.
        flags: the flags with their values: one value, several values, or True. Flags without a value are left out.
    """
    before = [*_flags]
    _flags.extend(("", f"-x {shlex.quote(each)}") for each in x)
    for name, value in flags.items():
        values = [value] if isinstance(value, str) else [] if isinstance(value, bool) or not value else value
        _flags.extend((verb, f"{spelled(name)}={shlex.quote(each)}") for each in values if each)
        _flags.extend([(verb, spelled(name))] if value is True else [])
    try:
        yield
    finally:
        _flags[:] = before


def spell(text: str) -> str:
    """Return the text with our commands as the user can type them here.

    `inv db.status` stays as it is if Invoke was called, or if Invoke and a `tasks.py` exist here. Otherwise the command
    becomes `antarest-db status`, with the folder of the program if the shell would not find the program. Each command
    also gets the flags of `repeating` that it does not have yet.

    Args:
        text: one command, or a text with commands in it.
    """
    if "inv db." not in text:
        return text
    if command := _TASK.match(text):
        verb = _verb(command)
        given = {word.partition("=")[0] for word in text.split()}
        given |= _RIVALS if given & _RIVALS else set()
        added = [flag for flag in _repeated(verb) if flag.partition("=")[0] not in given]
        return " ".join([_called(verb) + text[command.end() :], *added])
    return _TASK.sub(lambda found: " ".join([_called(_verb(found)), *_repeated(_verb(found))]), text)


def _verb(command: re.Match[str]) -> str:
    """Return the verb of a command.

    In the program `antarest-verify`, return "verify" for "history", because "history" needs a database.
    """
    is_prover = Path(sys.argv[0]).name == PROVER
    return "verify" if is_prover and command["verb"] == "history" else command["verb"]


def _repeated(verb: str) -> list[str]:
    return list(dict.fromkeys(flag for takes, flag in _flags if takes in ("", verb)))


def _called(verb: str) -> str:
    """Return the command for a verb, in the form for the program that the user has started."""
    called = Path(sys.argv[0])
    if verb == "verify" and called.name == PROVER:
        return typed(PROVER) or shlex.quote(str(called))
    if called.name in _INVOKE:
        return f"inv db.{verb}"
    program = typed(PROGRAM)
    if called.name in (PROGRAM, PROVER) and program:
        return f"{program} {verb}"
    if find_spec("invoke") and _has_tasks():
        return f"inv db.{verb}"
    return f"{program or f'{shlex.quote(sys.executable)} -m {PACKAGE}'} {verb}"


def _has_tasks() -> bool:
    try:
        here = Path.cwd()
    except OSError:  # The current folder was deleted.
        return False
    return any((folder / "tasks.py").is_file() for folder in (here, *here.parents))


def typed(program: str) -> str:
    """Return the text that a user types to start a program of this environment.

    Returns:
        The name of the program, or its path if the shell would not find the program by its name. The text is empty if
        there is no such program, or if the program belongs to another package.
    """
    path = Path(sys.executable).parent / program
    # If there are two copies of this package, do not name the program of the other copy.
    is_there = os.access(path, os.X_OK)
    if not is_there or f"from {PACKAGE.partition('.')[0]}." not in path.read_text(errors="replace"):
        return ""
    found = shutil.which(program)
    return program if found and Path(found).samefile(path) else shlex.quote(str(path))


def spelled(flag: str) -> str:
    """Return the flag of a parameter, such as `--dry-run` for `dry_run`, or `--from` for `from_`."""
    return f"--{flag.strip('_').replace('_', '-')}" if len(flag) > 1 else f"-{flag}"
