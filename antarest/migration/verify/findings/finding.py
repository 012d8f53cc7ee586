"""Defines a finding of a proof, which has a kind, a place and a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors.facts.fixes import fixes_of
from .kinds import KINDS, FindingKind, Severity

_FAILS_EMPTY = ("V301", "V401")
_FAILS = (*_FAILS_EMPTY, "V302", "V402")
_IN_PYTHON = re.compile(r"[A-Z]\w*: ")  # The error of an engine has no class before its text.
_SET_UP = (
    "Correct the code that fails. If the code needs settings of the application, `--run-env` runs `env.py`, and "
    "`--env` sets a variable."
)


@dataclass(frozen=True)
class Finding:
    """A fault, or a note, that the proof has found.

    Attributes:
        id: the id of the kind of finding, for example "V301".
        found: a description in one line.
        revision: the id of the revision; empty for the history as a whole.
        engine: the engine; empty if the finding is about both engines, or about files.
        expected: the expected result, if it is not obvious.
        severity: the severity of the kind of finding, or a lower severity.
        item: the object with the fault, as `found` names it; empty if there are several objects.
        table: the table to which the object in `item` belongs. If `item` is a file, this is its folder.
    """

    id: str
    found: str
    revision: str = ""
    engine: str = ""
    expected: str = ""
    severity: Severity = "error"
    item: str = ""
    table: str = ""

    @classmethod
    def of(cls, id_: str, found: str, revision: str = "", engine: str = "", **more: str) -> Finding:
        """Return a finding with the severity of its kind."""
        values = {"severity": KINDS[id_].severity, **more}
        return cls(id_, " ".join(found.split()), revision, engine, **values)  # type: ignore[arg-type]  # all are strings

    @property
    def kind(self) -> FindingKind:
        """The kind of this finding."""
        return KINDS[self.id]

    @property
    def fix(self) -> str:
        """How to fix the fault: the lines to write into the revision if they are known, else general advice."""
        known = fixes_of(self.revision, self.found) if self.id in _FAILS else ()
        if lines := " ".join(f"{each.text}: `{each.command}`." for each in known):
            return lines
        return _SET_UP if self.id in _FAILS_EMPTY and _IN_PYTHON.match(self.found) else self.kind.fix

    @property
    def text(self) -> str:
        """The description, followed by the expected result."""
        return f"{self.found} (expected: {self.expected})" if self.expected else self.found


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without duplicates: errors before notes, and each group sorted by id."""
    return sorted(dict.fromkeys(findings), key=lambda each: (each.severity != "error", each.id))
