"""What a database follows from that has run some revisions, as a name: where any of it changes, so does the name."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from antarest.migration.history import History

_IMPORTS = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([^#\n]+))", re.MULTILINE)
_STANDING = {b"alembic", b"sqlalchemy", b"typing", b"__future__", b"collections", b"datetime", b"decimal", b"enum"}
_STANDING |= {b"functools", b"itertools", b"json", b"re", b"textwrap", b"uuid"}
_READS = re.compile(rb"\bopen\(|__file__|\bread_(?:text|bytes)\b")
_RUNS_THEM = ("batches", "operations", "rebuild", "segments", "walk")  # our modules that take part when a revision runs


def fingerprints(
    history: History, revisions: Sequence[str], options: Mapping[str, Any], also: Sequence[str] = ()
) -> list[str]:
    """Name the databases that have run the first of some revisions, the first two, and so on.

    They follow from the revisions with their content, what Alembic is told, our modules that run them, and the versions
    of the libraries. A revision that imports anything else, or reads a file, ends the list: nobody knows when that has
    changed.

    Args:
        history: whose revisions they are.
        revisions: in their order.
        options: what Alembic is told.
        also: more of our modules that take part, as patterns of paths below this folder.

    Returns:
        A name of 64 characters for each revision, up to the first that does not stand alone.
    """
    found = hashlib.sha256(_circumstances(options, also))
    names = []
    for id_ in revisions:
        content = history[id_].path.read_bytes()
        if not stands_alone(content):
            break
        found.update(f"\n{id_}\n".encode())
        found.update(content)
        names.append(found.hexdigest())
    return names


def stands_alone(content: bytes) -> bool:
    """Whether what a Python file does follows from it alone, as far as its imports and words tell."""
    names = [each for found in _IMPORTS.findall(content) for each in (found[0] or found[1]).split(b",")]
    modules = [name.split()[0].partition(b".")[0] for name in names if name.strip()]
    return _STANDING.issuperset(modules) and not _READS.search(content)


def _circumstances(options: Mapping[str, Any], also: Sequence[str]) -> bytes:
    """What makes a difference beside the revisions."""
    told = {name: value for name, value in options.items() if name != "target_metadata"}
    metadata = options["target_metadata"]
    convention = sorted(map(str, metadata.naming_convention.items())) if metadata is not None else []
    versions = [sqlite3.sqlite_version, *(version(name) for name in ("sqlalchemy", "alembic"))]
    here = Path(__file__).parent
    modules = [path for name in (*_RUNS_THEM, *also) for path in sorted(here.glob(f"{name}.py"))]
    own = [hashlib.sha256(path.read_bytes()).hexdigest() for path in modules]
    return repr((sorted(told.items()), convention, versions, own)).encode()
