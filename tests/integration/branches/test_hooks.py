"""Git hooks that report in one line when the database and the checkout differ, and never stop a git command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import SETTINGS, Clone, table
from tests.support.projects.checkouts import ROOT, run

BEHIND = "The database is 1 revision behind this checkout:   inv db.sync"
UNKNOWN = "The database is at reserve_00000000, which this checkout does not have:   inv db.sync"


def with_a_branch(clone: Clone) -> Clone:
    clone.branch("feature")
    clone.add(table("reserve"))
    clone.switch("main")
    return clone


def installed(clone: Clone) -> Clone:
    with_a_branch(clone)
    return install(clone)


def install(clone: Clone) -> Clone:
    done = clone.inv("install-hooks")
    assert (done.code, done.err) == (EXIT_DONE, "")
    assert [Path(line).name for line in done.out.splitlines()] == ["post-checkout", "post-merge"]
    return clone


def said(clone: Clone, *arguments: str) -> list[str]:
    """Run git, and return what it and the hook print on standard error."""
    config = clone.folder.with_name(f"{clone.folder.name}.yaml")
    environment = {**SETTINGS, "ANTAREST_CONF": str(config), "PYTHONPATH": str(ROOT)}
    done = run("git", *arguments, cwd=clone.folder, env=environment)
    assert done.code == EXIT_DONE, done.err
    return done.err.splitlines()


def test_one_line_when_they_differ_and_none_when_they_do_not(clone: Clone) -> None:
    installed(clone)
    assert said(clone, "switch", "--quiet", "feature") == [BEHIND]
    clone.sync()
    assert said(clone, "switch", "--quiet", "main") == [UNKNOWN]
    assert said(clone, "switch", "--quiet", "feature") == []


def test_after_a_merge(small: Clone) -> None:
    installed(small)
    assert said(small, "merge", "--quiet", "feature") == [BEHIND]


def test_where_no_revision_changed_python_is_not_started(small: Clone) -> None:
    installed(small)
    small.git("branch", "same")
    hook = small.folder / ".git" / "hooks" / "post-checkout"
    hook.write_text(hook.read_text().replace("-m antarest", "-m nowhere || echo started; : "))

    assert said(small, "switch", "--quiet", "same") == []
    assert said(small, "switch", "--quiet", "feature")[-1] == "started"


def test_a_hook_that_is_there_is_chained_and_its_failure_is_its_own(small: Clone) -> None:
    with_a_branch(small)
    hook = small.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "mine: $3" >&2\nexit 3\n')
    hook.chmod(0o755)
    install(small)
    install(small)  # the second time changes nothing

    done = run("git", "switch", "--quiet", "feature", cwd=small.folder, env={**SETTINGS, "PYTHONPATH": str(ROOT)})

    assert done.code == EXIT_FAILED  # what git makes of it
    assert done.err.splitlines()[0] == "mine: 1"
    assert hook.with_name("post-checkout.chained").read_text().startswith("#!/bin/sh\necho")


def test_a_database_that_nobody_can_reach_is_no_business_of_a_hook(small: Clone) -> None:
    installed(small)
    small.folder.with_name("clone.yaml").write_text("db:\n  url: postgresql://nobody:x@127.0.0.1:1/none\n")
    assert said(small, "switch", "--quiet", "feature") == []


def test_a_file_that_was_only_touched_does_not_keep_db_switch_from_switching(small: Clone) -> None:
    small.branch("feature")
    small.add(table("reserve"))
    for file in small.versions.glob("*.py"):
        os.utime(file, (0, 0))

    done = small.inv("switch", "main")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert small.git("symbolic-ref", "--short", "HEAD") == "main"


def test_db_switch_says_nothing_twice(small: Clone) -> None:
    installed(small)
    done = small.inv("switch", "feature", "--yes")
    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "does not have" not in done.out
    assert "behind" not in done.out


@pytest.mark.parametrize("path", ["hooks of ours", "/absolute"])
def test_the_folder_that_git_is_told_to_use(small: Clone, tmp_path: Path, path: str) -> None:
    folder = tmp_path / path.strip("/") if path[0] == "/" else small.folder / path
    small.git("config", "core.hooksPath", str(folder) if path[0] == "/" else path)
    installed(small)
    assert (folder / "post-checkout").is_file()
    assert said(small, "switch", "--quiet", "feature") == [BEHIND]


def test_without_git_it_says_so(small: Clone) -> None:
    (small.folder / ".git").rename(small.folder.with_name("away"))
    refusal(small.inv("install-hooks"), "db.E223", EXIT_USAGE)
