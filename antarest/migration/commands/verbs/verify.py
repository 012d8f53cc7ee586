"""The command `db.verify`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ...database.signals import stoppable
from ...errors.base import EXIT_DONE, Hint
from ...errors.facts.configuration import UsageError
from ...errors.facts.refusal import VerifyFailed
from ...errors.revision import BASE
from ...verify import Verification, prove_history
from ...verify.findings.proof import Proof
from ...verify.foreign import target_of
from ...verify.since import added, applied_at
from ...verify.target import Target
from ..rendering import proof, proof_table

if TYPE_CHECKING:
    from ...scratch.databases import EngineName
    from ..boundary import Session

_ENGINES: dict[str, tuple[EngineName, ...]] = {
    "both": ("sqlite", "postgresql"),
    "sqlite": ("sqlite",),
    "postgresql": ("postgresql",),
}
_ROWS = "3"
_VERB = "inv db.verify"


def verify(
    session: Session,
    *,
    engine: str | None = None,
    revisions: str | None = None,
    new: bool = False,
    rows: str | None = None,
    json: str | None = None,
    markdown: str | None = None,
    versions: str | None = None,
    metadata: str | None = None,
    rows_from: str | None = None,
    since: str | None = None,
    keep: bool = False,
) -> int:
    """Prove every revision on both engines, up and down, with rows in the tables; on any Alembic project."""
    if (engine or "both") not in _ENGINES:
        raise _usage(f"--engine must be one of {', '.join(_ENGINES)}, not {engine!r}", "--engine=both")
    if not re.fullmatch(r"[1-9][0-9]{0,6}", rows or _ROWS):
        raise _usage(f"--rows must be a whole number from 1 to 9999999, not {rows!r}", f"--rows={_ROWS}")
    if new and revisions:
        raise _usage("--new and --revisions cannot be given together", "--new")
    for flag, path in (("--json", json), ("--markdown", markdown)):
        if path and (Path(path).is_dir() or not Path(path).parent.is_dir()):  # Not at the end, when all is proved.
            raise _usage(f"{flag} must be a file in a folder that exists, not {path!r}", f"{flag}=FILE")
    found = Verification(_ENGINES[engine or "both"])
    target = target_of(session.project_name, versions, metadata, rows_from)
    select = added if new else _between(revisions) if revisions else None
    printer = _Printer(session, found)
    session.print(proof.head(found, target))
    with stoppable(), applied_at(target, since) as old:  # Else SIGTERM would leave processes and databases behind.
        try:
            number = int(rows or _ROWS)
            prove_history(target, found, select=select, rows=number, since=old, keep=keep, on_proof=printer.hear)
        finally:
            session.progress.stop()
            if found.is_complete or found.proofs:  # Else nothing was proved, and the error says why.
                session.print(proof.summary(found, sys.stdout))
                for path, text in ((json, proof.as_json), (markdown, proof.as_markdown)):
                    if path:
                        _write(Path(path), text(found))
    if found.errors:
        raise VerifyFailed(len(found.errors))
    return EXIT_DONE


class _Printer:
    """Prints a line for each revision that every engine has proved; a terminal shows those that are begun, too."""

    _AHEAD = 8  # lines that are shown before they are whole: one engine is faster than the other

    def __init__(self, session: Session, found: Verification) -> None:
        self._session = session
        self._found = found
        self._printed = 0

    def hear(self, proof: Proof) -> None:
        """Something was proved."""
        found, lines = self._found, [*self._found.revisions, *([""] if self._found.is_whole else [])]
        for line in lines[self._printed :]:
            if not all((line, engine) in found.proofs for engine in found.engines):
                break
            self._session.progress.stop()
            if not self._printed:
                self._session.print(proof_table.head(found))
            self._session.print(proof_table.line(found, line, sys.stdout))
            self._printed += 1
        left = lines[self._printed : self._printed + self._AHEAD]
        begun = [line for line in left if any((line, engine) in found.proofs for engine in found.engines)]
        shown = [*([] if self._printed else proof_table.head(found).splitlines())] if begun else []
        shown += [proof_table.line(found, line, sys.stdout) for line in begun]
        shown.append(f"{proof_table.NAMES[proof.engine]} has proved {proof.revision or 'the whole'}")
        self._session.progress.block(shown, proof_table.width(found))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _usage(f"{path} cannot be written: {error.strerror}", "--json=FILE") from error


def _usage(message: str, right: str) -> UsageError:
    return UsageError(message, hints=[Hint("Write it so", f"{_VERB} {right}")])


def _between(revisions: str) -> Callable[[Target], Collection[str]]:
    """Those from A to B, both among them: `A:B`, `A:` or `:B`; `A` alone is that one."""

    def select(target: Target) -> Collection[str]:
        history = target.history
        first, colon, last = revisions.partition(":")
        if not colon:
            chosen = history.resolve(revisions)
            return [] if chosen == BASE else [chosen]
        if last == BASE:
            return []
        upto = history.applied([history.resolve(last)]) if last else frozenset(history.order)
        if not first or first == BASE:
            return upto
        built_on = {history.resolve(first)} & upto
        for id_ in history.in_order(upto):
            if not built_on.isdisjoint(history[id_].predecessors):
                built_on.add(id_)
        return built_on

    def select_some(target: Target) -> Collection[str]:
        if not (chosen := select(target)):
            raise _usage(f"--revisions={revisions} names no revision", "--revisions=A:B")
        return chosen

    return select_some
