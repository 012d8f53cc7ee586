"""Scratch databases that are kept, in git's own folder: SQLite files at a revision, so that no revision runs twice.

A file is named after all that has made it (see `antarest.migration.scratch.fingerprint`): where any of that changes,
another one is looked for, and what is not used any more goes after a while. Nothing depends on these databases: without
one, the revisions run.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path

from ..errors.settings.whole_file import UNFINISHED, write_whole
from ..project.project import Project
from .fingerprint import fingerprints

_TABLES = ".tables"
_KEPT = 24  # files; one of 30 tables has 300 kB
_LARGEST = 8_000_000  # bytes; more are rows, which nobody wants in there 24 times
_LEFT_BEHIND = 3600  # seconds; a file that is still being written then was left by a process that was killed


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
        names = fingerprints(self._project.history, self._revisions, self._project.alembic_options())
        return [repository.folder / "antarest" / "scratch" / f"{name[:40]}.db" for name in names]


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
