"""Finds the files that a revision imports or opens, and the folders that it lists, outside of installed packages."""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Self

_PACKAGE = str(Path(__file__).parents[2])
_STANDARD = (sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib"))
_INSTALLED = (*_STANDARD, *site.getsitepackages(), site.getusersitepackages())
_IGNORED = tuple(f"{os.path.realpath(each)}{os.sep}" for each in (*_INSTALLED, _PACKAGE, "/proc", "/dev", "/sys"))
_IMPORT_SYSTEM = "<frozen importlib"


class FileWatch:
    """Records which other files and folders each file of the project imports, opens or lists.

    An audit hook of Python reports each opened file. Imports are recorded separately, because Python does not open the
    file of a module again if the module was imported before.
    """

    def __init__(self) -> None:
        self._used: dict[str, set[str]] = {}

    @classmethod
    def started(cls) -> Self:
        """Start to watch this process. The watch ends with the process, because Python cannot remove an audit hook."""
        watch = cls()
        sys.addaudithook(watch._hear)
        builtins.__import__ = watch._importing(builtins.__import__)
        return watch

    def used_by(self, *files: str) -> set[str]:
        """Return `files`, and all files and folders that these files use, directly or through other files."""
        found, left = set[str](), [os.path.realpath(each) for each in files]
        while left:
            file = left.pop()
            if file not in found:
                found.add(file)
                left += self._used.get(file, ())
        return found

    @property
    def all(self) -> set[str]:
        """All files and folders that any file of the project uses."""
        return {*self._used, *(each for used in self._used.values() for each in used)}

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in {"open", "os.listdir", "os.scandir"} or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_CREAT):
            return
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to find the code that opens the file
        if event != "open" and frame and frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
            return  # An import looks into each folder of the search path.
        file = _source(os.path.realpath(os.fsdecode(arguments[0])))
        while frame and not _is_of_project(frame.f_code.co_filename):
            frame = frame.f_back
        if frame and not file.startswith(_IGNORED):
            self._note(frame.f_code.co_filename, file)

    def _importing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def importing(
            name: str,
            globals: Mapping[str, Any] | None = None,  # noqa: A002 - as Python calls it
            locals: Mapping[str, Any] | None = None,  # noqa: A002
            fromlist: Collection[str] | None = (),
            level: int = 0,
        ) -> Any:
            module = real(name, globals, locals, fromlist, level)
            importer = (globals or {}).get("__file__")
            if isinstance(importer, str) and _is_of_project(importer):
                full = name
                with suppress(ImportError, TypeError):
                    full = importlib.util.resolve_name("." * level + name, (globals or {}).get("__package__"))
                parts = full.split(".")
                names = [".".join(parts[:number]) for number in range(1, len(parts) + 1)]
                for each in (*names, *(f"{full}.{item}" for item in fromlist or ())):
                    file = getattr(sys.modules.get(each), "__file__", None)
                    if isinstance(file, str) and _is_of_project(file):
                        self._note(importer, os.path.realpath(file))
            return module

        return importing

    def _note(self, user: str, file: str) -> None:
        self._used.setdefault(os.path.realpath(user), set()).add(file)


@cache
def _is_of_project(file: str) -> bool:
    return not file.startswith("<") and not os.path.realpath(file).startswith(_IGNORED)


def _source(file: str) -> str:
    """Return the source file of a compiled module. Return any other file unchanged."""
    if file.endswith(".pyc"):
        with suppress(ValueError):
            return importlib.util.source_from_cache(file)
    return file


def digest_of(file: str) -> str:
    """Return a hash of the content of a file, or of the names in a folder; empty if there is no such file or folder."""
    try:
        if os.path.isdir(file):  # noqa: PTH112 - paths are texts here
            names = sorted(each for each in os.listdir(file) if each != "__pycache__")  # noqa: PTH208
            return hashlib.sha256("\0".join(names).encode()).hexdigest()
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
