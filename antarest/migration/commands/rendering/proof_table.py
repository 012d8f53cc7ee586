"""Renders the table of a proof: a line for each revision, with the result for each engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from ...errors.text import style
from ...verify import Verification
from ...verify.findings.finding import Finding
from ...verify.findings.proof import Proof
from .proof_groups import NAMES

PROPERTIES = ("up", "down", "schema", "rows")
_WIDTH = 7
_SECONDS = 7
_FIRST = 14  # the least width of the first column
_OF_WHOLE = ("up", "schema")  # the properties of the history as a whole
_PROPERTY_OF = {
    **dict.fromkeys(("V301", "V302", "V304", "V306", "V307", "V308"), "up"),
    **dict.fromkeys(("V401", "V402", "V406", "V407"), "down"),
    **dict.fromkeys(("V303", "V305", "V310", "V403", "V404", "V405"), "schema"),
    **dict.fromkeys(
        ("V501", "V502", "V503", "V504", "V505", "V506", "V507", "V508", "V509", "V510", "V511", "V512", "V603"), "rows"
    ),
    **dict.fromkeys(("V601", "V602"), "parity"),
}

_ABOUT: dict[str, tuple[str, ...]] = {  # the beginnings of reasons
    "the rows": ("rows",),
    "the way back": ("down", "schema"),
    "the models": (),
    "a database from before": (),
    "the rights": (),
    "the changes to rows": (),
}
_FAILED = ("V301", "V306", "V307")

Cell = tuple[str, str]
"""A text, and its style."""


def head(found: Verification) -> str:
    """Return the two lines of the table's head."""
    width = _WIDTH * len(PROPERTIES) + _SECONDS
    names = "".join(f"  {NAMES[engine]:<{width}}" for engine in found.engines)
    properties = "".join(name.ljust(_WIDTH) for name in PROPERTIES)
    columns = f"  {properties}{'s':>{_SECONDS}}" * len(found.engines)
    parity = "  parity" if len(found.engines) > 1 else ""
    first = _first(found)
    return f"{'':<{first}}{names}".rstrip() + f"\n{'revision':<{first}}{columns}{parity}"


def _first(found: Verification) -> int:
    return max(_FIRST, *(len(revision) for revision in found.revisions), 0)


def width(found: Verification) -> int:
    """Return the number of columns that the table needs in a terminal."""
    return max(len(line) for line in head(found).splitlines()) + _WIDTH


def line(found: Verification, revision: str, stream: TextIO) -> str:
    """Return the line of a revision with the results up to now. The revision "" stands for the history as a whole."""
    text = f"{revision or 'in one run':<{_first(found)}}"
    for engine in found.engines:
        proof = found.proofs.get((revision, engine))
        has_run = proof is not None and proof.schema is not None and not proof.has(*_FAILED)
        seconds = f"{proof.impact.seconds:.2f}" if proof and has_run else ""
        cells = cells_of(found, revision, engine)
        text += "  " + "".join(style(cell.ljust(_WIDTH), colour, stream) for cell, colour in cells)
        text += seconds.rjust(_SECONDS)
    if len(found.engines) > 1 and all((revision, engine) in found.proofs for engine in found.engines):
        sides = [found.proofs[revision, engine] for engine in found.engines]
        is_compared = all(side.schema or not side.revision for side in sides) and not (
            not revision and any(side.not_proved for side in sides)
        )
        about = _about(found.of(revision), "parity")
        cell, colour = _result(about) if about or is_compared else ("-", "yellow")
        text += "  " + style(cell.ljust(_WIDTH), colour, stream)
    if others := _others(found, revision):
        cell, colour = _result(others)
        text += f"  {style(cell, colour, stream)}"
    return text.rstrip()


def cells_of(found: Verification, revision: str, engine: str) -> list[Cell]:
    """Return the result of each property of a revision on an engine, with its style."""
    proof, here = found.proofs.get((revision, engine)), found.of(revision, engine)
    return [_cell(proof, name, _about(here, name)) for name in PROPERTIES]


def parity_of(found: Verification, revision: str) -> Cell:
    """Return one result, with its style, for the comparison of the engines and the checks without their own column."""
    findings = [*_about(found.of(revision), "parity"), *_others(found, revision)]
    return _result(findings) if findings else ("", "dim")


def _others(found: Verification, revision: str) -> list[Finding]:
    """Return the findings about a revision that belong to no column of the table."""
    return [each for engine in (*found.engines, "") for each in _about(found.of(revision, engine), "")]


def _about(findings: Sequence[Finding], name: str) -> list[Finding]:
    return [each for each in findings if _PROPERTY_OF.get(each.id, "") == name]


def _is_about(reason: str, name: str) -> bool:
    """Return whether a reason in `not_proved` concerns the property `name`. Most reasons concern all properties."""
    about = next((names for start, names in _ABOUT.items() if reason.startswith(start)), PROPERTIES)
    return name in about


def _cell(proof: Proof | None, name: str, findings: Sequence[Finding]) -> Cell:
    if proof is None:
        return "", "dim"
    if findings:
        return _result(findings)
    if any(_is_about(reason, name) for reason in proof.not_proved) or not _was_tried(proof, name):
        return "-", "yellow"
    if not proof.revision and name not in _OF_WHOLE:
        return "", "dim"
    if name == "rows" and not proof.compares_rows:
        return "none", "dim"
    return ("none", "dim") if proof.is_irreversible and name == "down" else _result([])


def _was_tried(proof: Proof, name: str) -> bool:
    """Return whether a property was tried.

    If an upgrade fails, the proof may reach the next state on another path. After V301, this path leaves out what has
    failed, so it shows nothing about the other properties.
    """
    if name == "up" or not proof.has(*_FAILED):
        return True
    return proof.schema is not None and not proof.has("V301") and (name != "rows" or proof.compares_rows)


def _result(findings: Sequence[Finding]) -> Cell:
    if not findings:
        return "ok", "green"
    ids = list(dict.fromkeys(each.id for each in findings))
    more = "+" if len(ids) > 1 else ""
    return f"{ids[0]}{more}", "red" if any(each.severity == "error" for each in findings) else "yellow"
