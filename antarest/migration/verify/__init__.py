"""The proof of a history: every revision, up and down, on both engines, with rows in the tables.

It runs on scratch databases only, and on any project of Alembic; `env.py` is not run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ..errors.base import AntarestError
from ..errors.facts.project import InvalidRevisionFile
from ..errors.settings.urls import ENGINES
from ..schema.across_engines import parity
from ..scratch.databases import EngineName, PostgresServer
from . import engines as processes
from .findings import static
from .findings.behaviour import unlike
from .findings.kinds import KINDS, Finding, Kind, worst_first
from .findings.proof import Proof
from .target import Target

__all__ = ["KINDS", "Finding", "Kind", "Proof", "Target", "Verification", "prove_history"]

_ALIEN = ("TIMESTAMP WITH TIME ZONE", "INTERVAL")


@dataclass
class Verification:
    """What was proved of a history.

    Attributes:
        engines: on which engines.
        revisions: which revisions, in their order.
        proofs: by revision and engine, what was proved; "" stands for the history as a whole.
        findings: what is wrong, worst first.
        seconds: how long it took.
        is_whole: whether the heads are among them, and so the history as a whole is proved too.
        is_complete: whether it ran to the end.
        not_checked: what was not looked at, and why.
    """

    engines: tuple[EngineName, ...]
    revisions: tuple[str, ...] = ()
    proofs: dict[tuple[str, str], Proof] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0
    is_whole: bool = False
    is_complete: bool = False
    not_checked: dict[str, str] = field(default_factory=dict)

    @property
    def not_proved(self) -> list[tuple[str, str, str]]:
        """What could not be tried: revision, engine and reason."""
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
        """The findings that are more than a note."""
        return [each for each in self.findings if each.severity == "error"]

    def of(self, revision: str, engine: str = "") -> list[Finding]:
        """The findings of one revision, on one engine or of both together."""
        return [each for each in self.findings if (each.revision, each.engine) == (revision, engine)]


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
        found: names the engines; it grows while it runs, for whoever is interrupted.
        select: which revisions; all, where it is missing.
        rows: how many rows a table gets at least.
        since: the project with its revisions as they were applied elsewhere, where they differ.
        server: where to make the databases of PostgreSQL; without it one is found or started.
        keep: whether the databases around a revision with a finding are kept.
        on_proof: called for each revision and engine.

    Returns:
        What was found.

    Raises:
        NoPostgres: there is no PostgreSQL to be had.
        AntarestError: the project cannot be proved.
    """
    began = time.monotonic()
    target.import_paths()
    if _is_readable(target, found):
        wanted = set(select(target)) if select else set(target.history.order)
        found.revisions = target.history.in_order(wanted)
        found.is_whole = wanted.issuperset(target.history.heads) or bool(since)
        found.not_checked |= _not_checked(target, found)
        _add(found, *static.findings(target, wanted))
        differing: set[str] = set()
        plan = processes.Plan(target, frozenset(wanted), rows, found.is_whole, tuple(since), keep)
        for proof in processes.prove(plan, found.engines if wanted or since else (), server):
            found.proofs[proof.revision, proof.engine] = proof
            _add(found, *proof.findings)
            _compare(found, proof.revision, differing, is_own=target.is_own)
            found.seconds = time.monotonic() - began
            on_proof(proof)
    found.is_complete, found.seconds = True, time.monotonic() - began
    return found


def _not_checked(target: Target, found: Verification) -> dict[str, str]:
    """What cannot be looked at, and why."""
    reasons = {
        "the models": "" if target.metadata_name else "no metadata is named",
        "the history as a whole": "" if found.is_whole else "the head is not among the revisions",
        "one engine against the other": "" if len(found.engines) > 1 else "only one was asked for",
        "rollback.sh": "[antarest] rollback_script is not set"
        if target.is_own and not target.project.rollback_script
        else "",
    }
    return {what: why for what, why in reasons.items() if why}


def _is_readable(target: Target, result: Verification) -> bool:
    try:
        _ = target.history, target.script
    except SyntaxError as error:
        _add(result, Finding.of("V106", f"{error.filename}, line {error.lineno}: {error.msg}"))
    except InvalidRevisionFile as error:
        _add(result, Finding.of("V106", error.message))
    except AntarestError as error:
        _add(result, Finding.of("V102", "; ".join((error.message, *error.details.values()))))
    else:
        return True
    return False


def _compare(result: Verification, revision: str, differing: set[str], *, is_own: bool) -> None:
    """Parity, once both engines have proved a revision; what differed before is no finding of this one."""
    sides = [result.proofs.get((revision, engine)) for engine in ENGINES]
    if not all(sides):
        return
    _add(result, *(Finding.of("V602", each) for each in unlike(*(side.behaviour for side in sides if side))))
    schemas = [side.schema for side in sides if side and side.schema]
    if len(schemas) == len(sides):
        for each in parity(*schemas):
            text = each.render(*ENGINES.values())
            # SQLite has no such types: nobody can mend that, and whoever keeps times so may have reasons.
            is_alien = each.aspect == "type" and each.after in _ALIEN and not is_own
            if text not in differing:
                _add(result, Finding.of("V601", text, revision, **({"severity": "note"} if is_alien else {})))
            differing.add(text)


def _add(result: Verification, *findings: Finding) -> None:
    result.findings = worst_first([*result.findings, *findings])
