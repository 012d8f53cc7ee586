"""Read files that may be missing, and write files completely or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".writing-"
"""The prefix of a file that is not complete yet. A killed process leaves files with this prefix."""


def content_of(path: Path) -> bytes:
    """Return the content of a file; empty where it cannot be read."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under another name in the same folder, then rename it.

    Args:
        path: the file. Its folder is created where it is missing.
        content: its new content.
        mode: its permissions.

    Raises:
        OSError: it cannot be written. The old file has not changed.
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
