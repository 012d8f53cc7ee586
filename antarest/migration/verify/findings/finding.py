"""Defines a finding of a proof, which has a kind, a place and a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .kinds import KINDS, FindingKind, Severity


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
    def text(self) -> str:
        """The description, followed by the expected result."""
        return f"{self.found} (expected: {self.expected})" if self.expected else self.found


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without duplicates: errors before notes, and each group sorted by id."""
    return sorted(dict.fromkeys(findings), key=lambda each: (each.severity != "error", each.id))
