"""Which revisions are committed together, and how a revision file declares this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from antarest.migration.errors.facts.project import InvalidRevisionFile
from antarest.migration.errors.revision import Revision
from antarest.migration.project.history import History
from antarest.migration.project.revision_files import read_revision
from antarest.migration.run.segments import first_segment

FILE = 'revision = "a"\ndown_revision = None\n{}\n'


@dataclass(frozen=True)
class Step:
    """The parts of a step of Alembic that matter here."""

    revision: SimpleNamespace


def segments(*boundaries: Literal["", "own", "none"], engine: str) -> list[int]:
    """Return how many revisions are committed together, for each commit."""
    revisions = [Revision(str(at), (), "", Path(), transaction=boundary) for at, boundary in enumerate(boundaries)]
    left = [Step(SimpleNamespace(revision=revision.id)) for revision in revisions]
    sizes, history = [], History(revisions)
    while left:
        sizes.append(len(first_segment(left, lambda step: history[step.revision.revision], engine)))
        left = left[sizes[-1] :]
    return sizes


def test_a_run_without_boundaries_is_one_segment() -> None:
    assert segments("", "", "", engine="postgresql") == [3]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_revision_of_its_own_is_committed_before_and_after_it(engine: str) -> None:
    assert segments("", "", "own", "", "own", "own", engine=engine) == [2, 1, 1, 1, 1]


def test_leaving_the_transaction_is_a_boundary_only_where_it_is_left() -> None:
    assert segments("", "none", "", engine="postgresql") == [1, 1, 1]
    assert segments("", "none", "", engine="sqlite") == [3]


@pytest.mark.parametrize(
    ("line", "boundary"), [("", ""), ('transaction = "own"', "own"), ("transaction = 'none'", "none")]
)
def test_a_file_says_its_boundary(tmp_path: Path, line: str, boundary: str) -> None:
    file = tmp_path / "a.py"
    file.write_text(FILE.format(line))

    assert read_revision(file).transaction == boundary


@pytest.mark.parametrize(
    "line", ['transaction = "non"', "transaction = None", 'transaction = ""', "transaction = ['own']"]
)
def test_another_boundary_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.py"
    file.write_text(FILE.format(line))

    with pytest.raises(InvalidRevisionFile, match='transaction must be "own" or "none"'):
        read_revision(file)


def test_a_file_that_uses_an_autocommit_block_is_known_without_running_it(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(FILE.format("def upgrade():\n    with op.get_context().autocommit_block():\n        pass"))

    assert read_revision(file).uses_autocommit
