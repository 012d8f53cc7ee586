"""Renders the result of a proof as text. The table of the revisions is in `proof_table`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TextIO

from ...errors.settings.commands import spell
from ...errors.text import count, fields, shorten, style
from ...verify import Verification
from ...verify.target import Target
from .proof_groups import LINES, NAMES, NOTE, FindingGroup, file_of, grouped, relative

_KINDS = 6  # kinds in the list at the top, so that all of it has about ten lines
_REASONS = 3  # reasons in this list for missing proofs

_ALWAYS = ("V509", "V510")  # notes that are always listed, because they report failures

# The first digits of the ids. Lost or wrong rows are worse than an upgrade that fails, since no error reports them.
_WORST_FIRST = "153946782"
_NOT_KEPT = "deleted with its server; ANTAREST_TEST_POSTGRES_URL names a server that goes on"


def head(found: Verification, target: Target) -> str:
    """Return the lines above the proof: the project, the engines, and the options that were not read."""
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    missing = "; ".join(target.unknown)
    return fields([("project", str(target.place)), ("on", f"{engines}, in scratch databases"), ("not read", missing)])


def summary(found: Verification, target: Target, stream: TextIO, *, notes: bool = False) -> str:
    """Return the result: a short list of the kinds of findings, the findings by revision, and the outcome.

    Args:
        found: the result of the proof.
        target: the project, for the files of its revisions.
        stream: the stream to which the text will be written. On a terminal, the text has colours.
        notes: whether all notes are listed. Otherwise only the number is given for notes that report no failure.
    """
    shown = [each for each in found.findings if notes or each.severity == "error" or each.id in _ALWAYS]
    hidden = Counter(each.id for each in found.findings if each not in shown)
    groups = grouped(found, shown)
    parts = [_overview(found, groups, hidden, stream), _by_revision(groups, target, stream)]
    if kept := kept_databases(found):
        places = [f"  {when} {revision} on {NAMES[engine]}: {url or _NOT_KEPT}" for revision, engine, when, url in kept]
        parts.append([style("kept, with rows", "bold", stream), *places])
    return "\n".join([*(line for part in parts if part for line in ["", *part]), "", outcome(found)])


def _overview(found: Verification, groups: Sequence[FindingGroup], hidden: Counter[str], stream: TextIO) -> list[str]:
    """Return the number of findings of each kind, and everything that was not proved or not checked."""
    lines: list[str] = []
    errors = {each.kind for each in groups if each.is_error}
    kinds_found = {each.kind for each in groups}
    for kind in sorted(kinds_found, key=lambda kind: (kind not in errors, _WORST_FIRST.index(kind.id[1]), kind.id)):
        mine = [each for each in groups if each.kind == kind]
        revisions = [each.revision for each in mine if each.revision]
        place = f" in {shorten(revisions)}" if revisions else ""
        colour = "red" if kind in errors else "yellow"
        title = f"{kind.title}{'' if kind in errors else NOTE}"
        lines.append(f"{style(kind.id, colour, stream)} {title}: {sum(len(each.entries) for each in mine)}{place}")
    if len(lines) > _KINDS:
        lines[_KINDS:] = [f"and {count(len(lines) - _KINDS, 'more kind')}, see below"]
    if hidden:
        kinds = shorten([f"{id_} {number}" for id_, number in hidden.most_common()])
        lines.append(f"{style('notes', 'yellow', stream)}: {kinds}; --notes lists them")
    unchecked = [*(f"{what}: {why}" for what, why in found.not_checked.items()), *_by_reason(found.not_tried)]
    if number := sum(each.is_earlier for each in found.proofs.values()):
        what = f"{number} of {len(found.proofs)} results: nothing has changed on which they depend"
        lines.append(f"from earlier runs: {what} ({found.earlier})")
    return (
        lines
        + _missing("not proved", _by_reason(found.not_proved), stream)
        + _missing("not checked", unchecked, stream)
    )


def _missing(title: str, reasons: Sequence[str], stream: TextIO) -> list[str]:
    more = [f"and {len(reasons) - _REASONS} more, in the file of --json"] if len(reasons) > _REASONS else []
    return [f"{style(title, 'yellow', stream)}: {each}" for each in [*reasons[:_REASONS], *more]]


def _by_reason(missing: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return lines about everything that was not proved or tried. Revisions with the same reason share a line."""
    same: dict[tuple[str, str], list[str]] = {}
    for revision, engine, why in missing:
        same.setdefault((engine, why), []).append(revision or "the history")
    return [f"{shorten(ids)} on {NAMES[engine]}: {why}" for (engine, why), ids in same.items()]


def _by_revision(groups: Sequence[FindingGroup], target: Target, stream: TextIO) -> list[str]:
    lines: list[str] = []
    explained: set[str] = set()
    revision: str | None = None
    for each in groups:
        if each.revision != revision:
            revision = each.revision
            path = relative(file_of(revision, target))
            lines += [*([""] if lines else []), f"{style(revision or 'the history', 'bold', stream)}  {path}"]
        title = f"{each.kind.id} {each.kind.title}{'' if each.is_error else NOTE}"
        lines.append(f"  {style(title, 'red' if each.is_error else 'yellow', stream)}")
        for entry in each.entries[:LINES]:
            lines += [f"{'    ' if line is entry.text else '      '}{line}" for line in entry.lines]
        if (more := len(each.entries) - LINES) > 0:
            lines.append(f"    and {more} more of this kind, in the file of --json")
        lines += [f"    {style(spell(fix), 'dim', stream)}" for fix in each.fixes if fix not in explained]
        explained.update(each.fixes)
    return lines


def tracebacks(found: Verification) -> str:
    """Return the tracebacks of all unexpected errors."""
    return "\n".join(text for proof in found.proofs.values() for text in proof.tracebacks.values())


def kept_databases(found: Verification) -> list[tuple[str, str, str, str]]:
    """Return the revision, the engine, "before" or "after", and the URL of each database that was kept."""
    proofs = found.proofs.values()
    return [(proof.revision, proof.engine, when, url) for proof in proofs for when, url in proof.kept.items()]


def outcome(found: Verification) -> str:
    """Return the outcome of the proof in one line."""
    notes = len(found.findings) - len(found.errors)
    causes = sum(len(each.entries) for each in grouped(found, found.errors))
    of_causes = f" of {count(causes, 'cause')}" if causes < len(found.errors) else ""
    counts = f"{count(len(found.errors), 'finding')}{of_causes}, {count(notes, 'note')}"
    counts = counts if found.findings else "no findings"
    missing = f", {len(found.not_proved)} not proved" if found.not_proved else ""
    end = "" if found.is_complete else "; interrupted"
    engines = " and ".join(NAMES[engine] for engine in found.engines)
    return f"{counts}{missing}: {count(len(found.revisions), 'revision')} on {engines} in {found.seconds:.1f} s{end}"
