"""The proof on one engine: each revision runs up, down and up again, on tables without and with rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import URL

from ..errors.facts.run import ScratchRunFailed
from ..errors.revision import Direction, Revision
from ..errors.settings.urls import redact_url
from ..schema.compare import differences
from ..schema.inventory import Inventory
from ..schema.reflection import reflect
from ..scratch.databases import EngineName
from .clones import Clones
from .findings import integrity, models, row_changes
from .findings.behaviour import behaviour, momentary
from .findings.proof import ImpactMeter, Proof
from .rows.draw import NoValidRow
from .rows.filler import fill
from .rows.snapshots import RowSnapshot, samples, snapshot
from .steps import run_step
from .target import Target

_LONGEST_NAME = 63  # bytes; https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_NO_WAY_BACK = ("V401", "V403", "V404")  # After these findings, a second upgrade starts from another schema.


@dataclass(frozen=True)
class ProofPlan:
    """Everything that a proof on an engine needs to know.

    Attributes:
        target: the project.
        wanted: the ids of the revisions to prove.
        rows: the least number of rows that a table gets.
        is_whole: whether the history as a whole is proved too.
        since: the project with earlier versions of its revisions, which other databases ran. Empty if none differ.
        keep: whether to keep the databases from before and after each revision that has a finding.
    """

    target: Target
    wanted: frozenset[str]
    rows: int
    is_whole: bool
    since: tuple[Target, ...] = ()
    keep: bool = False

    def for_another_process(self, engine: EngineName) -> ProofPlan:
        """Return the same plan for an engine, without the modules that this process has imported."""
        since = tuple(replace(each, engine=engine) for each in self.since)
        return replace(self, target=replace(self.target, engine=engine), since=since)


class Prover:
    """Runs the revisions of a history upwards, and proves those that are wanted."""

    def __init__(self, plan: ProofPlan, clones: Clones) -> None:
        self._plan = plan
        self._target = plan.target
        self._clones = clones
        self._exclude = [plan.target.project.version_table.name]
        self._bare = clones.new()  # the database at the revision before, without rows
        self._schema = self._reflect(self._bare)
        self._filled: URL | None = None  # the same with rows; None until it is needed
        self._content: RowSnapshot = RowSnapshot({})
        self._applied: list[str] = []
        self._blocked: set[str] = set()

    def prove(self) -> Iterator[Proof]:
        """Prove each wanted revision in the order of the history, and then the history as a whole."""
        history, wanted = self._target.history, self._plan.wanted
        last = max((history.order.index(id_) for id_ in wanted), default=-1)
        for id_ in history.order if self._plan.is_whole else history.order[: last + 1]:
            proof = Proof(id_, self._clones.engine)
            below = self._blocked.intersection(history[id_].predecessors)
            if below:
                proof.not_proved.append(f"it follows {', '.join(sorted(below))}, which does not run")
                self._blocked.add(id_)
            else:
                before = self._clones.copy(self._with_rows()) if self._plan.keep else None
                self._prove_revision(proof, history[id_])
                if before:
                    self._keep_databases(proof, before)
            if id_ in wanted:
                yield proof
        if self._plan.is_whole:
            yield self._prove_whole()

    # ---- the history as a whole

    def _prove_whole(self) -> Proof:
        """Prove that all revisions run at once, that the models fit, and that older databases can be upgraded."""
        proof = Proof("", self._clones.engine)
        if self._blocked:
            proof.not_proved.append("the whole history in one run: a revision does not run")
            return proof
        url = self._clones.new()
        if why := self._upgrade(url, self._target):
            proof.add("V304", why)
        else:
            found = differences(self._schema, self._reflect(url))
            proof.add("V303", *(each.render("separate runs", "one run") for each in found))
        models.compare(proof, self._target.metadata, self._schema, self._clones, self._bare, self._reflect)
        with self._clones.connected(self._bare) as connection:
            if others := integrity.other_schemas(connection):
                proof.not_proved.append(f"the content of other schemas: {', '.join(others)}")
        proof.behaviour = behaviour(self._with_rows(), self._schema, self._content)
        for each in self._plan.since:
            self._prove_since(proof, each)
        return proof

    def _prove_since(self, proof: Proof, since: Target) -> None:
        """Prove that a database that ran the earlier revisions gets the same schema as a new one."""
        history = self._target.history
        if gone := [id_ for id_ in since.history.order if id_ not in history]:
            proof.add("V901", *(f"{id_} is not there any more" for id_ in gone))
            return
        url = self._clones.new()
        if why := self._upgrade(url, since):
            proof.not_proved.append(f"a database from before: the earlier revisions do not run: {why}")
        elif why := self._upgrade(url, self._target):
            proof.add("V901", f"a database from before cannot be upgraded: {why}")
        else:
            found = differences(self._schema, self._reflect(url))
            proof.add("V901", *(each.render("a new database", "a database from before") for each in found))

    def _upgrade(self, url: URL, target: Target) -> str:
        """Run all revisions of a project. Return the reason if one fails."""
        try:
            with self._clones.connected(url) as connection:
                target.runner.upgrade(connection)
        except ScratchRunFailed as failed:
            return failed.reason
        return ""

    # ---- one revision

    def _prove_revision(self, proof: Proof, revision: Revision) -> None:
        is_wanted = revision.id in self._plan.wanted
        proof.starts_empty = not self._applied
        bare = self._clones.copy(self._bare)
        try:
            proof.schema = self._run_without_rows(bare, revision, "upgrade", proof)
        except ScratchRunFailed as failed:
            proof.add("V301", failed.reason)
            self._blocked.add(revision.id)
            self._clones.drop(bare)
            return
        proof.is_irreversible = bool(revision.irreversible)
        found: list[row_changes.RowFinding] = []
        if is_wanted:
            new = integrity.names(proof.schema) - integrity.names(self._schema)
            proof.add("V104", *sorted(name for name in new if len(name.encode()) > _LONGEST_NAME))
            bare = self._prove_way_back(proof, revision, bare)
            found = self._prove_with_rows(proof, revision)
        self._go_on(revision, bare, proof.schema)
        if is_wanted and not revision.irreversible:
            found += self._prove_down_with_rows(proof, revision)
        for each in row_changes.without_consequences(found):
            proof.add(each.id, each.found, severity=each.severity)

    def _keep_databases(self, proof: Proof, before: URL) -> None:
        """Keep the databases before and after a revision with a finding."""
        if not any(each.severity == "error" for each in proof.findings):
            self._clones.drop(before)
            return
        after = None if proof.has("V301") else self._clones.copy(self._with_rows())
        for when, url in (("before", before), ("after", after)):
            if url:
                found = self._clones.keep(url, f"{proof.revision[:32]}_{when}")  # PostgreSQL has 63 bytes for a name.
                proof.kept[when] = redact_url(found) if found else ""

    def _prove_way_back(self, proof: Proof, revision: Revision, bare: URL) -> URL:
        """Run the revision down and up again without rows. Returns a database at the revision."""
        if revision.irreversible:
            return bare
        try:
            self._compare_schemas(proof, self._run_without_rows(bare, revision, "downgrade", proof))
        except ScratchRunFailed as failed:
            proof.add("V401", failed.reason)
        if not proof.has(*_NO_WAY_BACK):
            try:
                again = self._run_without_rows(bare, revision, "upgrade", proof)
            except ScratchRunFailed as failed:
                proof.add("V305", f"it fails: {failed.reason}")
            else:
                found = differences(proof.schema or self._schema, again)
                proof.add("V305", *(each.render("the first upgrade", "the second upgrade") for each in found))
                if not found:
                    return bare
        self._clones.drop(bare)
        other = self._clones.copy(self._bare)
        self._run_without_rows(other, revision, "upgrade")
        return other

    def _compare_schemas(self, proof: Proof, after: Inventory) -> None:
        left: list[str] = []
        other: list[str] = []
        for each in differences(self._schema, after):
            is_left = not each.aspect and each.before is None
            (left if is_left else other).append(each.render("the schema before", "the downgraded schema"))
        proof.add("V404", *left)
        proof.add("V403", *other)
        for name, table in self._schema.tables.items():
            names = [column.name for column in table.columns]
            now = [column.name for column in after.tables[name].columns] if name in after.tables else names
            if sorted(names) == sorted(now) and names != now:
                proof.add("V405", f"{name}: {', '.join(now)}", expected=", ".join(names))

    # ---- with rows

    def _prove_with_rows(self, proof: Proof, revision: Revision) -> list[row_changes.RowFinding]:
        url, before = self._clones.copy(self._with_rows()), self._content
        try:
            between = self._run_with_rows(url, revision, "upgrade", proof)
        except ScratchRunFailed as failed:
            proof.add("V302", failed.reason)
            return []
        after: RowSnapshot | None = None
        if not revision.irreversible:
            try:
                after = self._run_with_rows(url, revision, "downgrade", proof)
            except ScratchRunFailed as failed:
                self._add_failed_downgrade(proof, failed)
        self._clones.drop(url)
        return self._compare_rows(proof, revision, "upgrade", (before, between, after))

    def _prove_down_with_rows(self, proof: Proof, revision: Revision) -> list[row_changes.RowFinding]:
        url, before = self._clones.copy(self._with_rows(proof)), self._content
        try:
            between = self._run_with_rows(url, revision, "downgrade", proof)
        except ScratchRunFailed as failed:
            self._add_failed_downgrade(proof, failed)
            return []
        after: RowSnapshot | None = None
        try:
            after = self._run_with_rows(url, revision, "upgrade", proof)
        except ScratchRunFailed as failed:
            if not proof.has("V302", "V305", *_NO_WAY_BACK):
                proof.add("V302", f"after a downgrade: {failed.reason}")
        self._clones.drop(url)
        return self._compare_rows(proof, revision, "downgrade", (before, between, after))

    def _compare_rows(
        self, proof: Proof, revision: Revision, direction: Direction, moments: row_changes.Moments
    ) -> list[row_changes.RowFinding]:
        if direction == "upgrade":
            proof.samples = samples(*moments[:2])
        impossible, unseen = row_changes.unfounded_declarations(*moments[:2], revision.losses(direction))
        proof.add("V503", *(f"{direction}: {each}" for each in impossible))
        proof.add("V503", *(f"{direction}: {each}" for each in unseen), severity="note")
        return row_changes.row_findings(
            revision, direction, moments, declares=self._target.declares, momentary=momentary(self._schema)
        )

    def _add_failed_downgrade(self, proof: Proof, failed: ScratchRunFailed) -> None:
        if not proof.has("V401"):  # A downgrade that fails without rows also fails with them.
            proof.add("V402", failed.reason)

    # ---- databases

    def _go_on(self, revision: Revision, bare: URL, schema: Inventory) -> None:
        """Let the next revision start from this database."""
        for url in (self._bare, self._filled):
            if url:
                self._clones.drop(url)
        self._bare, self._schema, self._filled = bare, schema, None
        self._applied.append(revision.id)

    def _with_rows(self, proof: Proof | None = None) -> URL:
        """Return the database with rows. The first call copies the database without rows, and fills the copy."""
        if self._filled:
            return self._filled
        self._filled = self._clones.copy(self._bare)
        values = self._target.values_at(self._applied)
        with self._clones.connected(self._filled) as connection:
            skipped: list[str] = []
            while True:
                try:
                    with connection.begin():
                        fill(connection, rows=self._plan.rows, values=values, exclude=[*self._exclude, *skipped])
                    break
                except NoValidRow as error:
                    skipped.append(error.table)
                    if proof:
                        proof.add("V507", str(error))
            self._content = snapshot(connection, exclude=self._exclude)
        return self._filled

    def _run_without_rows(
        self, url: URL, revision: Revision, direction: Direction, proof: Proof | None = None
    ) -> Inventory:
        with self._clones.connected(url) as connection:
            _, missing = run_step(connection, self._target, revision.id, direction)
            schema = reflect(connection, exclude=self._exclude)
        if proof:
            known = {finding.found for finding in proof.findings}
            lost = [f"{direction}: {each.what}" for each in missing]
            proof.add("V506", *(each for each in lost if each not in known))
        return schema

    def _run_with_rows(self, url: URL, revision: Revision, direction: Direction, proof: Proof) -> RowSnapshot:
        meter = ImpactMeter(self._target.project.version_table.name)
        with self._clones.connected(url) as connection:
            violations, unchecked = integrity.violations(connection), integrity.unchecked(connection)
            late = integrity.late_sequences(connection)
            meter.start(connection)
            seconds, _ = run_step(connection, self._target, revision.id, direction, meter.read)
            if direction == "upgrade" and not proof.impact.seconds:  # Later upgrades start from other rows.
                proof.impact = replace(meter.impact, seconds=seconds)
                limit = self._target.project.max_seconds
                if limit is not None and seconds > limit:
                    took = f"{seconds:.2f} s, with {self._plan.rows} rows a table"
                    proof.add("V801", took, expected=f"at most {limit:g} s")
            worse = sorted(integrity.violations(connection) - violations)
            proof.add("V505", *(f"{direction}: rows of {table} refer to no row of {to}" for table, to in worse))
            found = sorted(integrity.unchecked(connection) - unchecked)
            proof.add("V505", *(f"{direction}: {what}" for what in found))
            now = integrity.late_sequences(connection)
            proof.add("V508", *(f"{direction}: {what}" for name, what in now.items() if name not in late))
            connection.rollback()
            return snapshot(connection, exclude=self._exclude)

    def _reflect(self, url: URL) -> Inventory:
        with self._clones.connected(url) as connection:
            return reflect(connection, exclude=self._exclude)
