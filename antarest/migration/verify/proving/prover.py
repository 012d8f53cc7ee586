"""Proves the revisions of a history on one engine, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL

from ...errors.revision import Revision
from ...errors.settings.urls import redact_url
from ...schema.inventory import Inventory
from ...scratch.databases import EngineName
from ...snapshot.file import digest_at
from ..clones import Clones
from ..earlier.files import FileWatch
from ..earlier.proofs import EarlierProof, EarlierProofs, content_of, hints_about
from ..env_run import ENFORCES_KEYS, EnvRun, run_env, with_options_of_env
from ..findings.behaviour import behaviour
from ..findings.proof import Proof
from ..target import Target
from .revision_proof import prove_revision
from .runs import Runs
from .state import State, everywhere
from .whole import prove_whole

_FAILED = ("V301", "V306", "V307")


@dataclass(frozen=True)
class ProofPlan:
    """The arguments of a proof on one engine.

    Attributes:
        target: the project.
        wanted: the ids of the revisions to prove.
        rows: the smallest number of rows that a table gets.
        is_whole: whether the history as a whole is proved too.
        since: earlier versions of the project. For each version, the proof upgrades a database at the head of this
            version.
        keep: whether to keep the databases before and after each revision that has a finding.
        earlier: the folder with the stored proofs; None to store no proofs.
    """

    target: Target
    wanted: frozenset[str]
    rows: int
    is_whole: bool
    since: tuple[Target, ...] = ()
    keep: bool = False
    earlier: Path | None = None

    def for_another_process(self, engine: EngineName) -> ProofPlan:
        """Return the same plan for one engine, in a form that can be sent to another process."""
        since = tuple(replace(each, engine=engine) for each in self.since)
        return replace(self, target=replace(self.target, engine=engine), since=since)


class Prover:
    """Runs the upgrades of a history in order, and proves the wanted revisions."""

    def __init__(self, plan: ProofPlan, clones: Clones, watch: FileWatch | None = None) -> None:
        ran = EnvRun()
        target = plan.target
        if target.run_env is not None:
            url = clones.new()
            with clones.connected(url) as connection:
                ran = run_env(target, connection, url)
            target = with_options_of_env(target, ran)
            clones.settings = [each for each in ran.statements if each.lstrip().upper().startswith("SET ")]
        if target.enforces_keys and clones.engine == "sqlite":
            clones.settings = [ENFORCES_KEYS]
        self._plan = plan
        self._target = target
        self._runs = Runs(target, clones, plan.rows)
        self._runs.preparation = tuple(each for each in ran.statements if each not in (*clones.settings, ENFORCES_KEYS))
        self._runs.refused = tuple(ran.refused)
        self._states = [State.empty(self._runs)]
        with self._runs.connected(self._states[0].bare) as connection:
            start = content_of(connection, self._runs.exclude)
            facts = (self._states[0].schema, start, plan.rows, [*ran.statements, *clones.settings], ran.refused)
            self._earlier = EarlierProofs(plan.earlier, watch, target, connection, *facts)
        self._start: Inventory | None = None  # the schema before the first wanted revision
        self._blocked: dict[str, str] = {}  # for each revision that cannot run: the failed revision that prevents it

    def prove(self) -> Iterator[Proof]:
        """Prove each wanted revision in the order of the history, and then the history as a whole."""
        history, wanted = self._target.history, self._plan.wanted
        last = max((history.order.index(id_) for id_ in wanted), default=-1)
        is_first = True
        for id_ in history.order if self._plan.is_whole else history.order[: last + 1]:
            proof = Proof(id_, self._runs.clones.engine)
            if id_ in wanted and is_first:
                self._note_start(proof)
                is_first = False
            proof = self._prove(proof, history[id_])
            # If an earlier revision fails, the wanted revisions cannot run. Therefore this is a finding too.
            if id_ in wanted or proof.has(*_FAILED):
                yield proof
        if self._plan.is_whole:
            yield self._prove_whole()
        self._earlier.shrink()

    def _prove_whole(self) -> Proof:
        runs, since = self._runs, self._plan.since
        snapshot = digest_at(self._target.project, runs.clones.engine)
        name = self._earlier.name_of_whole([each.name for each in self._states], self._start, snapshot)
        can_be_kept = not (since or self._blocked or runs.failures or runs.writers or self._is_any_unnamed())
        if can_be_kept and (kept := self._earlier.find(name)):
            return kept.proof
        proof = prove_whole(runs, since, self._states, self._blocked, self._start)
        # If only some revisions are wanted, leave out rights that are missing because of other revisions.
        wanted = self._plan.wanted
        proof.findings = [each for each in proof.findings if each.id != "V705" or each.revision in {"", *wanted}]
        if can_be_kept:
            self._earlier.keep(name, EarlierProof(proof, self._earlier.files_of(None)))
        return proof

    def _is_any_unnamed(self) -> bool:
        return not all(each.name for each in self._states if each.applied)

    def _note_start(self, proof: Proof) -> None:
        """Note the state before the wanted revisions, so that no difference in this state becomes a finding."""
        start = self._states[0]
        self._start = proof.before = start.schema
        if start.applied and self._plan.is_whole:
            with proof.trying("the changes to rows before the revisions"):
                filled = start.filled(everywhere)
                with self._runs.connected_as_application(filled.url) as connection:
                    proof.behaviour = behaviour(connection, start.schema, filled.rows)

    def _prove(self, proof: Proof, revision: Revision) -> Proof:
        below = {self._blocked[each] for each in revision.predecessors if each in self._blocked}
        state = self._state_of(revision)
        if below or state is None:
            proof.not_proved.append(f"it follows {', '.join(sorted(below))}, which does not run")
            self._blocked[revision.id] = min(below, default=revision.id)
            return proof
        attempt = _Attempt(self._earlier, self._runs, state, revision)
        if kept := attempt.known(with_errors=not self._plan.keep):
            return replace(kept.proof, before=proof.before, behaviour=proof.behaviour)
        is_wanted = revision.id in self._plan.wanted
        before = self._copy(state) if self._plan.keep else None
        after: State | None = None
        with proof.trying("the upgrade"):
            after = prove_revision(self._runs, proof, revision, state, is_wanted=is_wanted)
        if after is None:
            self._blocked[revision.id] = revision.id
            return proof
        is_usual = after is state and not proof.has(*_FAILED)
        with proof.trying("the state after the upgrade"):
            attempt.finish(proof, after, keeps=is_wanted and is_usual)
        if after not in self._states:
            self._take(after, state)
        if before:
            self._keep_databases(proof, before, after)
        return proof

    def _state_of(self, revision: Revision) -> State | None:
        """Return the state in which all predecessors of a revision have run; None if there is no such state."""
        below = set(revision.predecessors)
        return next((state for state in self._states if below <= {*state.applied}), None)

    def _take(self, after: State, before: State) -> None:
        """Replace the state `before` by `after`. Keep both if a revision has run in `before`, but not in `after`."""
        if {*before.applied} <= {*after.applied}:
            self._states[self._states.index(before)] = after
        else:
            self._states.append(after)

    def _copy(self, state: State) -> URL:
        return self._runs.clones.copy(state.filled(everywhere).url)

    def _keep_databases(self, proof: Proof, before: URL, after: State) -> None:
        """Keep the databases before and after a revision, for the user to look at, if the revision has a finding."""
        if not any(each.severity == "error" for each in proof.findings):
            self._runs.clones.drop(before)
            return
        for when, url in {"before": before, "after": self._copy(after)}.items():
            found = self._runs.clones.keep(url, f"{proof.revision[:32]}_{when}")  # at most 63 bytes on PostgreSQL
            proof.kept[when] = redact_url(found) if found else ""


class _Attempt:
    """Finds the stored proof of one revision, or stores a new proof of this revision."""

    def __init__(self, earlier: EarlierProofs, runs: Runs, state: State, revision: Revision) -> None:
        self._earlier = earlier
        self._runs = runs
        self._state = state
        self._revision = revision
        self._name = earlier.name_of(state.name, revision) if earlier.is_on else ""
        self._before, self._applied = state.schema, [*state.applied]
        hints = runs.hints
        self._hints = replace(hints, labels={**hints.labels}, gone={each: {*gone} for each, gone in hints.gone.items()})

    def known(self, *, with_errors: bool) -> EarlierProof | None:
        """Return the stored proof, and note the revision as applied; None if no stored proof can be used.

        Args:
            with_errors: whether a stored proof with errors can be used.
        """
        kept = self._earlier.find(self._name) if self._name else None
        if kept is None or kept.hints != self._about(kept.proof.schema):
            return None
        if kept.proof.schema is None or not (with_errors or all(e.severity == "note" for e in kept.proof.findings)):
            return None
        self._runs.hints.labels |= kept.labels
        self._runs.hints.gone |= kept.gone
        for place, text in kept.written:
            self._runs.hints.written.setdefault(place, {}).setdefault(text, self._revision.id)
        if kept.is_beside:
            self._runs.beside.add(self._revision.id)
        self._state.skip(self._revision.id, kept.proof.schema)
        self._state.name = kept.state
        return kept

    def finish(self, proof: Proof, after: State, *, keeps: bool) -> None:
        """Compute the key of the state after the revision, and store the proof.

        Args:
            proof: the proof.
            after: the state after the revision.
            keeps: whether to store the proof.
        """
        if not self._name:
            return
        after.name = ""
        with self._runs.connected(after.bare) as connection:
            after.name = self._earlier.state_after(self._name, self._revision, after.schema, connection)
        if not keeps or self._revision.id in self._runs.writers:
            return
        hints, old = self._runs.hints, self._hints
        kept = EarlierProof(
            proof,
            self._earlier.files_of(self._revision),
            self._about(proof.schema),
            {each: labels for each, labels in hints.labels.items() if old.labels.get(each) != labels},
            {each: gone for each, gone in hints.gone.items() if old.gone.get(each) != gone},
            [
                (place, text)
                for place, texts in hints.written.items()
                for text, by in texts.items()
                if by == proof.revision
            ],
            self._revision.id in self._runs.beside,
            after.name,
        )
        self._earlier.keep(self._name, kept)

    def _about(self, after: Inventory | None) -> str:
        return hints_about(self._hints, (self._before, after), self._applied)
