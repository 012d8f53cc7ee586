"""Our commands as a user can type them here. All other code writes them as in a checkout: `inv db.status`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .location import PACKAGE, ROOT

PROGRAM: Final = "antarest-db"
_TASK: Final = re.compile(r"\binv db\.(?=[a-z])")


def spell(text: str, *, config: str = "") -> str:
    """Return the text with our commands as they can be typed here.

    They stay unchanged where Invoke and `tasks.py` are available. In an installed copy, `inv db.status` becomes
    `antarest-db status`, with the folder of the program where the shell would not find it.

    Args:
        text: one command, or a text with commands in it.
        config: the configuration to add to the command, where it does not name one.
    """
    if "inv db." not in text:
        return text
    named = (
        f" --config={shlex.quote(config)}" if config and text.startswith("inv db.") and "--config" not in text else ""
    )
    return _TASK.sub(lambda _: _prefix(), text) + named


def typed(program: str) -> str:
    """Return what to type for a program of this environment.

    Returns:
        The name of the program, or its path if the shell would not find it. It is empty if there is no such program, or
        if it belongs to another package.
    """
    path = Path(sys.executable).parent / program
    # A copy of this package elsewhere must not send its users to the program of another one.
    is_there = os.access(path, os.X_OK)
    if not is_there or f"from {PACKAGE.partition('.')[0]}." not in path.read_text(errors="replace"):
        return ""
    found = shutil.which(program)
    return program if found and Path(found).samefile(path) else shlex.quote(str(path))


@cache
def _prefix() -> str:
    if (ROOT / "tasks.py").is_file() and find_spec("invoke"):
        return "inv db."
    program = typed(PROGRAM)
    return f"{program} " if program else f"{shlex.quote(sys.executable)} -m {PACKAGE} "


def spelled(flag: str) -> str:
    """Return the flag of a parameter, such as `--from` for `from_` (Python does not allow the name `from`)."""
    return f"--{flag.strip('_').replace('_', '-')}"
