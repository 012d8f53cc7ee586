"""The patches of `make test-mutations` fit the code, and there is one for each promise and each finding."""

from __future__ import annotations

import re

from antarest.migration.verify.findings.kinds import KINDS
from tests.mutations.__main__ import PATCHES
from tests.mutations.findings import FINDINGS
from tests.mutations.patch import Patch
from tests.mutations.promises import PROMISES, WITHOUT_PATCH
from tests.support.projects.checkouts import ROOT
from tests.unit.test_reliability import PROMISES as PAGE
from tests.unit.test_reliability import REFERENCE, names_in

PLAIN = Patch("", "Makefile", ".DEFAULT_GOAL := help", "", [])


def test_each_patch_fits_the_code() -> None:
    assert [patch.name for patch in PATCHES if patch.is_stale(ROOT)] == []


def test_each_patched_file_can_be_compiled() -> None:
    """If a test cannot even import the code, its failure shows nothing."""
    wrong = []
    for patch in PATCHES:
        text = (ROOT / patch.path).read_text().replace(patch.old, patch.new)
        try:
            compile(text, patch.path, "exec") if patch.path.endswith(".py") else None
        except SyntaxError:
            wrong.append(patch.name)
    assert wrong == []


def test_a_patch_is_stale_whose_text_is_missing_or_stands_twice() -> None:
    assert not PLAIN.is_stale(ROOT)
    for old in ("no such text", "$(PYTEST)"):
        assert Patch("", PLAIN.path, old, "", []).is_stale(ROOT), old


def test_each_patch_has_its_own_name_and_changes_something() -> None:
    assert len({patch.name for patch in PATCHES}) == len(PATCHES)
    assert [patch.name for patch in PATCHES if patch.old == patch.new or not patch.tests] == []


def test_the_named_in_each_patch_exist() -> None:
    named = {test.partition("[")[0] for patch in PATCHES for test in patch.tests}
    assert sorted(test for test in named if test.partition("::")[2] not in names_in(test.partition("::")[0])) == []


def test_each_promise_is_broken_by_a_patch() -> None:
    broken = {test.partition("[")[0] for patch in PATCHES for test in patch.tests}
    promises = re.split(r"^- ", PAGE.partition("\n## ")[2], flags=re.MULTILINE)[1:]
    unbroken = [promise for promise in promises if broken.isdisjoint(named_in(promise))]

    assert [promise for promise in unbroken if WITHOUT_PATCH.keys().isdisjoint(named_in(promise))] == []
    assert WITHOUT_PATCH.keys() <= {test for promise in unbroken for test in named_in(promise)}


def test_each_patch_of_a_promise_names_its_section_and_a_test_of_it() -> None:
    promised = {
        section.partition("\n")[0].removesuffix(" that was not declared"): named_in(section)
        for section in PAGE.split("\n## ")[1:]
    }
    wrong = [
        patch.name
        for patch in PROMISES
        if promised[patch.name.partition(": ")[0]].isdisjoint(test.partition("[")[0] for test in patch.tests)
    ]
    assert wrong == []


def test_each_finding_has_a_patch() -> None:
    assert [patch.name.partition(" ")[0] for patch in FINDINGS] == [*KINDS]


def named_in(text: str) -> set[str]:
    """Return the tests that a promise or a section names."""
    return {f"{path}::{name}" for path, name in REFERENCE.findall(text)}
