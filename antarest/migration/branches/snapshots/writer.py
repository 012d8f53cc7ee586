"""Makes the snapshot of a project on one engine, and proves it.

Two scratch databases run the revisions. If the two databases differ, or contain the date of the run, the revisions do
not always have the same effect, and no snapshot is written. Before the new file is written, a third database loads the
new content. It must be equal to the other two databases.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import product

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...database.connection import read_current
from ...database.record import type_of_ids
from ...errors.facts.project import SnapshotUnfit
from ...errors.facts.run import ScratchRunFailed
from ...errors.revision import VersionTable
from ...errors.settings.urls import ENGINES
from ...errors.text import reason, shorten
from ...project.project import Project
from ...project.revision_files import digest_of
from ...scratch.runner import ScratchRunner
from ...snapshot.facts import read_facts, unequal
from ...snapshot.file import TYPE_OF_IDS, Doubt, Snapshot, with_lf
from ...snapshot.loading import Candidate, find, naming_of
from ...snapshot.outside import reached, reads_clock
from .grounds import Ground

Facts = Mapping[str, object]

_ZONES: tuple[tzinfo | None, ...] = (UTC, None)
_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y, %-m, %-d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y")
_LONG_NUMBER = re.compile(r"\b\d{10,19}\b")
_ELSEWHERE = "in a second database, which has another time zone and order of dates"
_DAY = 24 * 3600  # seconds
_TICK = 1.1  # seconds; on SQLite, the clock of SQL shows whole seconds


@dataclass(frozen=True)
class SnapshotWriter:
    """Makes a snapshot, from the old snapshot and the revisions after it, or from all revisions.

    Attributes:
        project: the project.
        ground: creates the scratch databases.
        old: the old snapshot; None if there is no old snapshot, or if it cannot be used.
        runner: runs each revision in a transaction of its own, because a single transaction may need too many locks.
    """

    project: Project
    ground: Ground
    old: Candidate | None
    runner: ScratchRunner

    @classmethod
    def of(cls, project: Project, ground: Ground) -> SnapshotWriter:
        """Prepare to write the snapshot of a project, with the old snapshot if it can be used."""
        runner = replace(ScratchRunner.of(project), commits_each=True)
        try:
            return cls(project, ground, find(project, ground.engine, project.history.heads), runner)
        except Doubt:
            return cls(project, ground, None, runner)

    def make(self) -> Snapshot:
        """Make the snapshot, and prove it.

        Raises:
            SnapshotUnfit: the effect of the revisions is not always the same, or the snapshot has a different effect.
            ScratchRunFailed: a revision fails.
        """
        self._refuse_outside()
        days = _days()
        with self._database(self.old) as one:
            before = self._facts(one)
            self._run(one)
            facts = self._facts(one)
            new = unequal(before, facts)
            days |= _days()
            if dated := [name for name in new if _names(days, facts.get(name))]:
                raise self._dated(dated, days)
            if any(name.startswith("the rows") for name in new):
                time.sleep(_TICK)  # Otherwise both runs may store the same time.
            home = self._run_again(facts)
            self._refuse_clock(before, new)
            snapshot = self._snapshot(one, home)
        self._prove(snapshot, facts)
        return snapshot

    def prove_here(self) -> Snapshot:
        """Prove the old snapshot on the server of `ground`. Return the snapshot with the version of this server.

        Raises:
            SnapshotUnfit: on this server, the snapshot does not have the effect of the revisions.
            ScratchRunFailed: a revision fails.
        """
        assert self.old  # noqa: S101 - the caller has looked
        snapshot = self.old.snapshot
        with self._database(None) as replayed:
            self._run(replayed)
            version, facts = self.ground.version(replayed), self._facts(replayed)
        self._prove(snapshot, facts, by_statements=False)
        return replace(snapshot, proved=tuple(sorted({*snapshot.proved, version}, key=int)))

    def _refuse_outside(self) -> None:
        history, known = self.project.history, self.old.contents if self.old else {}
        for id_ in history.order:
            if id_ not in known and (named := reached(history[id_].path.read_bytes())):
                raise SnapshotUnfit(f"revision {id_} depends on more than its file: {named}")
        try:
            naming_of(self.runner.options)
        except Doubt as doubt:
            raise SnapshotUnfit(str(doubt)) from None

    def _refuse_clock(self, before: Facts, new: Sequence[str]) -> None:
        """Refuse a revision that reads the clock and writes rows, because the rows may contain a part of the date.

        Args:
            before: the result of `read_facts` before the new revisions.
            new: the keys for which `read_facts` returns a different value after the new revisions.
        """
        history, known = self.project.history, self.old.contents if self.old else {}
        rows = [name for name in new if name.startswith("the rows")]
        readers = {id_ for id_ in history.order if id_ not in known and reads_clock(history[id_].path.read_bytes())}
        for id_, facts in self._trace(rows) if rows and readers else ():
            written = [name for name in rows if facts[name] and facts[name] != before.get(name)]
            if id_ in readers and written:
                raise SnapshotUnfit(f"revision {id_} reads the clock, and writes {shorten(written)}")
            before = facts

    def _run_again(self, facts: Facts) -> str:
        """Run the revisions in a second database, and compare this database with the first database.

        Returns:
            The schema whose name the revisions contain; empty if the revisions follow the search path.

        Raises:
            SnapshotUnfit: the two databases differ.
        """
        homes = self.ground.homes[-1:] if self.old and self.old.snapshot.home else self.ground.homes
        for home in homes:
            is_last = home == homes[-1]
            with self._database(self.old, home) as other:
                try:
                    self._run(other)
                except ScratchRunFailed as error:
                    if is_last:
                        raise SnapshotUnfit(f"revision {error.revision} fails {_ELSEWHERE}: {error.reason}") from error
                    continue
                different = unequal(facts, self._facts(other))
            if not different:
                return home if is_last and len(self.ground.homes) > 1 else ""
            if is_last:
                raise self._differ(different)
        raise AssertionError

    @contextmanager
    def _database(self, start: Candidate | None, home: str = "") -> Iterator[Connection]:
        with self.ground.database(home) as connection:
            if start:
                try:
                    with connection.begin():
                        start.load(MigrationContext.configure(connection, opts=dict(self.runner.options)))
                except DBAPIError as error:  # The server may lack an extension.
                    last = [*start.snapshot.revisions][-1]
                    raise ScratchRunFailed(last, "upgrade", reason(error), ENGINES[self.ground.engine]) from error
            yield connection

    def _run(self, connection: Connection, after_step: Callable[[str], object] = lambda _id: None) -> None:
        self.runner.upgrade(connection, self.project.history.heads, after_step)

    def _facts(self, connection: Connection) -> Facts:
        return read_facts(connection, self.project.workflow_tables)

    def _statements(self, connection: Connection) -> tuple[str, ...]:
        return self.ground.statements(connection, self.project.workflow_tables)

    def _snapshot(self, connection: Connection, home: str) -> Snapshot:
        history, found = self.project.history, self._statements(connection)
        proved: tuple[str, ...] = (self.ground.version(connection),)
        if self.old and found == self.old.snapshot.statements:
            proved = self.old.snapshot.proved  # The new revisions changed no statement.
        table: str = self.runner.options["version_table"]
        current = read_current(connection, VersionTable(table))
        ids = type_of_ids(connection, connection.dialect.identifier_preparer.quote(table))
        ids = "" if ids == TYPE_OF_IDS else ids
        connection.rollback()
        digests = {id_: digest_of(with_lf(history[id_].path.read_bytes())) for id_ in history.order}
        naming = naming_of(self.runner.options)
        return Snapshot(self.ground.engine, proved, home, current, naming, ids, digests, found)

    def _prove(self, snapshot: Snapshot, facts: Facts, *, by_statements: bool = True) -> None:
        """Load the snapshot into a scratch database, and compare this database with `facts`.

        Args:
            snapshot: the snapshot to load.
            facts: the result of `read_facts` for a database that has run the revisions.
            by_statements: whether a new snapshot of the scratch database must have the statements of this snapshot.

        Raises:
            SnapshotUnfit: the statements of the snapshot fail, or do not have the result of the revisions.
        """
        read = Snapshot.parse(snapshot.render())
        different, is_same = set[str](), True
        others = () if snapshot.home else self.ground.homes[:-1]
        try:
            for home in (*others, ""):
                with self._database(Candidate(read, "", {}), home) as loaded:
                    different.update(unequal(facts, self._facts(loaded)))
                    if by_statements and not home:
                        is_same = self._statements(loaded) == snapshot.statements
        except ScratchRunFailed as error:
            raise SnapshotUnfit(f"its statements do not run: {error.reason}") from error
        if read != snapshot or different or not is_same:
            raise SnapshotUnfit(f"statements cannot make {shorten(sorted(different) or ['the file'])} again")

    def _differ(self, names: Sequence[str]) -> SnapshotUnfit:
        """Return the error for two runs with different results. It names the first revision with a difference."""
        for (id_, one), (_, other) in zip(self._trace(names), self._trace(names, self.ground.homes[-1]), strict=True):
            if different := unequal(one, other):
                return SnapshotUnfit(f"two runs of revision {id_} differ: {shorten(different)}")
        return SnapshotUnfit(f"two runs of the revisions differ: {shorten(names)}")

    def _dated(self, names: Sequence[str], days: set[str]) -> SnapshotUnfit:
        """Return the error for a database with the date of the run. It names the revision that writes this date."""
        for id_, facts in self._trace(names):
            if dated := [name for name, fact in facts.items() if _names(days, fact)]:
                return SnapshotUnfit(f"revision {id_} puts the date of today into {shorten(dated)}")
        return SnapshotUnfit(f"the date of today is in {shorten(names)}")

    def _trace(self, names: Sequence[str], home: str = "") -> list[tuple[str, Facts]]:
        """Run the revisions in a new database, and return some values of `read_facts` after each revision."""
        found: list[tuple[str, Facts]] = []
        with self._database(self.old, home) as connection:

            def note(id_: str) -> None:
                facts = self._facts(connection)
                found.append((id_, {name: facts.get(name) for name in names}))

            self._run(connection, note)
        return found


def _days() -> set[str]:
    """Return the present date in the usual formats, both in the local time zone and in UTC."""
    return {datetime.now(zone).strftime(form) for zone, form in product(_ZONES, _DATES)}


def _names(days: set[str], fact: object) -> bool:
    """Return whether a value, such as the rows of a table, contains one of the dates `days`, or a Unix time near now.

    A Unix time can be in s, ms, µs or ns. It is near now if it differs from the present time by less than a day.
    """
    text, now = repr(fact), time.time()
    units = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
    numbers = ((int(each), units.get(len(each))) for each in _LONG_NUMBER.findall(text))
    return any(day in text for day in days) or any(unit and abs(each / unit - now) < _DAY for each, unit in numbers)
