"""Rare cases when a database follows a checkout: a failure after the commit, odd folders, odd environments."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from antarest.migration.branches.follower import Follower
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.facts.branches import HookInTheWay, SwitchRefused
from antarest.migration.errors.listener import Listener
from antarest.migration.errors.loss import Agreement
from antarest.migration.project.revision_store import RevisionStore
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import Clone, applied_on_a_branch, forget_the_store, table, well
from tests.support.projects.checkouts import ROOT
from tests.support.projects.histories import Script


class Deaf(Listener):
    """A listener that fails, like a pipe whose reader has ended."""

    def note(self, text: str) -> None:
        """Fail at the first line after the commit."""
        if text.startswith("lost"):
            raise BrokenPipeError(text)


def with_rows(clone: Clone) -> Clone:
    """A branch that is applied and checked out. Its downgrade loses a row."""
    clone.branch("feature")
    clone.add(table("reserve"))
    clone.sync()
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")
    return clone


def test_what_is_committed_stays_whatever_comes_after_it(clone: Clone) -> None:
    """The loss is printed after the commit, but the reader has ended. Git must not go back without the database."""
    with_rows(clone)
    database = clone.database
    flow = MigrationWorkflow(clone.project, database.workflow.db, listener=Deaf())

    with Follower(flow).switching("main") as plan, pytest.raises(BrokenPipeError):
        Follower(flow).run(plan, Agreement(everything=True))

    assert clone.git("branch", "--show-current") == "main"
    clone.assert_matches()


def test_a_plan_that_somebody_else_has_carried_out_still_switches(clone: Clone) -> None:
    with_rows(clone)
    with clone.follower.switching("main") as plan:
        database = clone.database
        database.workflow.rollback(other := database.workflow.plan_rollback(), other.agreement)
        assert clone.follower.run(plan, Agreement()).steps == []

    assert clone.git("branch", "--show-current") == "main"
    clone.assert_matches()


def test_nothing_of_ours_is_imported_after_git_has_switched(small: Clone) -> None:
    """If this repository is the clone, git has changed or removed the modules by then."""
    with_rows(small)
    small.git("branch", "same")
    url = str(small.url)
    program = f"""
import sys
from dataclasses import replace
from pathlib import Path
from antarest.migration.branches.follower import Follower
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import normalise_url
from antarest.migration.errors.loss import Agreement
from antarest.migration.project.project import Project
from antarest.migration.workflow import MigrationWorkflow
flow = MigrationWorkflow(Project.load("alembic.ini"), DbConfig(normalise_url({url!r})))
for branch in ("same", "main", "feature"):
    with Follower(flow).switching(branch) as plan:
        change, loaded = plan.file_change, set()
        noted = replace(change, make=lambda: (change.make(), loaded.update(sys.modules)))
        plan = replace(plan, file_change=noted)
        Follower(flow).run(plan, Agreement(everything=True))
    new = [name for name in set(sys.modules) - loaded if name.startswith("antarest")]
    assert not new, (branch, new)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=small.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_DONE, done.stderr


def test_a_branch_that_keeps_its_revisions_elsewhere_is_not_taken_for_an_empty_one(small: Clone) -> None:
    small.branch("elsewhere")
    small.git("mv", "alembic/versions", "alembic/revisions")
    small.commit("Move the folder")
    small.git("tag", "v1")
    small.switch("main")

    with pytest.raises(SwitchRefused, match=r"db\.switch does not switch to elsewhere"):
        small.switch_both("elsewhere")
    refused = refusal(small.inv("rollback", "--to=v1"), "db.E230", EXIT_FAILED)
    assert "has no revisions in alembic/versions" in refused.fact
    assert small.current == ("base_00000000",)


def test_what_lies_beside_the_revisions_is_none(small: Clone) -> None:
    (small.versions / "__init__.py").write_text("")
    small.commit("Make it a package")
    small.git("tag", "v1")
    with_rows(small)
    (small.versions / "archive").mkdir()
    (small.versions / "archive" / "copy.py").write_text((small.versions / "base_00000000.py").read_text())

    assert small.switch_both("main") == ["down reserve"]
    assert "base_00000000" in well(small.inv("history", "--to=v1"))


def test_another_repository_in_the_environment_is_none_of_ours(
    small: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied_on_a_branch(small)
    forget_the_store(small)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))

    assert small.sync() == ["down reserve"]


def test_copies_can_be_read_by_others_and_one_that_cannot_is_passed_over(small: Clone) -> None:
    applied_on_a_branch(small)
    repository = small.project.repository
    assert repository
    store = RevisionStore(repository)
    (kept,) = store.folder.glob("reserve*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o644

    kept.unlink()
    kept.mkdir()  # Not even root can read this path.
    assert list(store.find("reserve_00000000")) == []
    assert small.sync() == ["down reserve"]


def test_a_second_hook_is_not_chained_over_the_first(small: Clone) -> None:
    hooks = small.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-checkout").write_text("#!/bin/sh\n# first\n")
    small.follower.install_hooks()
    (hooks / "post-checkout").write_text("#!/bin/sh\n# second\n")

    with pytest.raises(HookInTheWay):
        small.follower.install_hooks()
    assert "first" in (hooks / "post-checkout.chained").read_text()
    assert "second" in (hooks / "post-checkout").read_text()


def test_status_and_history_name_the_way_on(small: Clone) -> None:
    applied_on_a_branch(small)

    done = small.inv("status")

    assert done.code == EXIT_FAILED
    assert "Branch feature has it (1 commit ahead of this checkout). Make the database match: inv db.sync" in done.out
    assert "(current; not in this checkout: inv db.sync)" in well(small.inv("history"))


def test_of_two_segments_the_first_stays_and_git_does_not_switch(clone: Clone) -> None:
    clone.branch("feature")
    clone.add(table("reserve"))
    clone.add(Script("stuck_00000000", downgrade='sql("INSERT INTO base (id) VALUES (1)")'))
    clone.add(Script("own_00000000", transaction="own"))
    clone.sync()
    clone.database.execute("INSERT INTO base (id) VALUES (1)")

    refused = refusal(clone.inv("switch", "main", "--yes"), "db.E601", EXIT_FAILED)

    assert refused.state.startswith("Stopped at stuck_00000000: 1 of 3 revisions was rolled back.")
    assert clone.git("branch", "--show-current") == "feature"
    clone.database.execute("DELETE FROM base")
    assert clone.sync() == ["up own"]
