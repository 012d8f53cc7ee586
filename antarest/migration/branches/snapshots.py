"""Writes the snapshots of a project, and finds those that are out of date.

Two scratch databases run the revisions. If the two differ, or contain the date of the run, the revisions do not always
have the same effect, and no snapshot is written. Before the new file is written, a third database loads its content,
and must be equal to the other two.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import product
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.connection import moving, read_current
from ..errors.facts.project import SnapshotUnfit
from ..errors.revision import VersionTable
from ..errors.settings.whole_file import write_whole
from ..errors.text import reason, shorten
from ..project.project import Project
from ..project.revision_files import digest_of
from ..scratch.databases import EngineName, scratch_database
from ..scratch.runner import ScratchRunner
from ..snapshot.facts import read_facts, statements, unequal
from ..snapshot.file import Doubt, Snapshot, path_of
from ..snapshot.loading import Candidate, find, naming_of
from ..snapshot.outside import reached

Facts = Mapping[str, object]

ENGINES: tuple[EngineName, ...] = ("sqlite",)
_ZONES: tuple[tzinfo | None, ...] = (UTC, None)
_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y, %-m, %-d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y")
_LONG_NUMBER = re.compile(r"\b\d{10,19}\b")
_DAY = 24 * 3600  # seconds
_TICK = 1.1  # seconds; the clock of SQL on SQLite shows whole ones


def write(project: Project, engines: Sequence[EngineName] = ENGINES) -> list[Path]:
    """Write the snapshot of each of these engines. A file that is up to date is not changed.

    Returns:
        The files that were written.

    Raises:
        InstalledCopy: the project is an installed copy.
        SnapshotUnfit: the revisions cannot have a snapshot.
        ScratchRunFailed: a revision fails.
    """
    project.refuse_installed()
    written = []
    for engine in engines:
        path = path_of(project, engine)
        if any(path == each for each, _ in stale(project)) or not path.is_file():
            write_whole(path, _SnapshotWriter.of(project, engine).make().render())
            written.append(path)
    return written


def kept(project: Project) -> list[EngineName]:
    """Return the engines for which the project has a snapshot."""
    return [engine for engine in ENGINES if path_of(project, engine).is_file()]


def stale(project: Project) -> Iterator[tuple[Path, str]]:
    """Yield the files of the snapshots that are out of date, each with the reason."""
    for engine in kept(project):
        path = path_of(project, engine)
        try:
            candidate = find(project, engine, project.history.heads)
        except Doubt as doubt:
            yield path, str(doubt)
        else:
            known = candidate.contents if candidate else {}
            if missing := [id_ for id_ in project.history.order if id_ not in known]:
                yield path, f"it lacks revision {missing[0]}"


@dataclass(frozen=True)
class _SnapshotWriter:
    """Makes a snapshot, from the old one and the revisions after it, or from all revisions.

    Attributes:
        project: the project.
        engine: the engine.
        old: the old snapshot; None if there is none, or if it cannot be used.
        runner: runs each revision in a transaction of its own, because a single transaction may need too many locks.
    """

    project: Project
    engine: EngineName
    old: Candidate | None
    runner: ScratchRunner

    @classmethod
    def of(cls, project: Project, engine: EngineName) -> _SnapshotWriter:
        try:
            old = find(project, engine, project.history.heads)
        except Doubt:
            old = None
        return cls(project, engine, old, replace(ScratchRunner.of(project), commits_each=True))

    def make(self) -> Snapshot:
        """Make the snapshot, and prove it.

        Raises:
            SnapshotUnfit: the revisions do not always have the same effect, or the snapshot has another effect.
        """
        history, known = self.project.history, self.old.contents if self.old else {}
        new = [id_ for id_ in history.order if id_ not in known]
        for id_ in new:
            if named := reached(history[id_].path.read_bytes()):
                raise SnapshotUnfit(f"revision {id_} depends on more than its file: {named}")
        days = _days()
        with self._database(self.old) as one, self._database(self.old) as other:
            before = self._facts(one)
            self._run(one)
            facts = self._facts(one)
            if any(name.startswith("the rows") for name in unequal(before, facts)):
                time.sleep(_TICK)  # Else both may get the same time.
            self._run(other)
            if different := unequal(facts, self._facts(other)):
                raise self._differ(different)
            days |= _days()
            if dated := [name for name in unequal(before, facts) if _names(days, facts.get(name))]:
                raise self._dated(dated, days)
            snapshot = self._snapshot(one)
        self._prove(snapshot, facts)
        return snapshot

    @contextmanager
    def _database(self, start: Candidate | None) -> Iterator[Connection]:
        with scratch_database(self.engine) as url, moving(url) as connection:
            if start:
                with connection.begin():
                    start.load(MigrationContext.configure(connection, opts=dict(self.runner.options)))
            yield connection

    def _run(self, connection: Connection, after_step: Callable[[str], object] = lambda _id: None) -> None:
        self.runner.upgrade(connection, self.project.history.heads, after_step)

    def _facts(self, connection: Connection) -> Facts:
        return read_facts(connection, self.project.workflow_tables)

    def _snapshot(self, connection: Connection) -> Snapshot:
        history, found = self.project.history, statements(connection, self.project.workflow_tables)
        version = sqlite3.sqlite_version
        if self.old and found == self.old.snapshot.statements:
            version = self.old.snapshot.proved[0]
        current = read_current(connection, VersionTable(self.runner.options["version_table"]))
        connection.rollback()
        digests = {id_: digest_of(history[id_].path.read_bytes()) for id_ in history.order}
        return Snapshot(self.engine, (version,), current, naming_of(self.runner.options), digests, found)

    def _prove(self, snapshot: Snapshot, facts: Facts) -> None:
        """Load the snapshot into a scratch database, and compare the result with the facts.

        Raises:
            SnapshotUnfit: the statements of the snapshot fail, or have another result than the revisions.
        """
        read = Snapshot.parse(snapshot.render())
        try:
            with self._database(Candidate(read, "", {})) as loaded:
                different = unequal(facts, self._facts(loaded))
        except DBAPIError as error:
            raise SnapshotUnfit(f"its statements do not run: {reason(error)}") from error
        if read != snapshot or different:
            raise SnapshotUnfit(f"statements cannot make {shorten(different or ['the file'])} again")

    def _differ(self, names: Sequence[str]) -> SnapshotUnfit:
        """Return the error for facts that differ between two runs. It names the revision."""
        for (id_, one), (_, other) in zip(self._trace(names), self._trace(names), strict=True):
            if different := unequal(one, other):
                return SnapshotUnfit(f"two runs of revision {id_} differ: {shorten(different)}")
        return SnapshotUnfit(f"two runs of the revisions differ: {shorten(names)}")

    def _dated(self, names: Sequence[str], days: set[str]) -> SnapshotUnfit:
        """Return the error for facts that contain the date of the run. It names the revision."""
        for id_, facts in self._trace(names):
            if dated := [name for name, fact in facts.items() if _names(days, fact)]:
                return SnapshotUnfit(f"revision {id_} puts the date of today into {shorten(dated)}")
        return SnapshotUnfit(f"the date of today is in {shorten(names)}")

    def _trace(self, names: Sequence[str]) -> list[tuple[str, Facts]]:
        """Run the revisions, and return these facts after each revision."""
        found: list[tuple[str, Facts]] = []
        with self._database(self.old) as connection:

            def note(id_: str) -> None:
                facts = self._facts(connection)
                found.append((id_, {name: facts.get(name) for name in names}))

            self._run(connection, note)
        return found


def _days() -> set[str]:
    """Return the present date, here and in UTC, in the usual formats."""
    return {datetime.now(zone).strftime(form) for zone, form in product(_ZONES, _DATES)}


def _names(days: set[str], fact: object) -> bool:
    """Return whether a fact contains one of these dates, or a Unix time near now, in s, ms, µs or ns."""
    text, now = repr(fact), time.time()
    units = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
    numbers = ((int(each), units.get(len(each))) for each in _LONG_NUMBER.findall(text))
    return any(day in text for day in days) or any(unit and abs(each / unit - now) < _DAY for each, unit in numbers)
