"""Puts the findings of a proof in the order of a report, and returns the file and line of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors.settings.urls import ENGINES
from ...verify import Verification
from ...verify.findings.kinds import KINDS, Finding, FindingKind
from ...verify.target import Target

LINES = 4
"""How many findings of one kind are shown for one revision."""
NAMES = {**ENGINES, "": "both"}
_LINE = re.compile(r"\bline (\d+)\b")
_OF_DOWNGRADE = ("V401", "V402", "V403", "V404", "V405", "V502")


@dataclass(frozen=True)
class FindingGroup:
    """The findings of one kind in one revision.

    Attributes:
        kind: the kind.
        revision: the id of the revision; empty for the history as a whole.
        findings: the findings.
        elsewhere: the number of later revisions that have the same finding, by its text.
    """

    kind: FindingKind
    revision: str
    findings: tuple[Finding, ...]
    elsewhere: dict[str, int]

    @property
    def is_error(self) -> bool:
        """Whether one of the findings is an error, and not a note."""
        return any(each.severity == "error" for each in self.findings)

    @property
    def lines(self) -> list[str]:
        """The lines of the group: each text once, with the engines on which it was found."""
        engines: dict[str, list[str]] = {}
        for each in self.findings:
            text = each.found + (f" (expected: {each.expected})" if each.expected else "")
            engines.setdefault(text, []).append(NAMES[each.engine] if each.engine else "")
        return [self._line(text, list(filter(None, names))) for text, names in engines.items()]

    def _line(self, text: str, names: Sequence[str]) -> str:
        more = self.elsewhere.get(text, 0)
        later = f" (and in {more} later revision{'' if more == 1 else 's'})" if more else ""
        return f"{' and '.join(names)}: {text}{later}" if names else f"{text}{later}"


def grouped(found: Verification, findings: Sequence[Finding]) -> list[FindingGroup]:
    """Return the findings in groups by revision and kind. The whole history comes first, then the newest revision.

    A finding that several revisions have in the same words appears only at the first of them.
    """
    place = {revision: number for number, revision in enumerate(found.revisions)}
    first: dict[tuple[str, str, str], str] = {}
    again: dict[tuple[str, str, str], int] = {}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in sorted(findings, key=lambda each: place.get(each.revision, -1)):
        same = (each.id, each.found, each.engine)
        if first.setdefault(same, each.revision) != each.revision:
            again[same] = again.get(same, 0) + 1
        else:
            groups.setdefault((each.revision, each.id), []).append(each)
    made = []
    for (revision, id_), mine in groups.items():
        later = {each.found: again.get((id_, each.found, each.engine), 0) for each in mine}
        made.append(FindingGroup(KINDS[id_], revision, tuple(mine), later))
    last = len(place)
    return sorted(made, key=lambda each: (-place.get(each.revision, last), not each.is_error, each.kind.id))


def relative(path: Path) -> str:
    """Return the path relative to the working folder, as services expect it; the whole path if it is outside."""
    return (path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path).as_posix()


def place_of(finding: Finding, target: Target) -> tuple[Path, int]:
    """Return the file of a finding, and the line in it. It is `alembic.ini` if no revision file is at fault."""
    if finding.revision and finding.revision in target.history:
        path = target.history[finding.revision].path
        return path, _line_of(finding, path)
    return target.project.ini, 1


def _line_of(finding: Finding, path: Path) -> int:
    if found := _LINE.search(finding.found):
        return int(found[1])
    is_downgrade = finding.id in _OF_DOWNGRADE or finding.found.startswith("downgrade")
    return _functions(path).get("downgrade" if is_downgrade else "upgrade", 1)


@cache
def _functions(path: Path) -> dict[str, int]:
    tree = ast.parse(path.read_bytes())
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
