"""Scratch databases that are kept, in git's own folder: SQLite files at a revision, so that no revision runs twice.

A file is named after all that has made it: the revisions with their content, what runs them, and the versions of the
libraries. Where one of these changes, another file is looked for; what is not used any more goes after a while. A
revision that imports anything else, or reads a file, is not run ahead: nobody knows when that has changed. Nothing
depends on these databases: without one, the revisions run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from antarest.core.whole_file import UNFINISHED, write_whole
from antarest.migration.project import Project

_TABLES = ".tables"
_KEPT = 24  # files; one of 30 tables has 300 kB
_LARGEST = 8_000_000  # bytes; more are rows, which nobody wants in there 24 times
_LEFT_BEHIND = 3600  # seconds; a file that is still being written then was left by a process that was killed
_IMPORTS = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([^#\n]+))", re.MULTILINE)
_STANDING = {b"alembic", b"sqlalchemy", b"typing", b"__future__", b"collections", b"datetime", b"decimal", b"enum"}
_STANDING |= {b"functools", b"itertools", b"json", b"re", b"textwrap", b"uuid"}
_READS = re.compile(rb"\bopen\(|__file__|\bread_(?:text|bytes)\b")
_RUNS_THEM = ("batches", "operations", "rebuild", "segments", "walk")  # our modules that take part when a revision runs


class Shelf:
    """Where a repository keeps what has run some revisions."""

    def __init__(self, project: Project, revisions: Sequence[str]) -> None:
        """Find the place of these revisions; outside of a repository there is none.

        Args:
            project: whose they are.
            revisions: in their order.
        """
        self._project = project
        self._revisions = revisions

    def take(self, file: Path) -> int:
        """Copy the database that has run the most of the revisions.

        Args:
            file: where the copy goes.

        Returns:
            How many of them it has run; 0 where there is none, and no copy.
        """
        for number, place in reversed(list(enumerate(self._places, 1))):
            try:
                if not place.is_file():
                    continue
                shutil.copyfile(place, file)
                with closing(sqlite3.connect(file)) as connection:
                    connection.execute(f'SELECT count(*) FROM "{self._project.version_table}"').fetchone()
            except OSError:  # Another process has just put it away, or it is not ours to read, or there is no space.
                file.unlink(missing_ok=True)
            except sqlite3.Error:  # It is damaged.
                file.unlink(missing_ok=True)
                with suppress(OSError):
                    place.unlink(missing_ok=True)
            else:
                with suppress(OSError):
                    os.utime(place)  # It is used: the others go first.
                return number
        return 0

    def keep(self, database: Path) -> None:
        """Keep a copy of a database that has run the revisions, and nobody is connected to."""
        if self._place and database.stat().st_size <= _LARGEST:
            _put(self._place, database.read_bytes())

    def recall(self) -> list[str] | None:
        """The tables that were noted of the revisions; None where none were."""
        if self._place:
            with suppress(OSError, ValueError):
                return [str(each) for each in json.loads(self._place.with_suffix(_TABLES).read_text(encoding="utf-8"))]
        return None

    def note(self, tables: Sequence[str]) -> None:
        """Note every table that was there while the revisions ran."""
        if self._place:
            _put(self._place.with_suffix(_TABLES), json.dumps(tables).encode())

    @property
    def _place(self) -> Path | None:
        """Where the database is that has run all of the revisions; None where it is not kept."""
        return self._places[-1] if self._places and len(self._places) == len(self._revisions) else None

    @cached_property
    def _places(self) -> list[Path]:
        """Where the database is that has run the first of the revisions, the first two, and so on while they stand."""
        repository = self._project.repository
        if repository is None:
            return []
        found = hashlib.sha256(self._circumstances())
        places = []
        for id_ in self._revisions:
            content = self._project.history[id_].path.read_bytes()
            if not _stands_alone(content):
                break
            found.update(f"\n{id_}\n".encode())
            found.update(content)
            places.append(repository.folder / "antarest" / "scratch" / f"{found.hexdigest()[:40]}.db")
        return places

    def _circumstances(self) -> bytes:
        """What makes a difference beside the revisions."""
        options = self._project.alembic_options()
        metadata = options.pop("target_metadata")
        convention = sorted(map(str, metadata.naming_convention.items())) if metadata is not None else []
        versions = [sqlite3.sqlite_version, *(version(name) for name in ("sqlalchemy", "alembic"))]
        own = [_source(f"antarest.migration.{name}") for name in _RUNS_THEM]
        return repr((sorted(options.items()), convention, versions, own)).encode()


def _put(place: Path, content: bytes) -> None:
    """Put a file on the shelf, and away what is too old; where nothing can be written, nothing is."""
    with suppress(OSError):
        write_whole(place, content)  # For all to read: another user of this clone may use it.
        files = sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        old = [path for path in files if path.suffix == place.suffix][:-_KEPT]
        unfinished = [path for path in files if path.name.startswith(UNFINISHED)]
        left = [path for path in unfinished if path.stat().st_mtime < time.time() - _LEFT_BEHIND]
        for path in (*old, *left):
            path.unlink(missing_ok=True)


def _stands_alone(content: bytes) -> bool:
    """Whether what a revision does follows from its file, as far as its imports and words tell."""
    names = [each for found in _IMPORTS.findall(content) for each in (found[0] or found[1]).split(b",")]
    modules = [name.split()[0].partition(b".")[0] for name in names if name.strip()]
    return _STANDING.issuperset(modules) and not _READS.search(content)


def _source(module: str) -> str:
    """The hash of a module's file."""
    found = importlib.util.find_spec(module)
    origin = found.origin if found else None
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest() if origin else ""
