"""The proof of a history: every revision runs up and down, on both engines, with rows in the tables.

The proof uses only scratch databases. It works on any Alembic project. It runs `env.py` only if the user asks for this.
"""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors.base import AntarestError
from ..errors.facts.project import InvalidRevisionFile
from ..errors.settings.urls import ENGINES
from ..project.revision_files import importing, listed
from ..scratch.databases import EngineName, PostgresServer
from ..scratch.runner import without_output
from . import processes
from .comparison import EngineComparison
from .findings import static
from .findings.finding import Finding, worst_first
from .findings.proof import Proof
from .proving.prover import ProofPlan
from .target import Target


@dataclass
class Verification:
    """The result of the proof of a history. It grows while the proof runs.

    Attributes:
        engines: the engines on which the revisions are proved.
        revisions: the ids of the revisions to prove, in the order of the history.
        proofs: a mapping from a revision and an engine to the proof. The revision "" stands for the history as a whole.
        findings: the faults and notes, worst first.
        seconds: the duration of the proof.
        is_whole: whether the history as a whole is proved too.
        is_complete: whether the proof ran to its end.
        not_checked: the checks that were not made, each with the reason.
        comparison: compares the proofs of each revision on both engines.
        earlier: the folder with the stored proofs; None to store no proofs.
    """

    engines: tuple[EngineName, ...]
    revisions: tuple[str, ...] = ()
    proofs: dict[tuple[str, str], Proof] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0
    is_whole: bool = False
    is_complete: bool = False
    not_checked: dict[str, str] = field(default_factory=dict)
    comparison: EngineComparison = field(default_factory=EngineComparison)
    earlier: Path | None = None

    @property
    def not_proved(self) -> list[tuple[str, str, str]]:
        """Everything that could not be proved, with the revision, the engine and the reason."""
        found = [(each.revision, each.engine, reason) for each in self.proofs.values() for reason in each.not_proved]
        missing = [
            (revision, engine, "it was not reached")
            for revision in self.revisions
            for engine in self.engines
            if (revision, engine) not in self.proofs
        ]
        return found + missing

    @property
    def errors(self) -> list[Finding]:
        """The findings that are errors, and not notes."""
        return [each for each in self.findings if each.severity == "error"]

    def of(self, revision: str, engine: str = "") -> list[Finding]:
        """Return the findings of one revision on one engine. The engine "" stands for findings about both engines."""
        return [each for each in self.findings if (each.revision, each.engine) == (revision, engine)]

    def add(self, *findings: Finding) -> None:
        """Add findings, and sort all findings again."""
        self.findings = worst_first([*self.findings, *findings])

    @property
    def not_tried(self) -> list[tuple[str, str, str]]:
        """The checks that were left out, each with its revision, engine and reason.

        A proof counts as complete even without these checks.
        """
        return [(each.revision, each.engine, reason) for each in self.proofs.values() for reason in each.not_tried]

    def add_proof(self, proof: Proof, target: Target) -> None:
        """Add a proof with its findings. If both engines have proved the revision, compare their proofs."""
        self.proofs[proof.revision, proof.engine] = proof
        self.add(*proof.findings)
        sides = [self.proofs[proof.revision, engine] for engine in ENGINES if (proof.revision, engine) in self.proofs]
        if len(sides) == len(ENGINES):
            found, current = self.comparison.compare(sides[0], sides[1], target)
            if current is not None:  # A difference that a later revision removes is only a note.
                self.findings = [
                    replace(each, severity="note") if each.id == "V601" and each.found not in current else each
                    for each in self.findings
                ]
            self.add(*found)


def prove_history(
    target: Target,
    found: Verification,
    *,
    select: Callable[[Target], Collection[str]] | None = None,
    rows: int = 3,
    since: Sequence[Target] = (),
    server: PostgresServer | None = None,
    keep: bool = False,
    on_proof: Callable[[Proof], None] = lambda _proof: None,
) -> Verification:
    """Prove the revisions of a project.

    Args:
        target: the project.
        found: the result, which has the engines, but no proofs yet. Each proof is added as soon as the proof is ready.
        select: a function that returns the ids of the revisions to prove; None for all revisions.
        rows: the smallest number of rows that a table gets.
        since: earlier versions of the project. For each version, the proof upgrades a database at the head of this
            version.
        server: the server for the databases of PostgreSQL; None to find or start a server.
        keep: whether to keep the databases before and after each revision that has a finding.
        on_proof: called with each proof.

    Raises:
        NoPostgres, AntarestError: no PostgreSQL is available, or the project cannot be proved.
    """
    began = time.monotonic()
    if _is_readable(target, found):
        wanted = frozenset(select(target) if select else target.history.order)
        found.revisions = target.history.in_order(wanted)
        found.is_whole = wanted.issuperset(target.history.heads) or bool(since)
        _look_at_files(target, found, wanted)
        plan = ProofPlan(target, wanted, rows, found.is_whole, tuple(since), keep, found.earlier)
        for proof in processes.prove(plan, found.engines if wanted or since else (), server):
            found.add_proof(proof, target)
            found.seconds = time.monotonic() - began
            on_proof(proof)
    found.is_complete, found.seconds = True, time.monotonic() - began
    return found


def _look_at_files(target: Target, found: Verification, wanted: Collection[str]) -> None:
    """Add the findings that need no database, and note everything that cannot be checked."""
    found.add(*static.findings(target, wanted))
    is_env_asked = target.models_problem or target.run_env is not None  # The proof itself says what env.py gives.
    names_none = "no metadata is named by [antarest] or --metadata"
    reasons = {
        "the models": "" if target.metadata_name or is_env_asked else names_none,
        "the history as a whole": "" if found.is_whole else "the head is not among the revisions",
        "one engine against the other": "" if len(found.engines) > 1 else "only one was asked for",
        "rollback.sh": "[antarest] rollback_script is not set"
        if target.is_own and not target.project.rollback_script
        else "",
    }
    found.not_checked = {what: why for what, why in reasons.items() if why}


def _broken_files(target: Target) -> list[Finding]:
    """Import each revision file separately, and return all errors. Alembic would stop at the first error."""
    found, folders = list[Finding](), target.project.versions
    for folder, name in listed(folders, recursive=target.project.is_recursive):
        path = Path(folder, name).resolve()
        try:
            with without_output(), importing(folders):
                runpy.run_path(str(path))
        except InvalidRevisionFile as error:
            found.append(Finding.of("V106", error.message, item=name, table=folder))
    return found


def _is_readable(target: Target, found: Verification) -> bool:
    target.import_paths()
    try:
        with without_output():  # A revision may print something when it is imported.
            _ = target.history, target.script
    except SyntaxError as error:
        found.add(Finding.of("V106", f"{error.filename}, line {error.lineno}: {error.msg}"))
    except InvalidRevisionFile as error:
        found.add(*_broken_files(target) or [Finding.of("V106", error.message)])
    except AntarestError as error:
        found.add(Finding.of("V102", "; ".join((error.message, *error.details.values()))))
    else:
        return True
    return False
