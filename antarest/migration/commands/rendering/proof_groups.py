"""Groups and sorts the findings of a proof for a report, and finds the file and line of a finding."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors.settings.urls import ENGINES
from ...errors.text import count, shorten
from ...verify import Verification
from ...verify.findings.finding import Finding
from ...verify.findings.kinds import KINDS, FindingKind
from ...verify.target import Target
from .proof_causes import causes

LINES = 4
"""The most entries of one kind that a report shows for one revision."""
_CONSEQUENCES = 2
_OF_ROWS = (
    "V501",
    "V502",
    "V504",
    "V511",
    "V512",
)  # Findings about columns of one table have one cause. Those about another table may have another cause.
NOTE = " (note)"
"""What follows the title of a kind if all of its findings are notes."""
NAMES = {**ENGINES, "": "both"}
_LINE = re.compile(r"\bline (\d+)\b")
_NAMES_A_LINE = ("V201", "V202")
_OF_DOWNGRADE = ("V4", "V502", "downgrade")  # how the ids and the texts of these findings begin


@dataclass(frozen=True)
class Entry:
    """An entry of a report: findings with the same text about several objects, and the consequences of these findings.

    Attributes:
        text: the description, with the engines and the other objects.
        consequences: a line for each finding that the findings of this entry explain.
    """

    text: str
    consequences: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The lines of the entry: the text and some of the consequences."""
        shown = [f"so {each}" for each in self.consequences[:_CONSEQUENCES]]
        more = len(self.consequences) - _CONSEQUENCES
        return [self.text, *shown, *([f"and {count(more, 'more consequence')}"] if more > 0 else [])]


@dataclass(frozen=True)
class FindingGroup:
    """The findings of one kind in one revision, without the findings that another finding explains.

    Attributes:
        kind: the kind of the findings.
        revision: the id of the revision; empty for the history as a whole.
        findings: the findings.
        entries: the entries of the report about these findings.
    """

    kind: FindingKind
    revision: str
    findings: tuple[Finding, ...]
    entries: tuple[Entry, ...]

    @property
    def is_error(self) -> bool:
        """Whether one of the findings is an error, and not a note."""
        return any(each.severity == "error" for each in self.findings)

    @property
    def fixes(self) -> list[str]:
        """How to fix the findings."""
        return list(dict.fromkeys(each.fix for each in self.findings))


def grouped(found: Verification, findings: Sequence[Finding]) -> list[FindingGroup]:
    """Return the findings in groups by revision and kind: first those of the whole history, then newest revision first.

    If several revisions have the same finding, only the group of the oldest of these revisions contains the finding. A
    finding that another finding explains is a consequence in the entry of the other finding.
    """
    place = {revision: number for number, revision in enumerate(found.revisions)}
    explained = causes(found, findings)
    first: dict[tuple[str, str, str], str] = {}
    again: dict[tuple[str, str], set[str]] = {}
    groups: dict[tuple[str, str], list[Finding]] = {}
    consequences: dict[Finding, list[Finding]] = {}
    for each in sorted(findings, key=lambda each: place.get(each.revision, -1)):
        if each in explained:
            consequences.setdefault(explained[each], []).append(each)
        elif first.setdefault((each.id, each.found, each.engine), each.revision) != each.revision:
            again.setdefault((each.id, each.found), set()).add(each.revision)
        else:
            groups.setdefault((each.revision, each.id), []).append(each)
    made = [
        FindingGroup(KINDS[id_], revision, tuple(mine), tuple(_entries(mine, again, consequences)))
        for (revision, id_), mine in groups.items()
    ]
    last = len(place)
    return sorted(made, key=lambda each: (-place.get(each.revision, last), not each.is_error, each.kind.id))


def _entries(
    findings: Sequence[Finding],
    again: Mapping[tuple[str, str], set[str]],
    consequences: Mapping[Finding, list[Finding]],
) -> Iterator[Entry]:
    """Yield one entry for all findings that have the same text about several objects, on the same engines."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        alike.setdefault((_without_object(each), each.item), []).append(each)
    same: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for (text, _), of_object in alike.items():
        engines = tuple(dict.fromkeys(NAMES[each.engine] for each in of_object if each.engine))
        same.setdefault((text, engines), []).extend(of_object)
    for (_, engines), mine in same.items():
        first = mine[0]
        others = [each for each in dict.fromkeys(each.item for each in mine) if each != first.item]
        later = len(again.get((first.id, first.found), ()))
        text = f"{' and '.join(engines)}: {first.text}" if engines else first.text
        text += f"; the same: {shorten(others)}" if others else ""
        text += f" (and in {count(later, 'later revision')})" if later else ""
        followed = {
            (each.id, each.revision, each.item, _without_object(each)): each
            for one in reversed(mine)
            for each in reversed(consequences.get(one, []))
        }
        yield Entry(text, tuple(_as_consequence(each, first) for each in reversed(followed.values())))


def _as_consequence(finding: Finding, cause: Finding) -> str:
    place = f" in {finding.revision or 'the history'}" if finding.revision != cause.revision else ""
    return f"{finding.id}{place}: {finding.text}"


def _without_object(finding: Finding) -> str:
    """Return the text of a finding without its object and numbers.

    Findings for which this text is equal probably have the same cause.
    """
    if not finding.item:
        return finding.text
    text = finding.text.replace(finding.item, finding.table if finding.id in _OF_ROWS else "", 1)
    return re.sub(r"^\d[\d,]*|(?<=: name: ).*| after \w+ and \w+$", "", text)


def relative(path: Path) -> str:
    """Return the path as text, relative to the working folder. A path outside of this folder stays absolute."""
    return (path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path).as_posix()


def file_of(revision: str, target: Target) -> Path:
    """Return the file of a revision. For the whole history, return `alembic.ini` or the folder of revisions."""
    return target.history[revision].path if revision and revision in target.history else target.place


def place_of(finding: Finding, target: Target) -> tuple[Path, int]:
    """Return the file of a finding and the line in this file; line 1 if the finding is about the history as a whole."""
    if finding.id == "V106" and finding.item:
        line = _LINE.search(finding.found)
        return Path(finding.table, finding.item), int(line[1]) if line else 1
    path = file_of(finding.revision, target)
    return path, 1 if path == target.place else _line_of(finding, path)


def _line_of(finding: Finding, path: Path) -> int:
    if finding.id in _NAMES_A_LINE and (found := _LINE.search(finding.found)):
        return int(found[1])
    is_downgrade = finding.id.startswith(_OF_DOWNGRADE) or finding.found.startswith(_OF_DOWNGRADE)
    functions = _functions(path)
    return functions.get("downgrade" if is_downgrade else "upgrade", functions.get("upgrade", 1))


@cache
def _functions(path: Path) -> dict[str, int]:
    tree = ast.parse(path.read_bytes())
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
