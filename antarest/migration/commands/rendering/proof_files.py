"""Renders the result of a proof for other programs: JSON, Markdown, SARIF and the annotations of GitHub."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator

from ...errors.settings.commands import spell
from ...verify import Verification
from ...verify.findings.finding import Finding
from ...verify.findings.kinds import KINDS
from ...verify.target import Target
from .proof import kept_databases, outcome
from .proof_causes import causes
from .proof_groups import LINES, NAMES, NOTE, grouped, place_of, relative

_COMMENT = 65_000  # characters of a comment; GitHub refuses 65,536
_LONGEST = 1_000  # characters of one finding in a comment
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(found: Verification, target: Target) -> str:
    """Return the whole result as JSON."""
    proofs = [
        {
            "revision": proof.revision,
            "engine": proof.engine,
            "irreversible": proof.is_irreversible,
            "earlier": proof.is_earlier,
            "impact": dataclasses.asdict(proof.impact),
        }
        for proof in found.proofs.values()
        if proof.schema
    ]
    findings, explained = [], causes(found, found.findings)
    for each in found.findings:
        path, line = place_of(each, target)
        more = {"title": each.kind.title, "fix": spell(each.fix), "file": str(path), "line": line}
        cause = explained.get(each)
        because = (
            {"cause": {name: getattr(cause, name) for name in ("id", "revision", "engine", "found")}} if cause else {}
        )
        findings.append({**dataclasses.asdict(each), **more, **because})
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
        "kept": [dict(zip(("revision", "engine", "when", "url"), each, strict=True)) for each in kept_databases(found)],
    }
    return json.dumps(data, indent=2)


def _gap(found: Verification, revision: str, engine: str, reason: str) -> dict[str, str]:
    """Return the entry about something that is not proved, with the traceback of an unexpected error."""
    proof = found.proofs.get((revision, engine))
    traceback = proof.tracebacks.get(reason, "") if proof else ""
    more = {"traceback": traceback} if traceback else {}
    return {"revision": revision, "engine": engine, "reason": reason, **more}


def as_markdown(found: Verification) -> str:
    """Return the whole result as Markdown."""
    lines = [f"**{outcome(found)}**", ""]
    if found.findings:
        lines += _table("id", "revision", "engine", "found", "fix")
        for each in found.findings:
            engine = NAMES[each.engine]
            id_ = each.id + _mark([each])
            lines.append(_row(id_, each.revision, engine, each.text, spell(each.fix)))
        lines.append("")
    lines += [*_gaps(found), ""] if found.not_proved else []
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


def as_comment(found: Verification, target: Target) -> str:
    """Return the result as Markdown for a comment on a pull request, which GitHub limits to 65,536 characters."""
    lines = [f"**{outcome(found)}**", "", *_gaps(found)[:LINES]]
    size = sum(map(len, lines))
    groups = sorted(grouped(found, found.findings), key=lambda each: bool(_mark(each.findings)))
    for number, each in enumerate(groups):
        path, line = place_of(each.findings[0], target)
        items = "".join(
            f"\n{'  ' if line is entry.text else '    '}- {_escaped(line)}"
            for entry in each.entries[:LINES]
            for line in entry.lines
        )
        more = f"\n  - and {len(each.entries) - LINES} more" if len(each.entries) > LINES else ""
        place = f"{each.revision or 'the history'} (`{relative(path)}:{line}`)"
        title = f"- **{each.kind.id} {each.kind.title}**{_mark(each.findings)} in {place}"
        fixes = "".join(f"\n  - {spell(fix)}" for fix in each.fixes)
        entry = f"{title}{items}{more}{fixes}"
        size += len(entry) + 1
        if size > _COMMENT:
            lines.append(f"- and {len(groups) - number} more entries, in the file of `--json`")
            break
        lines.append(entry)
    return "\n".join(lines) + "\n"


def _mark(findings: Iterable[Finding]) -> str:
    """Return the mark of a note if all findings are notes; otherwise an empty text."""
    return NOTE if all(each.severity == "note" for each in findings) else ""


def _gaps(found: Verification) -> list[str]:
    """Return one line of Markdown for each entry in `found.not_proved`."""
    return [
        f"- not proved: {revision or 'the history'} on {NAMES[engine]}: {_escaped(reason)}"
        for revision, engine, reason in found.not_proved
    ]


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "\\`*_<>[]|" else each for each in text[:_LONGEST])


def as_sarif(found: Verification, target: Target) -> str:
    """Return the findings as SARIF 2.1.0, a format that services for code review can read.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    used = sorted({each.id for each in found.findings})
    rules = [
        {
            "id": id_,
            "shortDescription": {"text": KINDS[id_].title},
            "fullDescription": {"text": KINDS[id_].why},
            "help": {"text": spell(KINDS[id_].fix)},
        }
        for id_ in used
    ]
    results = []
    for each in found.findings:
        path, line = place_of(each, target)
        place = {"artifactLocation": {"uri": relative(path)}, "region": {"startLine": line}}
        level = "error" if each.severity == "error" else "note"
        results.append(
            {
                "ruleId": each.id,
                "level": level,
                "message": {"text": _sentence(each)},
                "locations": [{"physicalLocation": place}],
            }
        )
    run = {
        "tool": {"driver": {"name": "antarest-verify", "rules": rules}},
        "invocations": [{"executionSuccessful": found.is_complete and not found.not_proved}],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def as_annotations(found: Verification, target: Target) -> Iterator[str]:
    """Yield each finding as a command of GitHub Actions, which shows the finding at its file and line.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    for each in found.findings:
        path, line = place_of(each, target)
        level = "error" if each.severity == "error" else "notice"
        title = f"{each.id} {each.kind.title}"
        place = f"file={_property(relative(path))},line={line},title={_property(title)}"
        yield f"::{level} {place}::{_data(_sentence(each))}"


def _sentence(finding: Finding) -> str:
    where = " on ".join(filter(None, [finding.revision, NAMES[finding.engine] if finding.engine else ""]))
    return f"{f'{where}: ' if where else ''}{finding.text} - {spell(finding.fix)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
