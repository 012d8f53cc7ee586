"""The processes of a proof: which modules they find."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from antarest.migration.verify.processes import ours_first
from tests.support.projects.checkouts import ROOT


def test_a_process_finds_this_package_and_no_other_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The proved project is the checkout of this package, but another copy of the package is installed."""
    installed, library = tmp_path / "installed", tmp_path / "library"
    (installed / "antarest").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(ROOT), str(installed), str(library)])

    with ours_first([str(ROOT)]):
        inside = sys.path.copy()

    assert inside == [str(library), str(ROOT), str(installed)]
    assert sys.path == [str(ROOT), str(installed), str(library)]


def test_a_process_finds_the_modules_of_another_project_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = str(tmp_path)
    monkeypatch.setattr(sys, "path", [project, "/library", str(ROOT)])

    with ours_first([project]):
        assert sys.path == ["/library", str(ROOT), project]
