"""Runs of revisions on the databases of a proof, without rows and with rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, NullPool

from ...database.driver_errors import NO_ROLE
from ...database.engines import create_db_engine
from ...errors.facts.run import ScratchRunFailed
from ...errors.loss import Loss
from ...errors.revision import Direction
from ...schema.inventory import Inventory
from ...schema.reflection import reflect
from ..clones import Clones
from ..findings import integrity
from ..findings.proof import ImpactMeter, Proof
from ..rows.hints import Hints
from ..rows.inserts import Memory
from ..rows.snapshots import RowSnapshot, snapshot
from ..start import make_start
from ..target import Target
from .steps import RevisionStep, calls_of_sqlalchemy_1

_NO_EXTENSION = re.compile(r"extension \"?([\w-]+)\"? is not available|extension control file .*?([\w-]+)\.control")
_NOT_THERE = re.compile(r"does not exist|has no default operator class")


def groups(pattern: re.Pattern[str], text: str) -> tuple[str | None, ...]:
    """Search a text for a pattern, and return the groups of the match; empty if the text does not match."""
    found = pattern.search(text)
    return found.groups() if found else ()


class Runs:
    """Runs the revisions of a project.

    Attributes:
        target: the project.
        clones: creates and copies the databases.
        hints: the values that the revisions expect.
        rows: the smallest number of rows that a table gets.
        exclude: the tables that belong to Alembic.
        beside: the ids of the revisions that write through a connection of their own. On SQLite, such a revision runs
            as with plain Alembic, because the open transaction of the proof would block the other connection.
        old: the ids of the revisions that run only with calls that SQLAlchemy 2 refuses. The proof allows these calls.
        failures: the reasons why upgrades have failed.
        lacking: the extensions and roles that revisions need and that the server of the proof does not have.
        searches: how often the proof has searched for an awkward value so far.
        writers: for each revision that writes rows while a constraint is deferred, the URL of a database with rows in
            which the revision has not run yet.
        preparation: the statements that `env.py` executes in a database before the revisions; empty if `env.py` is not
            run.
        refused: the connections to other databases that `env.py` tried to open.
        memory: the generated rows of earlier databases, to be inserted again into tables that get the same rows.
    """

    def __init__(self, target: Target, clones: Clones, rows: int) -> None:
        self.target = target
        self.clones = clones
        self.rows = rows
        self.hints = Hints.of(target.history[id_] for id_ in target.history.order)
        self.exclude = [target.project.version_table.name]
        self.beside: set[str] = set()
        self.old: set[str] = set()
        self.failures: set[str] = set()
        self.lacking: set[str] = set()
        self.searches = 0
        self.writers: dict[str, URL] = {}
        self.preparation: tuple[str, ...] = ()
        self.refused: tuple[str, ...] = ()
        self.memory: Memory = {}
        self._after: dict[URL, _Integrity] = {}  # by database, after the last run

    def why_not(self, reason: str) -> str:
        """Return a text about what the server lacks, if a revision failed because of this; otherwise an empty text.

        Such a failure is not a finding. If the server lacks an extension, revisions also fail for objects that the
        extension would create.
        """
        extension = next(filter(None, groups(_NO_EXTENSION, reason)), "")
        role = next(filter(None, groups(NO_ROLE, reason)), "")
        found = f"extension {extension}" if extension else f"role {role}" if role else ""
        self.lacking |= {found} - {""}
        if not found and _NOT_THERE.search(reason):
            found = min((each for each in self.lacking if each.startswith("extension ")), default="")
        return f"the PostgreSQL server of the proof has no {found}" if found else ""

    @contextmanager
    def connected(self, url: URL, revision: str = "") -> Iterator[Connection]:
        """Open a connection for a revision. For a revision in `beside`, the connection works as with plain Alembic."""
        with self.allowing(revision), self.clones.connected(url, as_alembic=revision in self.beside) as connection:
            yield connection

    def allowing(self, *revisions: str) -> AbstractContextManager[None]:
        """Inside the `with` block, allow the calls that SQLAlchemy 2 refuses, if a revision needs such calls."""
        return nullcontext() if self.old.isdisjoint(revisions) else calls_of_sqlalchemy_1()

    def connected_as_application(self, url: URL) -> AbstractContextManager[Connection]:
        """Open a connection as the application does. On SQLite, this connection enforces foreign keys."""
        if self.clones.engine == "sqlite":
            return create_db_engine(url, poolclass=NullPool).connect()
        return self.connected(url)

    def prepared(self) -> URL:
        """Create a database.

        If `env.py` is run, the statements that it executes before the revisions are executed in the new database.
        Otherwise the database is empty.
        """
        url = self.clones.new()
        if self.preparation:
            with self.connected(url) as connection:
                for each in self.preparation:
                    connection.exec_driver_sql(each)
                connection.commit()
        return url

    def new(self) -> URL:
        """Create a database in which the first revision can run, with the tables of `--start` if the flag is given."""
        url = self.prepared()
        if name := self.target.start.get(self.clones.engine, ""):
            with self.connected(url) as connection:
                make_start(connection, name)
        return url

    def schema(self, url: URL) -> Inventory:
        """Return the schema of a database."""
        with self.connected(url) as connection:
            return reflect(connection, exclude=self.exclude)

    def without_rows(self, url: URL, step: RevisionStep, proof: Proof | None = None) -> Inventory:
        """Run a revision, and return the schema after the revision.

        Args:
            url: the URL of the database.
            step: the revision and the direction.
            proof: receives findings about objects that a rebuild of a table loses.

        Raises:
            ScratchRunFailed: the revision failed.
        """
        step.hints = self.hints
        with self.connected(url, step.revision) as connection:
            step.run(connection, self.target)
            self.clones.set_again(connection)
            schema = reflect(connection, exclude=self.exclude)  # A new connection would read the catalogue again.
        if proof:
            known = {finding.found for finding in proof.findings}
            source = self.target.history[step.revision].path.read_text(encoding="utf-8")
            for each in step.missing:
                name = re.escape(each.item.rpartition(".")[2])
                if re.search(rf"\bDROP\s+CONSTRAINT\s+(IF\s+EXISTS\s+)?\W?{name}\b", source, re.IGNORECASE):
                    continue  # The loss is intended: on PostgreSQL, the revision drops the constraint.
                if (lost := f"{step.direction}: {each.what}") not in known:
                    proof.add("V506", lost, item=each.item.partition(":")[2])
        return schema

    def with_rows(
        self, url: URL, revision: str, direction: Direction, proof: Proof, losses: list[Loss] | None = None
    ) -> RowSnapshot:
        """Run a revision on a database with rows, and return the rows after the revision.

        Args:
            url: the URL of the database.
            revision: the id of the revision.
            direction: whether the upgrade or the downgrade runs.
            proof: receives the findings about keys and sequences, and the `Impact` of an upgrade.
            losses: receives the losses that the guard of a run measures, unless no run could watch the revision.

        Raises:
            ScratchRunFailed: the revision failed.
        """
        meter = ImpactMeter(self.target.project.version_table.name)
        with self.connected(url, revision) as connection:
            validated = integrity.validated_later(self.target.history, revision)
            before = self._after.pop(url, None) or _Integrity(connection, validated)
            meter.start(connection)
            watched = losses if self._measures(revision, direction) else None
            step = RevisionStep(revision, direction, meter.read, losses=watched)
            step.run(connection, self.target)
            self.clones.set_again(connection)
            if direction == "upgrade" and not proof.impact.seconds:  # the first upgrade only
                self._note_impact(proof, meter, step.seconds)
            self._after[url] = _Integrity(connection, validated)
            before.compare(self._after[url], direction, proof)
            connection.rollback()
            return snapshot(connection, exclude=self.exclude)

    def only_upgrade(self, url: URL, revisions: Sequence[str], *, as_alembic: bool = False) -> None:
        """Run the upgrades of some revisions one by one, without a proof.

        Args:
            url: the URL of the database.
            revisions: the ids of the revisions.
            as_alembic: whether to run all revisions as with plain Alembic, and not only those in `beside`.

        Raises:
            ScratchRunFailed: one of the revisions failed.
        """
        for is_beside, some in groupby(revisions, key=lambda each: as_alembic or each in self.beside):
            with self.allowing(*revisions), self.clones.connected(url, as_alembic=is_beside) as connection:
                for each in some:
                    RevisionStep(each, "upgrade").run(connection, self.target)
                    self.clones.set_again(connection)

    def at_once(self, url: URL, revisions: Sequence[str]) -> Inventory:
        """Run the upgrades of several revisions in one run of Alembic, and return the schema after this run.

        Raises:
            ScratchRunFailed: one of the revisions failed.
        """

        def steps(_context: MigrationContext) -> Iterator[Any]:
            yield from (self.target.runner.step(each, "upgrade") for each in revisions)

        with self.allowing(*revisions), self.connected(url) as connection:
            self.target.runner.run(connection, steps)
        return self.schema(url)

    def upgrade(self, url: URL, target: Target, heads: Sequence[str] = ("heads",)) -> str:
        """Run all revisions of a project, in the transactions that the revisions declare.

        Returns:
            The reason if a revision fails; else an empty text.
        """
        try:
            with (
                self.allowing(*self.old),
                self.clones.connected(url, as_alembic=bool(self.beside)) as connection,
            ):
                target.runner.upgrade(connection, heads)
        except ScratchRunFailed as failed:
            return failed.reason
        return ""

    def _measures(self, revision: str, direction: Direction) -> bool:
        """Return whether the guard watches a run as it would in use. Only a project that declares losses is watched."""
        is_inside = revision not in self.beside and self.target.history[revision].transaction != "none"
        return direction == "upgrade" and is_inside and self.target.declares

    def _note_impact(self, proof: Proof, meter: ImpactMeter, seconds: float) -> None:
        proof.impact = replace(meter.impact, seconds=seconds)
        limit = self.target.project.max_seconds
        if limit is not None and seconds > limit:
            took = f"{seconds:.2f} s, with {self.rows} rows a table"
            proof.add("V801", took, expected=f"at most {limit:g} s")


class _Integrity:
    """The faults of references and sequences in a database, before or after a run.

    The faults are rows that refer to missing rows, unchecked foreign keys, and sequences whose next number is in use.
    """

    def __init__(self, connection: Connection, validated: Collection[str]) -> None:
        self._violations: Counter[tuple[str, str]] = integrity.violations(connection)
        self._unchecked = integrity.unchecked(connection, validated)
        self._late = integrity.late_sequences(connection)

    def compare(self, now: _Integrity, direction: Direction, proof: Proof) -> None:
        """Add a finding for each fault that is only in `now`, the faults of the same database at a later time."""
        worse = sorted(now._violations - self._violations)
        for table, to in worse:
            proof.add("V505", f"{direction}: rows of {table} refer to no row of {to}", item=table, table=table)
        proof.add("V505", *(f"{direction}: {what}" for what in sorted(now._unchecked - self._unchecked)))
        late = now._late.items()
        proof.add("V508", *(f"{direction}: {what}" for name, what in late if name not in self._late))
