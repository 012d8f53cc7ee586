"""The proof of a history on one engine: each revision up, down and up again, on tables without and with rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import URL

from ..errors.loss import Missing
from ..errors.revision import Direction, Revision
from ..errors.settings.urls import redact_url
from ..schema.compare import differences
from ..schema.inventory import Inventory
from ..schema.reflection import reflect
from .clones import Clones
from .findings import integrity, kept, models
from .findings.behaviour import behaviour, momentary
from .findings.impact import Gauge
from .findings.proof import Proof
from .rows.draw import NoValidRow
from .rows.filler import fill
from .rows.snapshots import Snapshot, snapshot
from .steps import StepFailed, run_all, run_step
from .target import Target

_LONGEST_NAME = 63  # bytes; https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_NO_WAY_BACK = ("V401", "V403", "V404")  # What is upgraded again is then not what was upgraded at first.


class Prover:
    """Walks up a history, and proves each revision on the way."""

    def __init__(self, target: Target, clones: Clones, engine: str, rows: int, *, keep: bool = False) -> None:
        self._target = target
        self._clones = clones
        self._engine = engine
        self._rows = rows
        self._keep = keep
        self._exclude = [target.version_table]
        self._bare = clones.new()  # at the revision before, without rows
        self._schema = self._look(self._bare)
        self._filled: URL | None = None  # the same with rows; None until somebody needs it
        self._content: Snapshot = Snapshot({})
        self._applied: list[str] = []
        self._blocked: set[str] = set()

    def walk(self, wanted: Collection[str], *, is_whole: bool) -> Iterator[Proof]:
        """Prove these revisions, each when it is reached; the others are run only, up to head for the whole history."""
        history = self._target.history
        last = max((history.order.index(id_) for id_ in wanted), default=-1)
        for id_ in history.order if is_whole else history.order[: last + 1]:
            proof = Proof(id_, self._engine)
            below = self._blocked.intersection(history[id_].predecessors)
            if below:
                proof.not_proved.append(f"it follows {', '.join(sorted(below))}, which does not run")
                self._blocked.add(id_)
            else:
                before = self._clones.of(self._with_rows(Proof("", ""))) if self._keep else None
                self._prove(proof, history[id_], is_wanted=id_ in wanted)
                if before:
                    self._keep_around(proof, before)
            if id_ in wanted:
                yield proof

    def whole(self, since: Sequence[Target] = ()) -> Proof:
        """Prove the history as a whole, after the walk: in one run, against the models, and from where others are.

        Args:
            since: the project with its revisions as they were applied elsewhere, where they differ.
        """
        proof = Proof("", self._engine)
        if self._blocked:
            proof.not_proved.append("the whole history in one run: a revision does not run")
            return proof
        url = self._clones.new()
        try:
            with self._clones.connected(url) as connection:
                run_all(connection, self._target)
        except StepFailed as failed:
            proof.add("V304", str(failed))
        else:
            found = differences(self._schema, self._look(url))
            proof.add("V303", *(each.render("one by one", "in one run") for each in found))
        models.compare(proof, self._target.metadata, self._schema, self._clones, self._bare, self._look)
        with self._clones.connected(self._bare) as connection:
            if elsewhere := integrity.other_schemas(connection):
                proof.not_proved.append(f"what lies in other schemas: {', '.join(elsewhere)}")
        filled = self._with_rows(Proof("", ""))  # Nobody has needed them where head has no way back.
        proof.behaviour = behaviour(filled, self._schema, self._content)
        for each in since:
            self._compare_since(proof, each)
        return proof

    def _compare_since(self, proof: Proof, since: Target) -> None:
        """What was migrated by the revisions of then, and is upgraded by those of now, is as what is new."""
        history = self._target.history
        if gone := [id_ for id_ in since.history.order if id_ not in history]:
            proof.add("V901", *(f"{id_} is not there any more" for id_ in gone))
            return
        url = self._clones.new()
        try:
            with self._clones.connected(url) as connection:
                run_all(connection, since)
        except StepFailed as failed:
            proof.not_proved.append(f"a database from before: the revisions of then do not run: {failed}")
            return
        try:
            with self._clones.connected(url) as connection:
                run_all(connection, self._target, current=since.history.heads)
        except StepFailed as failed:
            proof.add("V901", f"what was migrated before cannot be upgraded: {failed}")
            return
        found = differences(self._schema, self._look(url))
        proof.add("V901", *(each.render("a new database", "one migrated before") for each in found))

    # ---- one revision

    def _prove(self, proof: Proof, revision: Revision, *, is_wanted: bool) -> None:
        bare = self._clones.of(self._bare)
        before = self._schema
        try:
            proof.schema = self._step(bare, revision, "upgrade", proof)
        except StepFailed as failed:
            proof.add("V301", str(failed))
            self._blocked.add(revision.id)
            self._clones.drop(bare)
            return
        proof.is_irreversible = bool(revision.irreversible)
        verdicts: list[kept.Verdict] = []
        if is_wanted:
            self._prove_names(proof, before, proof.schema)
            bare = self._prove_way_back(proof, revision, bare)
            verdicts = self._prove_with_rows(proof, revision)
        self._go_on(proof, revision, bare)
        if is_wanted and not revision.irreversible:
            verdicts += self._prove_down_with_rows(proof, revision)
        for each in kept.settle(verdicts):
            proof.add(each.id, each.found, severity=each.severity)

    def _keep_around(self, proof: Proof, before: URL) -> None:
        """Keep the databases before and after a revision with a finding."""
        if not any(each.severity == "error" for each in proof.findings):
            return self._clones.drop(before)
        after = None if proof.has("V301") else self._clones.of(self._with_rows(Proof("", "")))
        for when, url in (("before", before), ("after", after)):
            if url:
                found = self._clones.keep(url, f"{proof.revision[:32]}_{when}")  # PostgreSQL has 63 bytes for a name.
                proof.kept[when] = redact_url(found) if found else ""
        return None

    def _prove_way_back(self, proof: Proof, revision: Revision, bare: URL) -> URL:
        """Down and up again without rows; returns the database at the revision."""
        if revision.irreversible:
            return bare
        try:
            below = self._step(bare, revision, "downgrade", proof)
        except StepFailed as failed:
            proof.add("V401", str(failed))
        else:
            self._compare_schemas(proof, below)
        if not proof.has(*_NO_WAY_BACK):
            try:
                again = self._step(bare, revision, "upgrade", proof)
            except StepFailed as failed:
                proof.add("V305", f"it fails: {failed}")
            else:
                found = differences(proof.schema or self._schema, again)
                proof.add("V305", *(each.render("the first time", "the second time") for each in found))
                if not found:
                    return bare
        self._clones.drop(bare)
        anew = self._clones.of(self._bare)
        self._step(anew, revision, "upgrade", Proof("", ""))
        return anew

    def _compare_schemas(self, proof: Proof, after: Inventory) -> None:
        left: list[str] = []
        other: list[str] = []
        for each in differences(self._schema, after):
            is_left = not each.aspect and each.before is None
            (left if is_left else other).append(each.render("before", "after the way back"))
        proof.add("V404", *left)
        proof.add("V403", *other)
        for name, table in self._schema.tables.items():
            names = [column.name for column in table.columns]
            now = [column.name for column in after.tables[name].columns] if name in after.tables else names
            if sorted(names) == sorted(now) and names != now:
                proof.add("V405", f"{name}: {', '.join(now)}", expected=", ".join(names))

    def _prove_names(self, proof: Proof, before: Inventory, after: Inventory) -> None:
        new = integrity.names(after) - integrity.names(before)
        proof.add("V104", *sorted(name for name in new if len(name.encode()) > _LONGEST_NAME))

    # ---- with rows

    def _prove_with_rows(self, proof: Proof, revision: Revision) -> list[kept.Verdict]:
        url, before = self._clones.of(self._with_rows(Proof("", ""))), self._content
        try:
            there = self._step_with_rows(url, revision, "upgrade", proof)
        except StepFailed as failed:
            proof.add("V302", str(failed))
            return []
        self._compare_declared(proof, revision, "upgrade", before, there)
        back: Snapshot | None = None
        if not revision.irreversible:
            try:
                back = self._step_with_rows(url, revision, "downgrade", proof)
            except StepFailed as failed:
                self._add_failed_downgrade(proof, failed)
        self._clones.drop(url)
        return kept.judge(revision, "upgrade", (before, there, back), **self._terms)

    def _prove_down_with_rows(self, proof: Proof, revision: Revision) -> list[kept.Verdict]:
        url, before = self._clones.of(self._with_rows(proof)), self._content
        try:
            there = self._step_with_rows(url, revision, "downgrade", proof)
        except StepFailed as failed:
            self._add_failed_downgrade(proof, failed)
            return []
        self._compare_declared(proof, revision, "downgrade", before, there)
        back: Snapshot | None = None
        try:
            back = self._step_with_rows(url, revision, "upgrade", proof)
        except StepFailed as failed:
            if not proof.has("V302", "V305", *_NO_WAY_BACK):
                proof.add("V302", f"after a downgrade: {failed}")
        self._clones.drop(url)
        return kept.judge(revision, "downgrade", (before, there, back), **self._terms)

    @property
    def _terms(self) -> dict[str, Any]:
        """On what terms rows are judged."""
        return {"declares": self._target.declares, "momentary": momentary(self._schema)}

    def _add_failed_downgrade(self, proof: Proof, failed: StepFailed) -> None:
        if not proof.has("V401"):  # What fails without rows fails with them.
            proof.add("V402", str(failed))

    def _compare_declared(
        self, proof: Proof, revision: Revision, direction: Direction, before: Snapshot, there: Snapshot
    ) -> None:
        impossible, unseen = kept.happened(before, there, revision.losses(direction))
        proof.add("V503", *(f"{direction}: {each}" for each in impossible))
        proof.add("V503", *(f"{direction}: {each}" for each in unseen), severity="note")

    # ---- databases

    def _go_on(self, proof: Proof, revision: Revision, bare: URL) -> None:
        """The next revision starts from here."""
        for url in (self._bare, self._filled):
            if url:
                self._clones.drop(url)
        self._bare, self._schema, self._filled = bare, proof.schema or self._schema, None
        self._applied.append(revision.id)

    def _with_rows(self, proof: Proof) -> URL:
        """The database with rows: where it is not there yet, a copy of the empty one is filled."""
        if self._filled:
            return self._filled
        self._filled = self._clones.of(self._bare)
        values = self._target.values_at(self._applied)
        with self._clones.connected(self._filled) as connection:
            hopeless: list[str] = []
            while True:
                try:
                    with connection.begin():
                        fill(connection, rows=self._rows, values=values, exclude=[*self._exclude, *hopeless])
                    break
                except NoValidRow as error:
                    hopeless.append(error.table)
                    proof.add("V507", str(error))
            self._content = snapshot(connection, exclude=self._exclude)
        return self._filled

    def _step(self, url: URL, revision: Revision, direction: Direction, proof: Proof) -> Inventory:
        with self._clones.connected(url) as connection:
            _, missing = run_step(connection, self._target, revision.id, direction)
            schema = reflect(connection, exclude=self._exclude)
        proof.add("V506", *(_lost(direction, each) for each in missing if _lost(direction, each) not in _found(proof)))
        return schema

    def _step_with_rows(self, url: URL, revision: Revision, direction: Direction, proof: Proof) -> Snapshot:
        gauge = Gauge(self._target.version_table)
        with self._clones.connected(url) as connection:
            violations, unchecked = integrity.violations(connection), integrity.unchecked(connection)
            late = integrity.late_sequences(connection)
            gauge.start(connection)
            seconds, _ = run_step(connection, self._target, revision.id, direction, gauge.read)
            if direction == "upgrade" and not proof.impact.seconds:  # The first time counts, from the revision before.
                proof.impact = replace(gauge.impact, seconds=seconds)
                limit = self._target.project.max_seconds
                if limit is not None and seconds > limit:
                    proof.add(
                        "V801", f"{seconds:.2f} s, with {self._rows} rows a table", expected=f"at most {limit:g} s"
                    )
            worse = sorted(integrity.violations(connection) - violations)
            proof.add("V505", *(f"{direction}: rows of {table} point nowhere in {to}" for table, to in worse))
            found = sorted(integrity.unchecked(connection) - unchecked)
            proof.add("V505", *(f"{direction}: {what}" for what in found))
            now = integrity.late_sequences(connection)
            proof.add("V508", *(f"{direction}: {what}" for name, what in now.items() if name not in late))
            connection.rollback()
            return snapshot(connection, exclude=self._exclude)

    def _look(self, url: URL) -> Inventory:
        with self._clones.connected(url) as connection:
            return reflect(connection, exclude=self._exclude)


def _lost(direction: Direction, missing: Missing) -> str:
    return f"{direction}: {missing.what}"


def _found(proof: Proof) -> set[str]:
    return {finding.found for finding in proof.findings}
