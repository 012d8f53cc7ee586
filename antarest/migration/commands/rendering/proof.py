"""What came of a proof: as text, as JSON, and as Markdown. The lines of its revisions are in `table`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TextIO

from ...errors.text import count, fields, style
from ...verify import Verification
from ...verify.findings.kinds import KINDS, Finding
from ...verify.target import Target
from .proof_table import NAMES

_NOT_KEPT = "gone with its server: name one that lives on with ANTAREST_TEST_POSTGRES_URL"


def head(found: Verification, target: Target) -> str:
    """What is about to be proved."""
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    ini = target.project.ini
    project = str(ini if ini.is_file() else target.project.versions[0])
    missing = "; ".join(target.unknown)
    return fields([("verify", project), ("on", f"{engines}, in scratch databases"), ("not understood", missing)])


def _style(text: str, findings: Sequence[Finding], stream: TextIO) -> str:
    return style(text, "red" if any(each.severity == "error" for each in findings) else "yellow", stream)


def summary(found: Verification, stream: TextIO) -> str:
    """The findings, worst first, what could not be proved, and what it came to."""
    lines: list[str] = []
    for id_ in dict.fromkeys(each.id for each in found.findings):
        same = [each for each in found.findings if each.id == id_]
        lines += ["", _style(f"{id_} {KINDS[id_].title}", same, stream)]
        is_mixed = len({each.severity for each in same}) > 1
        for each in same:
            note = "note: " if is_mixed and each.severity == "note" else ""
            lines.append(f"  {note}{_where(each)}{each.found}{_expected(each)}")
        lines.append(f"  {style(KINDS[id_].mend, 'dim', stream)}")
    if found.not_proved:
        lines += ["", style("not proved", "yellow", stream)]
        lines += [
            f"  {revision or 'the history'} on {NAMES[engine]}: {why}" for revision, engine, why in found.not_proved
        ]
    if found.not_checked:
        lines += ["", style("not checked", "yellow", stream)]
        lines += [f"  {what}: {why}" for what, why in found.not_checked.items()]
    if kept := _kept(found):
        lines += ["", style("kept, with rows", "bold", stream)]
        lines += [f"  {when} {revision} on {NAMES[engine]}: {url or _NOT_KEPT}" for revision, engine, when, url in kept]
    return "\n".join([*lines, *([""] if lines else []), outcome(found)])


def _kept(found: Verification) -> list[tuple[str, str, str, str]]:
    """The databases that were kept: revision, engine, when, and its URL."""
    proofs = found.proofs.values()
    return [(proof.revision, proof.engine, when, url) for proof in proofs for when, url in proof.kept.items()]


def _where(finding: Finding) -> str:
    parts = [part for part in (finding.revision, NAMES[finding.engine] if finding.engine else "") if part]
    return f"{', '.join(parts)}: " if parts else ""


def _expected(finding: Finding) -> str:
    return f" (expected: {finding.expected})" if finding.expected else ""


def outcome(found: Verification) -> str:
    """What it came to, in one line."""
    notes = len(found.findings) - len(found.errors)
    said = f"{count(len(found.errors), 'finding')}, {count(notes, 'note')}" if found.findings else "no findings"
    missing = f", {len(found.not_proved)} not proved" if found.not_proved else ""
    end = "" if found.is_complete else "; interrupted"
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    return f"{said}{missing}: {count(len(found.revisions), 'revision')} on {engines} in {found.seconds:.1f} s{end}"


def as_json(found: Verification) -> str:
    """All of it, for machines."""
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
    findings = [
        {**dataclasses.asdict(each), "title": each.kind.title, "mend": each.kind.mend} for each in found.findings
    ]
    data = {
        "complete": found.is_complete,
        "clean": not found.errors,
        "engines": found.engines,
        "seconds": round(found.seconds, 3),
        "findings": findings,
        "not_proved": [dict(zip(("revision", "engine", "reason"), each, strict=True)) for each in found.not_proved],
        "not_checked": found.not_checked,
        "proofs": proofs,
        "kept": [dict(zip(("revision", "engine", "when", "url"), each, strict=True)) for each in _kept(found)],
    }
    return json.dumps(data, indent=2)


def as_markdown(found: Verification) -> str:
    """All of it, for a pull request."""
    lines = [f"**{outcome(found)}**", ""]
    if found.findings:
        lines += _table("id", "revision", "engine", "found", "to mend it")
        for each in found.findings:
            engine = NAMES[each.engine]
            lines.append(_row(each.id, each.revision, engine, each.found + _expected(each), each.kind.mend))
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
