"""Files that are there whole or not at all, also when a process is killed while it writes one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

UNFINISHED = ".writing-"
"""What the name of a file begins with until it is whole; one that a killed process has left keeps it."""


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under another name beside it, and put it in its place.

    Args:
        path: the file; its folder is made where it is missing.
        content: what it has then.
        mode: its rights.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
