"""Proves one revision on tables with rows.

The revision runs in one direction and back: first on plain rows, and then on plain and awkward rows together. A failure
on plain rows is reported as an error. If only an awkward row causes the failure, a note names the row and the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from json import JSONDecodeError

from sqlalchemy import URL

from ...errors.facts.run import ScratchRunFailed
from ...errors.loss import Loss
from ...errors.revision import Direction, Revision
from ...schema.compare import differences
from ...schema.inventory import Inventory
from ..findings import integrity, row_changes
from ..findings.behaviour import momentary
from ..findings.finding import Finding
from ..findings.proof import Proof
from ..findings.row_values import column_values, other_columns, replaced_values, with_another_type
from ..rows.equal_keys import new_keys
from ..rows.plain import Awkward
from ..rows.snapshots import RowSnapshot, samples
from .culprits import culprit
from .runs import Runs
from .state import Filled, State, everywhere, nowhere
from .steps import refusal

NO_WAY_BACK = ("V401", "V403", "V404")  # After these findings, the second upgrade starts from a different schema.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|[\d.e+-]+")
_NO_JSON = re.compile(r"NoneType|the JSON object must be str\b.* not (?!int|float|bool)")  # no text at all
_RANDOM = re.compile(r"random|secrets|urandom|uuid[14_]|crypt|argon|hash|salt|password", re.IGNORECASE)
_TOO_LONG = re.compile(r"index row (?:size|requires) \d+")
_SEARCHES = 20  # the most searches for awkward values; each of them fills about ten databases
_JSON = ("JSON", "JSONB")
_INSERTS = ("INSERT", "insert", "from_select")
_WRITERS = 10  # the most revisions that run again, each in one run with all later revisions
_OF_ALL_ROWS = ("V503", "V801")  # These findings are reported for all rows, and not for plain rows.


@dataclass
class _Trial:
    """A run of a revision in one direction and back, on some rows.

    Attributes:
        url: the URL of the database.
        direction: the first direction.
        proof: receives the findings of this trial.
        before: the rows before the trial.
        between: the rows after the first direction; None if the first direction failed.
        after: the rows after the second direction; None if the second direction failed, or does not exist.
        losses: the losses of the upgrade.
        found: the findings about lost and changed rows.
    """

    url: URL
    direction: Direction
    proof: Proof
    before: RowSnapshot
    between: RowSnapshot | None = None
    after: RowSnapshot | None = None
    losses: list[Loss] = field(default_factory=list)
    found: list[row_changes.RowFinding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether the trial has no findings."""
        return self.between is not None and not self.proof.findings and not self.found


class RowProof:
    """Proves a revision, which leaves a schema, on tables with rows. Call `upwards`, `downwards` and `finish`."""

    def __init__(self, runs: Runs, proof: Proof, revision: Revision, schema: Inventory) -> None:
        self._runs = runs
        self._proof = proof
        self._revision = revision
        self._schema = schema
        self._momentary = momentary(schema)
        self._plain: list[row_changes.RowFinding] = []
        self._all: list[row_changes.RowFinding] = []
        self._awkward: list[Finding] = []
        self._added: set[str] = set()
        self._cast: set[str] = set()

    def upwards(self, before: State) -> None:
        """Run the upgrade and the downgrade, on rows of the schema before the revision."""
        self._cast = with_another_type(before.schema, self._schema)
        before.learn_labels(self._schema)
        for table, item, found in integrity.dropped_attributes(before.schema, self._schema, self._revision):
            self._proof.add("V501", found, item=item, table=table)
        plain = self._begin(before.take(nowhere), "upgrade")
        if plain.between:
            passing = self._momentary | self._random_columns(before, plain.between)
            then, now = (column_values(rows, passing, self._words) for rows in (plain.before, plain.between))
            self._proof.rows = (then, now)
            self._add_misdirected_keys(before, plain.before, plain.between)
            self._compare_schema(plain)
            self._try_equal_keys(before)
            for place, written in row_changes.written_texts(plain.before, plain.between):
                self._runs.hints.written.setdefault(place, {}).setdefault(written, self._revision.id)
        if self._leaves_events(before):
            self._runs.writers[self._revision.id] = before.fill(nowhere).url
        both = self._try(before, plain)
        shown = both if both.after else plain
        if shown.between and shown.after:
            self._runs.hints.gone |= replaced_values(shown.before, shown.between)
            more = row_changes.compare_rows(shown.before, shown.between).changed
            self._added = {item for item in more if "." not in item} - {each.item for each in shown.found}

    def _try_equal_keys(self, before: State) -> None:
        """Run the upgrade on two rows that are equal in a new unique key, since an application may have such rows."""
        keys = new_keys(before.schema, self._schema)
        if not keys:
            return
        trial = self._begin(before.fill(nowhere, keys), "upgrade")
        self._runs.clones.drop(trial.url)
        named = " or ".join(f"{table}({', '.join(columns)})" for table, columns in keys)
        for each in trial.proof.findings:
            if each.id == "V302":
                self._proof.add("V302", f"{each.found} (two rows have equal values in {named})")

    def _compare_schema(self, upgraded: _Trial) -> None:
        """If the revision has conditions or handles errors, compare the schema with that of a database without rows."""
        if self._words & {"if", "IF", "except", "suppress", "while"}:
            found = differences(self._schema, self._runs.schema(upgraded.url))
            self._proof.add_differences("V310", found, "the upgrade of empty tables", "the upgrade of tables with rows")

    def _add_misdirected_keys(self, before: State, then: RowSnapshot, now: RowSnapshot) -> None:
        """Add a finding for each new foreign key that has the values of a key to another table."""
        history = self._runs.target.history
        paths = [history[id_].path for id_ in [*before.applied, self._revision.id]]
        sources = [{*re.findall(r"\w+", path.read_text(encoding="utf-8"))} for path in paths]

        def is_copied(table: str, to: str) -> bool:
            return any({table, to} <= words and not words.isdisjoint(_INSERTS) for words in sources)

        schemas = (before.schema, self._schema)
        for table, found in integrity.misdirected_keys(schemas, (then, now), is_copied):
            self._proof.add("V505", f"upgrade: {found}", item=table, table=table)

    def downwards(self, after: State) -> None:
        """Run the downgrade and the upgrade again, on rows of the schema after the revision."""
        filled = after.filled(nowhere)
        self._proof.add("V507", *filled.without_rows)
        self._proof.not_proved += [f"the rows: {reason}" for reason in filled.without_rows]
        self._try(after, self._begin(self._copied(filled), "downgrade"))

    def finish(self) -> None:
        """Add the findings about rows, without those that another finding explains."""
        plain = row_changes.without_consequences(self._plain)
        known = {(each.id, each.item) for each in plain}
        for each in plain:
            self._proof.add(each.id, each.found, severity=each.severity, item=each.item, table=each.table)
        for each in row_changes.without_consequences([*self._all, *self._plain]):
            if (each.id, each.item) not in known and each.severity == "error":
                self._proof.add("V509", f"{each.id}: {each.found}")
        self._proof.findings += self._awkward

    # ---- one direction and back

    def _try(self, state: State, plain: _Trial) -> _Trial:
        """Run a trial on plain and awkward rows.

        If it has findings, also run the second direction of the trial `plain`.
        """
        both = plain
        if not self._touches_nothing(state, plain):
            is_last = plain.direction == "upgrade"  # No later trial needs the rows of this state.
            rows = state.take(everywhere) if is_last else self._copied(state.filled(everywhere))
            both = self._begin(rows, plain.direction)
            self._return(both)
        if both is plain or plain.between is None or not both.is_clean:
            self._return(plain)
        self._merge(state, plain, both)
        for url in {plain.url, both.url}:
            self._runs.clones.drop(url)
        return both

    def _touches_nothing(self, state: State, plain: _Trial) -> bool:
        """Return whether an upgrade neither changes a table that existed before, nor names such a table in its source.

        If so, the values in these tables do not matter.
        """
        if plain.direction == "downgrade" or plain.between is None or plain.proof.findings:
            return False
        then, now = plain.before.tables, plain.between.tables
        return self._words.isdisjoint(then) and all(
            self._schema.tables.get(name) == table and then.get(name) == now.get(name)
            for name, table in state.schema.tables.items()
        )

    def _random_columns(self, before: State, between: RowSnapshot) -> set[str]:
        """Return each "table.column" that gets other values when an upgrade that may use random values runs again."""
        if not _RANDOM.search(self._source):
            return set()
        again = self._begin(before.fill(nowhere), "upgrade")
        self._runs.clones.drop(again.url)
        return other_columns(between, again.between) if again.between else set()

    def _leaves_events(self, before: State) -> bool:
        """Return whether the upgrade may write rows that a deferred constraint checks at the commit (PostgreSQL)."""
        tables = [*before.schema.tables.values(), *self._schema.tables.values()]
        options = [key.options for table in tables for key in table.foreign_keys]
        options += [key.options for table in tables for key in table.uniques]
        options += [each.definition for each in (*before.schema.triggers.values(), *self._schema.triggers.values())]
        writes = not {word.upper() for word in self._words}.isdisjoint({"INSERT", "UPDATE", "DELETE", "BULK_INSERT"})
        may_leave = writes and self._runs.clones.engine == "postgresql" and len(self._runs.writers) < _WRITERS
        return may_leave and any("INITIALLY DEFERRED" in each for each in options)

    def _copied(self, filled: Filled) -> Filled:
        return filled._replace(url=self._runs.clones.copy(filled.url))

    def _begin(self, filled: Filled, direction: Direction) -> _Trial:
        trial = _Trial(filled.url, direction, Proof(self._proof.revision, self._proof.engine), filled.rows)
        try:
            trial.between = self._runs.with_rows(trial.url, self._revision.id, direction, trial.proof, trial.losses)
        except ScratchRunFailed as failed:
            self._add_failure(trial, direction, failed)
        return trial

    def _return(self, trial: _Trial) -> None:
        if trial.between is None:
            return
        other: Direction = "downgrade" if trial.direction == "upgrade" else "upgrade"
        if other == "upgrade" or not self._proof.is_irreversible:
            try:
                trial.after = self._runs.with_rows(trial.url, self._revision.id, other, trial.proof)
            except ScratchRunFailed as failed:
                self._add_failure(trial, other, failed)
        self._compare(trial)

    def _add_failure(self, trial: _Trial, direction: Direction, failed: ScratchRunFailed) -> None:
        reason, after = failed.reason, trial.direction == "downgrade" and direction == "upgrade"
        id_ = "V302" if direction == "upgrade" else "V402"
        self._runs.failures.update([reason] if direction == "upgrade" else [])
        words = refusal(failed, self._revision)
        if why := self._runs.why_not(reason):
            self._proof.not_proved.append(f"the {direction} on rows: {why}")
        elif direction == "downgrade" and words:
            trial.proof.findings.append(Finding.of("V406", words, self._revision.id))
        elif self._reads_unknown_json(failed) or (words and self._has_unknown_json()):
            trial.proof.add("V509", f"{id_}: {reason} (in JSON whose shape the revision does not show)")
        elif direction == "downgrade":
            if not self._proof.has("V401"):  # A downgrade that fails without rows also fails with them.
                trial.proof.add(id_, reason)
        elif not after:
            trial.proof.add(id_, reason)
        elif not self._proof.has("V302", "V305", *NO_WAY_BACK):
            trial.proof.add(id_, f"after a downgrade: {reason}")

    def _reads_unknown_json(self, failed: ScratchRunFailed) -> bool:
        """Return whether the revision passes JSON to other code that fails because it expects another shape of JSON."""
        error = failed.__cause__
        is_about_parts = isinstance(error, (LookupError, TypeError, ValueError, AttributeError))
        is_no_json = isinstance(error, JSONDecodeError) or bool(_NO_JSON.search(failed.reason))
        return is_about_parts and not is_no_json and self._runs.hints.gives_json_away(self._source)

    def _has_unknown_json(self) -> bool:
        """Return whether the revision names a column with generated JSON of unknown shape."""
        columns = (each.name for table in self._schema.tables.values() for each in table.columns if each.type in _JSON)
        return self._runs.hints.invents_json(self._words, columns)

    def _compare(self, trial: _Trial) -> None:
        assert trial.between is not None  # noqa: S101 - the caller has looked
        moments = (trial.before, trial.between, trial.after)
        if any(table.rows for table in trial.before.tables.values()):
            self._proof.compares_rows = True
        if trial.direction == "upgrade":
            self._proof.samples = samples(trial.before, trial.between)
        declared = self._revision.losses(trial.direction)
        impossible, unseen = row_changes.unfounded_declarations(trial.before, trial.between, declared)
        trial.proof.add("V503", *(f"{trial.direction}: {each}" for each in impossible))
        trial.proof.add("V503", *(f"{trial.direction}: {each}" for each in unseen), severity="note")
        target = self._runs.target
        found = row_changes.row_findings(
            self._revision, trial.direction, moments, declares=target.declares, momentary=self._momentary
        )
        if not target.declares:
            found = [self._with_severity(each, trial) for each in found]
        if trial.direction == "upgrade":
            found += row_changes.exchanged_columns(trial.before, trial.between, self._revision, self._source)
        if trial.direction == "upgrade" and trial.after is None:
            found += row_changes.cast_findings(trial.before, trial.between, self._cast - {*declared})
        found += row_changes.refused_losses(trial.losses, found)
        # The generated rows do not include the rows that the upgrade itself adds.
        is_known = self._added if trial.direction == "downgrade" else set[str]()
        trial.found = [each for each in found if not (each.id == "V504" and each.item in is_known)]

    def _with_severity(self, finding: row_changes.RowFinding, trial: _Trial) -> row_changes.RowFinding:
        """Return the finding. Make it a note if the upgrade only replaces NULLs in a column that is NOT NULL now."""
        table, column = trial.before.find(finding.item) or ("", None)
        facts = self._schema.tables.get(table)
        new = facts.column(column) if facts and column else None
        if finding.id != "V504" or trial.after is None or new is None or new.nullable:
            return finding
        is_note = row_changes.only_fills_gaps(trial.before, trial.after, finding.item)
        return finding._replace(severity="note" if is_note else finding.severity)

    # ---- both kinds of rows

    def _merge(self, state: State, plain: _Trial, both: _Trial) -> None:
        self._plain += plain.found
        self._all += both.found
        known = {each.id for each in plain.proof.findings} | {each.found[:4] for each in self._awkward}
        of_all = [each for each in both.proof.findings if each.id in _OF_ALL_ROWS]
        self._proof.findings += [each for each in plain.proof.findings if each.id not in _OF_ALL_ROWS]
        self._proof.findings += of_all
        if both.proof.impact.seconds:
            self._proof.impact = both.proof.impact
        for each in both.proof.findings:
            if each.id not in known and each not in of_all:
                self._runs.searches += 1
                where = (
                    ""
                    if self._runs.searches > _SEARCHES
                    else culprit(state, self._source, self._fails(state, both.direction, each))
                )
                id_ = "V510" if _TOO_LONG.search(each.found) else "V509"
                kind = "" if each.id == "V509" else f"{each.id}: "
                self._awkward.append(Finding.of(id_, f"{kind}{each.found}{where}", each.revision, each.engine))

    @cached_property
    def _source(self) -> str:
        return self._revision.path.read_text(encoding="utf-8")

    @cached_property
    def _words(self) -> set[str]:
        return {*re.findall(r"\w+", self._source)}

    def _fails(self, state: State, direction: Direction, finding: Finding) -> Callable[[Awkward], bool]:
        def fails(awkward: Awkward) -> bool:
            trial = self._begin(state.fill(awkward), direction)
            if not trial.proof.findings:
                self._return(trial)
            self._runs.clones.drop(trial.url)
            return any(_is_same(finding, each) for each in trial.proof.findings)

        return fails


def _is_same(one: Finding, other: Finding) -> bool:
    """Return whether two findings are the same, apart from the values in their messages."""
    return one.id == other.id and _VALUE.sub("", one.found) == _VALUE.sub("", other.found)
