"""The proof of the revisions of a history on one engine, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import URL

from ...errors.revision import Revision
from ...errors.settings.urls import redact_url
from ...schema.inventory import Inventory
from ...scratch.databases import EngineName
from ..clones import Clones
from ..env_run import EnvRun, run_env, with_options_of_env
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
        since: the project with earlier versions of its revisions, which other databases have run; empty if there are
            none.
        keep: whether to keep the databases before and after each revision that has a finding.
    """

    target: Target
    wanted: frozenset[str]
    rows: int
    is_whole: bool
    since: tuple[Target, ...] = ()
    keep: bool = False

    def for_another_process(self, engine: EngineName) -> ProofPlan:
        """Return the same plan for one engine, in a form that can be sent to another process."""
        since = tuple(replace(each, engine=engine) for each in self.since)
        return replace(self, target=replace(self.target, engine=engine), since=since)


class Prover:
    """Runs the revisions of a history upwards, and proves those that are wanted."""

    def __init__(self, plan: ProofPlan, clones: Clones) -> None:
        ran = EnvRun()
        target = plan.target
        if target.run_env is not None:
            url = clones.new()
            with clones.connected(url) as connection:
                ran = run_env(target, connection, url)
            target = with_options_of_env(target, ran)
            clones.settings = [each for each in ran.statements if each.lstrip().upper().startswith("SET ")]
        self._plan = plan
        self._target = target
        self._runs = Runs(target, clones, plan.rows)
        self._runs.preparation = tuple(each for each in ran.statements if each not in clones.settings)
        self._runs.refused = tuple(ran.refused)
        self._states = [State.empty(self._runs)]
        self._start: Inventory | None = None  # the schema before the first wanted revision
        self._blocked: dict[str, str] = {}  # by revision, the one behind which nothing runs

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
            self._prove(proof, history[id_])
            # A revision that fails before those that are wanted is a finding too: it stops them.
            if id_ in wanted or proof.has(*_FAILED):
                yield proof
        if self._plan.is_whole:
            yield prove_whole(self._runs, self._plan.since, self._states, self._blocked, self._start)

    def _note_start(self, proof: Proof) -> None:
        """Note the state before the wanted revisions, because these did not cause the differences in it."""
        start = self._states[0]
        self._start = proof.before = start.schema
        if start.applied and self._plan.is_whole:
            with proof.trying("the changes to rows before the revisions"):
                filled = start.filled(everywhere)
                with self._runs.connected_as_application(filled.url) as connection:
                    proof.behaviour = behaviour(connection, start.schema, filled.rows)

    def _prove(self, proof: Proof, revision: Revision) -> None:
        below = {self._blocked[each] for each in revision.predecessors if each in self._blocked}
        state = self._state_of(revision)
        if below or state is None:
            proof.not_proved.append(f"it follows {', '.join(sorted(below))}, which does not run")
            self._blocked[revision.id] = min(below, default=revision.id)
            return
        before = self._copy(state) if self._plan.keep else None
        after: State | None = None
        with proof.trying("the upgrade"):
            after = prove_revision(self._runs, proof, revision, state, is_wanted=revision.id in self._plan.wanted)
        if after is None:
            self._blocked[revision.id] = revision.id
        elif after not in self._states:
            self._take(after, state)
        if before:
            self._keep_databases(proof, before, after)

    def _state_of(self, revision: Revision) -> State | None:
        """Return the database in which the revisions below this one have run; None if there is none."""
        below = set(revision.predecessors)
        return next((state for state in self._states if below <= {*state.applied}), None)

    def _take(self, after: State, before: State) -> None:
        """Store the state `after` a revision.

        It replaces `before`, unless it lacks a revision that `before` has run.
        """
        if {*before.applied} <= {*after.applied}:
            self._states[self._states.index(before)] = after
        else:
            self._states.append(after)

    def _copy(self, state: State) -> URL:
        return self._runs.clones.copy(state.filled(everywhere).url)

    def _keep_databases(self, proof: Proof, before: URL, after: State | None) -> None:
        """Keep the databases before and after a revision that has a finding, so that the user can look at them."""
        if not any(each.severity == "error" for each in proof.findings):
            self._runs.clones.drop(before)
            return
        databases = {"before": before, "after": self._copy(after) if after else None}
        for when, url in databases.items():
            if url:
                found = self._runs.clones.keep(url, f"{proof.revision[:32]}_{when}")  # PostgreSQL has 63 bytes.
                proof.kept[when] = redact_url(found) if found else ""
