"""Renders the result of a proof as text, JSON or Markdown. The table of the revisions is in `proof_table`."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from ...errors.text import count, fields, style
from ...verify import Verification
from ...verify.findings.kinds import KINDS, Finding
from ...verify.target import Target
from .proof_table import NAMES

_SHOWN = 12  # findings of one kind, for one revision and engine
_NOT_KEPT = "deleted with its server; ANTAREST_TEST_POSTGRES_URL names a server that goes on"


def head(found: Verification, target: Target) -> str:
    """Render the lines above the proof."""
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    ini = target.project.ini
    project = str(ini if ini.is_file() else target.project.versions[0])
    missing = "; ".join(target.unknown)
    return fields([("verify", project), ("on", f"{engines}, in scratch databases"), ("not read", missing)])


def _style(text: str, findings: Sequence[Finding], stream: TextIO) -> str:
    return style(text, "red" if any(each.severity == "error" for each in findings) else "yellow", stream)


def summary(found: Verification, stream: TextIO) -> str:
    """Render the findings, worst first, then everything that was not proved, and the outcome."""
    lines: list[str] = []
    for id_ in dict.fromkeys(each.id for each in found.findings):
        same = [each for each in found.findings if each.id == id_]
        lines += ["", _style(f"{id_} {KINDS[id_].title}", same, stream)]
        lines += _lines(same)
        lines.append(f"  {style(KINDS[id_].fix, 'dim', stream)}")
    if found.not_proved:
        lines += ["", style("not proved", "yellow", stream)]
        lines += [
            f"  {revision or 'the history'} on {NAMES[engine]}: {why}" for revision, engine, why in found.not_proved
        ]
    if found.not_checked or found.not_tried:
        lines += ["", style("not checked", "yellow", stream)]
        lines += [f"  {what}: {why}" for what, why in found.not_checked.items()]
        lines += [
            f"  {revision or 'the history'} on {NAMES[engine]}: {why}" for revision, engine, why in found.not_tried
        ]
    if kept := _kept(found):
        lines += ["", style("kept, with rows", "bold", stream)]
        lines += [f"  {when} {revision} on {NAMES[engine]}: {url or _NOT_KEPT}" for revision, engine, when, url in kept]
    return "\n".join([*lines, *([""] if lines else []), outcome(found)])


def _lines(same: Sequence[Finding]) -> Iterator[str]:
    """Render the findings of one kind: the first ones of each revision and engine. JSON and Markdown have all."""
    is_mixed = len({each.severity for each in same}) > 1
    shown: Counter[str] = Counter()
    for each in same:
        where = _where(each)
        shown[where] += 1
        if shown[where] <= _SHOWN:
            note = "note: " if is_mixed and each.severity == "note" else ""
            yield f"  {note}{where}{each.found}{_expected(each)}"
    yield from (f"  {where}and {number - _SHOWN} more" for where, number in shown.items() if number > _SHOWN)


def _kept(found: Verification) -> list[tuple[str, str, str, str]]:
    """The databases that were kept: revision, engine, "before" or "after", and URL."""
    proofs = found.proofs.values()
    return [(proof.revision, proof.engine, when, url) for proof in proofs for when, url in proof.kept.items()]


def _where(finding: Finding) -> str:
    parts = [part for part in (finding.revision, NAMES[finding.engine] if finding.engine else "") if part]
    return f"{', '.join(parts)}: " if parts else ""


def _expected(finding: Finding) -> str:
    return f" (expected: {finding.expected})" if finding.expected else ""


def outcome(found: Verification) -> str:
    """Render the outcome in one line."""
    notes = len(found.findings) - len(found.errors)
    counts = f"{count(len(found.errors), 'finding')}, {count(notes, 'note')}" if found.findings else "no findings"
    missing = f", {len(found.not_proved)} not proved" if found.not_proved else ""
    end = "" if found.is_complete else "; interrupted"
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    return f"{counts}{missing}: {count(len(found.revisions), 'revision')} on {engines} in {found.seconds:.1f} s{end}"


def as_json(found: Verification) -> str:
    """Render everything as JSON."""
    proofs = [
        {
            "revision": proof.revision,
            "engine": proof.engine,
            "irreversible": proof.is_irreversible,
            "impact": dataclasses.asdict(proof.impact),
        }
        for proof in found.proofs.values()
        if proof.schema
    ]
    findings = [{**dataclasses.asdict(each), "title": each.kind.title, "fix": each.kind.fix} for each in found.findings]
    data = {
        "complete": found.is_complete and bool(proofs) and not found.not_proved,
        "clean": not found.errors and not found.not_proved,
        "engines": found.engines,
        "seconds": round(found.seconds, 3),
        "findings": findings,
        "not_proved": [_gap(found, *each) for each in found.not_proved],
        "not_tried": [dict(zip(("revision", "engine", "reason"), each, strict=True)) for each in found.not_tried],
        "not_checked": found.not_checked,
        "proofs": proofs,
        "kept": [dict(zip(("revision", "engine", "when", "url"), each, strict=True)) for each in _kept(found)],
    }
    return json.dumps(data, indent=2)


def _gap(found: Verification, revision: str, engine: str, reason: str) -> dict[str, str]:
    """Something that is not proved, with the traceback if an unexpected error is the reason."""
    proof = found.proofs.get((revision, engine))
    traceback = proof.tracebacks.get(reason, "") if proof else ""
    more = {"traceback": traceback} if traceback else {}
    return {"revision": revision, "engine": engine, "reason": reason, **more}


def tracebacks(found: Verification) -> str:
    """Render the tracebacks of all unexpected errors."""
    return "\n".join(text for proof in found.proofs.values() for text in proof.tracebacks.values())


def as_markdown(found: Verification) -> str:
    """Render everything as Markdown, for a pull request."""
    lines = [f"**{outcome(found)}**", ""]
    if found.findings:
        lines += _table("id", "revision", "engine", "found", "fix")
        for each in found.findings:
            engine = NAMES[each.engine]
            lines.append(_row(each.id, each.revision, engine, each.found + _expected(each), each.kind.fix))
        lines.append("")
    if found.not_checked:
        lines += [f"Not checked: {'; '.join(f'{what}: {why}' for what, why in found.not_checked.items())}.", ""]
    lines += _table("revision", "engine", "seconds", "locks", "rewritten", "rows written")
    for proof in found.proofs.values():
        if proof.schema:
            impact = proof.impact
            locks = ", ".join(f"{table}: {mode}" for table, mode in impact.locks.items())
            written = ", ".join(f"{table}: {rows}" for table, rows in impact.written.items())
            seconds, rewritten = f"{impact.seconds:.2f}", ", ".join(impact.rewritten)
            lines.append(_row(proof.revision, NAMES[proof.engine], seconds, locks, rewritten, written))
    return "\n".join(lines) + "\n"


def _table(*names: str) -> list[str]:
    return [_row(*names), "|---" * len(names) + "|"]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
