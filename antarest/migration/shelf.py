"""Scratch databases that are kept, in git's own folder: SQLite files at a revision, so that no revision runs twice.

A file is named after all that has made it: the revisions with their content, what runs them, and the versions of the
libraries. Where one of these changes, another file is looked for; what is not used any more goes after a while. Nothing
depends on them: without one, the revisions run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from antarest.migration.project import Project

_TABLES = ".tables"
_KEPT = 24  # files; one of 30 tables has 300 kB
_RUNS_THEM = ("operations", "rebuild", "segments", "walk")  # our modules that take part when a revision runs


class Shelf:
    """The scratch databases of a repository."""

    def __init__(self, project: Project) -> None:
        """Open the shelf of a project, which may not exist yet; outside of a repository there is none."""
        self._project = project
        self._folder = project.repository.folder / "antarest" / "scratch" if project.repository else None

    def take(self, revisions: Sequence[str], file: Path) -> int:
        """Copy the database that has run the most of these revisions.

        Args:
            revisions: in their order.
            file: where the copy goes.

        Returns:
            How many of them it has run; 0 where there is none, and no copy.
        """
        for number, place in reversed(list(enumerate(self._places(revisions), 1))):
            if place.is_file():
                try:
                    shutil.copyfile(place, file)
                    os.utime(place)  # It is used: the others go first.
                    with closing(sqlite3.connect(file)) as connection:
                        connection.execute(f'SELECT count(*) FROM "{self._project.version_table}"').fetchone()
                except (OSError, sqlite3.Error):  # Another process has just put it away, or it is damaged.
                    file.unlink(missing_ok=True)
                    place.unlink(missing_ok=True)
                else:
                    return number
        return 0

    def keep(self, revisions: Sequence[str], database: Path) -> None:
        """Keep a copy of a database that has run these revisions, and nobody is connected to."""
        if places := self._places(revisions):
            self._put(places[-1], lambda path: shutil.copyfile(database, path))

    def recall(self, revisions: Sequence[str]) -> list[str] | None:
        """The tables that were noted of these revisions; None where none were."""
        if places := self._places(revisions):
            with suppress(OSError, ValueError):
                return [str(each) for each in json.loads(places[-1].with_suffix(_TABLES).read_text(encoding="utf-8"))]
        return None

    def note(self, revisions: Sequence[str], tables: Sequence[str]) -> None:
        """Note every table that was there while these revisions ran."""
        if places := self._places(revisions):
            self._put(places[-1].with_suffix(_TABLES), lambda path: path.write_text(json.dumps(tables), "utf-8"))

    def _put(self, place: Path, write: Callable[[Path], object]) -> None:
        """Put a file in its place, whole or not at all; without a place for it there is none."""
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=".keeping-")
            os.close(handle)
            try:
                write(Path(name))
                Path(name).replace(place)
            finally:
                Path(name).unlink(missing_ok=True)
            files = [path for path in place.parent.iterdir() if path.suffix == place.suffix]
            for old in sorted(files, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
                old.unlink(missing_ok=True)

    def _places(self, revisions: Sequence[str]) -> list[Path]:
        """Where the database is that has run the first of the revisions, the first two, and so on."""
        if self._folder is None:
            return []
        found = hashlib.sha256(self._circumstances())
        places = []
        for id_ in revisions:
            found.update(f"\n{id_}\n".encode())
            found.update(self._project.history[id_].path.read_bytes())
            places.append(self._folder / f"{found.hexdigest()[:40]}.db")
        return places

    def _circumstances(self) -> bytes:
        """What makes a difference beside the revisions."""
        options = self._project.alembic_options()
        metadata = options.pop("target_metadata")
        convention = sorted(map(str, metadata.naming_convention.items())) if metadata is not None else []
        versions = [sqlite3.sqlite_version, *(version(name) for name in ("sqlalchemy", "alembic"))]
        own = [_source(f"antarest.migration.{name}") for name in _RUNS_THEM]
        return repr((sorted(options.items()), convention, versions, own)).encode()


def _source(module: str) -> str:
    """The hash of a module's file."""
    found = importlib.util.find_spec(module)
    origin = found.origin if found else None
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest() if origin else ""
