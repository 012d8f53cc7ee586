"""docs/reliability.md: each promise names existing tests, and the measured table has the existing faults."""

from __future__ import annotations

import ast
import re

from tests.chaos.faults import FAULTS
from tests.chaos.trial import Outcome
from tests.support.projects.checkouts import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISES, _, MEASURED = PAGE.partition("## Measured")
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_each_test_that_is_named_exists() -> None:
    missing = [f"{path}::{name}" for path, name in REFERENCE.findall(PAGE) if name not in names_in(path)]

    assert missing == []


def test_each_promise_names_a_test() -> None:
    sections = PROMISES.partition("\n## ")[2]
    promises = re.split(r"^- ", sections, flags=re.MULTILINE)[1:]

    assert len(promises) > 20
    assert [promise for promise in promises if not REFERENCE.search(promise)] == []


def test_every_fault_is_measured_on_its_engines_and_all_of_ours_is_zero() -> None:
    rows = [line.split() for line in MEASURED.splitlines()]
    zeros = ["0"] * len(Outcome().faults)
    ours = {(row[0], row[1]): row[4:-1] for row in rows if row[2:3] == ["antarest"]}
    peers = {(row[0], row[1]) for row in rows if row[2:3] == ["alembic"]}

    assert ours == {(fault.name, engine): zeros for fault in FAULTS for engine in fault.engines}
    assert peers == ours.keys()


def names_in(path: str) -> set[str]:
    """Return the names of the tests in a file below `tests`."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
