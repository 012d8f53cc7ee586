"""Finds the findings that another finding explains. A report shows them below the finding that is their cause."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from ...schema.inventory import Inventory
from ...verify import Verification
from ...verify.findings.finding import Finding

_SCHEMA = ("V403", "V404", "V405")
_ROWS = ("V501", "V502", "V504")
_EXPLAINED: dict[str, Collection[str]] = {
    "V301": ("V404",),  # If a type is missing, the proof creates it, and the downgrade may leave it behind.
    "V310": ("V402",),
    "V506": ("V403", "V404", "V305", "V601", "V602", "V701"),
    **dict.fromkeys(_SCHEMA, ("V305", "V402", "V502", "V504", "V505")),
    "V601": ("V602", "V603", "V701", "V704"),
    "V501": ("V504", "V603"),
    "V502": ("V504",),
    "V504": ("V603",),
    "V701": ("V704",),
}
"""For each kind of finding, the kinds of findings about the same object that it can cause."""


def causes(found: Verification, findings: Collection[Finding]) -> dict[Finding, Finding]:
    """Return the cause of each finding that another finding explains.

    Args:
        found: the result of the proof, which has the schemas with the foreign keys.
        findings: the findings, which are both the possible causes and the possible consequences.

    Returns:
        A mapping from each explained finding to its cause. A cause is never a consequence of another finding.
    """
    direct: dict[Finding, Finding] = {}
    possible = [each for each in findings if each.id in _EXPLAINED]
    for each in findings:
        others = (other for other in possible if other != each and _is_at(other, each) and other.severity == "error")
        if cause := next((other for other in others if _explains(found, other, each)), None):
            direct[each] = cause
    return {each: _first(direct, each) for each in direct if _first(direct, each) != each}


def _first(direct: dict[Finding, Finding], finding: Finding) -> Finding:
    """Return the first cause of a finding: the cause of its cause, and so on. In a circle, return `finding`."""
    seen = [finding]
    while (cause := direct.get(seen[-1])) is not None:
        if cause in seen:
            return finding
        seen.append(cause)
    return seen[-1]


def _is_at(cause: Finding, finding: Finding) -> bool:
    """Return whether a finding is at a place where `cause` can explain the finding.

    Both findings have to be on the same engine and at the same revision. Some causes also explain findings about the
    history as a whole.
    """
    is_there = finding.revision == cause.revision or (not finding.revision and cause.id in {"V506", "V601"})
    return is_there and (finding.engine == cause.engine or "" in {finding.engine, cause.engine})


def _explains(found: Verification, cause: Finding, finding: Finding) -> bool:
    is_possible = finding.id in _EXPLAINED[cause.id] and not (finding.id in _ROWS and _is_about_no_rows(cause))
    if is_possible and _is_about_the_same(cause, finding):
        return True
    return cause.id in _ROWS and finding.id in _ROWS and _refers(found, finding, cause)


def _is_about_no_rows(cause: Finding) -> bool:
    """Return whether a finding is about an index or a constraint, which hold no values that can be lost."""
    return bool(cause.table) and cause.item != cause.table and not cause.item.startswith(f"{cause.table}.")


def _is_about_the_same(cause: Finding, finding: Finding) -> bool:
    if not (cause.table and finding.table):
        words = _words(cause.item)
        return bool(words) and words <= _words(finding.item, finding.found)
    if cause.table != finding.table:
        return False
    if cause.item == finding.item or cause.table in {cause.item, finding.item}:
        return True
    name, other = (each.item.removeprefix(f"{each.table}.") for each in (cause, finding))
    if name != cause.item and other != finding.item:  # They are about two columns.
        return False
    return name in _words(finding.item, finding.found) or other in _words(cause.item, cause.found)


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _refers(found: Verification, finding: Finding, cause: Finding) -> bool:
    """Return whether a foreign key in the table or column of a finding refers to the table or column of the cause."""
    return any(
        key.referred_table == cause.table
        and cause.item in {cause.table, *(f"{cause.table}.{name}" for name in key.referred_columns)}
        and finding.item in {finding.table, *(f"{finding.table}.{name}" for name in key.columns)}
        for schema in _schemas(found, finding)
        if finding.table in schema.tables and finding.item != cause.item
        for key in schema.tables[finding.table].foreign_keys
    )


def _schemas(found: Verification, finding: Finding) -> Iterable[Inventory]:
    proof = found.proofs.get((finding.revision, finding.engine))
    return [each for each in (proof.before, proof.schema) if each] if proof else []
