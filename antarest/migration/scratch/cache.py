"""A cache of scratch SQLite databases in the folder `.git`, so that revisions need not run again.

The name of a cached file is computed from everything that the database depends on: see
`antarest.migration.scratch.fingerprint`. If any of this changes, the name changes too. Files that have not been used
for some time are deleted. If no cached file can be used, the revisions run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors.settings.whole_file import UNFINISHED, write_whole
from ..project.project import Project
from .fingerprint import fingerprints

_FACTS = ".facts"
_KEPT = 24  # files; a database of 30 tables has 300 kB
_LARGEST = 8_000_000  # bytes; a larger database holds many rows, and 24 copies of it would take too much space
_LEFT_BEHIND = 3600  # seconds; an unfinished file of this age belongs to a process that was killed


class ScratchCache:
    """The cached databases of a list of revisions. Each database has run the revisions up to some place in the list."""

    def __init__(self, project: Project, revisions: Sequence[str], also: Sequence[str] = ()) -> None:
        """Find the cached files of these revisions. A project outside of a git repository has no cache.

        Args:
            project: the project of the revisions.
            revisions: the ids of the revisions, in the order of the history.
            also: further modules of `antarest.migration` on which the stored result depends, such as `losses/guard`.
        """
        self._project = project
        self._revisions = revisions
        self._also = also

    def copy_to(self, file: Path) -> int:
        """Copy the cached database that has run the largest number of the revisions.

        Args:
            file: the path of the copy.

        Returns:
            The number of revisions that the copy has run; 0 if there is no database, and therefore no copy.
        """
        for number, cached in reversed(list(enumerate(self._files, 1))):
            try:
                if not cached.is_file():
                    continue
                shutil.copyfile(cached, file)
                with closing(sqlite3.connect(file)) as connection:
                    connection.execute(f'SELECT count(*) FROM "{self._project.version_table.name}"').fetchone()
            except OSError:  # The file was just deleted, or cannot be read; or the disk is full.
                file.unlink(missing_ok=True)
            except sqlite3.Error:  # The cached file is damaged.
                file.unlink(missing_ok=True)
                with suppress(OSError):
                    cached.unlink(missing_ok=True)
            else:
                with suppress(OSError):
                    os.utime(cached)  # The file that was not used for the longest time is deleted first.
                return number
        return 0

    def store(self, database: Path) -> None:
        """Store a copy of a database that has run all of the revisions. The database must have no connections."""
        if self._file and database.stat().st_size <= _LARGEST:
            _write(self._file, database.read_bytes())

    def facts(self, key: str) -> Any:
        """Return the data that `store_facts` has stored for the revisions under this key; None if there is none."""
        if file := self._facts_file(key):
            with suppress(OSError, ValueError):
                return json.loads(file.read_text(encoding="utf-8"))
        return None

    def store_facts(self, key: str, facts: Any) -> None:
        """Store data that a run of the revisions has produced.

        `key` must contain everything on which the data depends besides the revisions, such as the engine.
        """
        if file := self._facts_file(key):
            _write(file, json.dumps(facts).encode())

    def _facts_file(self, key: str) -> Path | None:
        name = hashlib.sha256(f"{self._file} {key}".encode()).hexdigest()[:40]
        return self._file.with_name(f"{name}{_FACTS}") if self._file else None

    @property
    def _file(self) -> Path | None:
        """The file for the database that has run all of the revisions; None if the cache cannot store this database."""
        return self._files[-1] if self._files and len(self._files) == len(self._revisions) else None

    @cached_property
    def _files(self) -> list[Path]:
        """The files for the databases that have run the first revision, the first two revisions, and so on.

        The list ends before the first revision for which no name can be computed.
        """
        repository = self._project.repository
        if repository is None:
            return []
        names = fingerprints(self._project.history, self._revisions, self._project.scratch_options(), self._also)
        return [repository.folder / "antarest" / "scratch" / f"{name[:40]}.db" for name in names]


def _write(path: Path, content: bytes) -> None:
    """Write a file of the cache, and delete files that are too old. Do nothing if the folder is read-only."""
    with suppress(OSError):
        write_whole(path, content)  # Other users can read it, because they may use the same clone.
        files = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime)
        old = [each for each in files if each.suffix == path.suffix][:-_KEPT]
        unfinished = [each for each in files if each.name.startswith(UNFINISHED)]
        left = [each for each in unfinished if each.stat().st_mtime < time.time() - _LEFT_BEHIND]
        for each in (*old, *left):
            each.unlink(missing_ok=True)
