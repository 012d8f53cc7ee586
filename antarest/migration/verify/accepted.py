"""Makes the baseline of a project from the findings of a proof, and applies the baseline to later proofs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..errors.baseline import Baseline, digest_of
from ..project.project import Project
from . import Verification
from .findings.finding import Finding

_LOSSES = {"V501": "upgrade", "V502": "downgrade"}
_ITEM = re.compile(r"\d[\d,]* (?:rows?|values?) of (?P<item>.+)")


def accept(project: Project, found: Verification, drift: Sequence[str]) -> Baseline:
    """Return the baseline that accepts the findings of a proof and the differences in `drift`.

    Args:
        project: the project that adopts the workflow.
        found: the proof of the project's history.
        drift: the differences between the project's models and its migrations.
    """
    losses: dict[str, dict[str, list[str]]] = {}
    for each in found.findings:
        if (direction := _LOSSES.get(each.id)) and (item := _ITEM.fullmatch(each.found)):
            of = losses.setdefault(each.revision, {}).setdefault(direction, [])
            of += [] if item["item"] in of else [item["item"]]
    history = project.history
    digests = {id_: digest_of(history[id_].path) for id_ in history.order}
    return Baseline(digests, sorted(map(_key, found.errors)), losses, sorted(drift))


def apply_baseline(project: Project, found: Verification) -> None:
    """Turn the findings that the baseline of the project accepts into notes."""
    if not project.baseline.findings:
        return
    history = project.history
    found.findings = [
        replace(each, severity="note")
        if project.baseline.accepts(_key(each), history[each.revision].path if each.revision else None)
        else each
        for each in found.findings
    ]


def _key(finding: Finding) -> tuple[str, str, str, str]:
    return finding.id, finding.revision, finding.engine, finding.found
