"""Reads files that may be missing, and writes files completely or not at all."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".writing-"
"""The prefix of a file that is not complete yet. A killed process leaves files with this prefix."""

_LEFT = re.compile(rf"{re.escape(UNFINISHED)}(?P<process>[0-9]+)-\w+")
_USUAL = 0o644


def content_of(path: Path) -> bytes:
    """Return the content of a file; empty if it cannot be read."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file completely or not at all: write under another name in the same folder, and rename the new file.

    A path that is not a file, such as a pipe or `/dev/stdout`, is written directly.

    Args:
        path: the file. The folder of the file is created if it is missing.
        content: the new content.
        mode: the permissions of the new file; None for the permissions of the old file.

    Raises:
        OSError: the file cannot be written. The old content has not changed.
    """
    path = Path(os.path.realpath(path))  # A link is not replaced, but the file that it names.
    path.parent.mkdir(parents=True, exist_ok=True)
    found = path.stat().st_mode if path.exists() else stat.S_IFREG | _USUAL
    if not stat.S_ISREG(found) and not path.is_dir():
        path.write_bytes(content)
        return
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_beginning())
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(stat.S_IMODE(found) if mode is None else mode)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for files that are not complete yet, and delete it after the block.

    Raises:
        OSError: the folder cannot be created.
    """
    with _naming(parent):
        made = tempfile.TemporaryDirectory(dir=parent, prefix=_beginning())
    with made as folder:
        yield Path(folder)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Replace the path in an `OSError` of the block by `path`, which the user knows."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def delete_left(folders: Iterable[Path]) -> list[Path]:
    """Delete the unfinished files and folders that killed processes have left in these folders.

    Returns:
        The files and folders that were deleted.
    """
    deleted = []
    for folder in dict.fromkeys(folders):
        for name in _names_in(folder):
            left = _LEFT.fullmatch(name)
            if left is None or _is_running(int(left["process"])):
                continue
            with suppress(OSError):  # It belongs to another user, or another process has deleted it.
                path = folder / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                deleted.append(path)
    return deleted


def _beginning() -> str:
    return f"{UNFINISHED}{os.getpid()}-"


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - far faster
    except OSError:
        return []


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
