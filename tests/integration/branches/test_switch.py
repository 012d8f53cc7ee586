"""`db.switch`: the branch and the database change together, or both stay."""

from __future__ import annotations

import pytest

from antarest.migration.branches.follower import Follower
from antarest.migration.database.record import read_record
from antarest.migration.database.signals import Signals
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.errors.facts.branches import SwitchRefused
from antarest.migration.errors.facts.loss import LossNotConfirmed
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.revision import VersionTable
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import Clone, table
from tests.support.projects.histories import Script


def two_branches(clone: Clone) -> Clone:
    """`main` with one more revision, and `feature` with another one. `feature` is checked out and applied."""
    clone.branch("feature")
    clone.add(table("reserve"))
    clone.database.workflow.upgrade()
    clone.switch("main")
    clone.add(table("other"))
    clone.switch("feature")
    return clone


def test_both_change(clone: Clone) -> None:
    two_branches(clone)

    assert clone.switch_both("main") == ["down reserve", "up other"]
    assert clone.git("branch", "--show-current") == "main"
    clone.assert_matches()

    assert clone.switch_both("feature") == ["down other", "up reserve"]
    assert clone.git("branch", "--show-current") == "feature"
    clone.assert_matches()
    assert clone.git("status", "--porcelain") == ""


def test_as_commands(clone: Clone) -> None:
    two_branches(clone)
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")
    before = clone.database.state()

    plan = clone.inv("switch", "main", "--dry-run")
    assert plan.code == EXIT_DONE, plan.err
    assert "plan           reserve_00000000 -> other_00000000" in plan.out
    refused = refusal(clone.inv("switch", "main"), "db.E502", EXIT_FAILED)
    assert "inv db.switch main --allow-data-loss" in refused.commands
    assert (clone.database.state(), clone.git("branch", "--show-current")) == (before, "feature")

    done = clone.inv("switch", "main", "--allow-data-loss")

    assert done.code == EXIT_DONE, done.err
    assert done.out.endswith("done: 2 revisions in " + done.out.rpartition("done: 2 revisions in ")[2])
    assert "branch         main" in done.out
    clone.assert_matches()
    again = clone.inv("switch", "main")
    assert (again.code, again.err) == (EXIT_DONE, "")
    assert "nothing to do: the database is at other_00000000" in again.out


def test_the_record_names_the_commit_that_the_code_is_from(small: Clone) -> None:
    two_branches(small)
    small.switch_both("main")
    with small.database.connect() as connection:
        last = read_record(connection, VersionTable())[-1]
    assert (last.revision, last.git_commit) == ("other_00000000", small.git("rev-parse", "main"))


def test_where_the_downgrade_fails_the_branch_stays(clone: Clone) -> None:
    clone.branch("feature")
    clone.add(Script("stuck_00000000", downgrade='sql("INSERT INTO base (id) VALUES (1)")'))
    clone.database.workflow.upgrade()
    clone.database.execute("INSERT INTO base (id) VALUES (1)")
    before = clone.database.state()

    with pytest.raises(RevisionFailed) as failed:
        clone.switch_both("main")

    assert failed.value.state.startswith(NOTHING_CHANGED)
    assert (clone.database.state(), clone.git("branch", "--show-current")) == (before, "feature")


def test_where_a_loss_is_not_agreed_to_the_branch_stays(clone: Clone) -> None:
    two_branches(clone)
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")

    with pytest.raises(LossNotConfirmed):
        clone.switch_both("main", loss=False)
    assert (clone.current, clone.git("branch", "--show-current")) == (("reserve_00000000",), "feature")


def test_where_git_refuses_nothing_is_touched(clone: Clone) -> None:
    two_branches(clone)
    (clone.versions / "other_00000000.py").write_text("# mine\n")
    before = clone.database.state()

    refused = refusal(clone.inv("switch", "main", "--yes"), "db.E225", EXIT_FAILED)

    assert "other_00000000.py" in refused.details["git says"]
    assert refused.commands == ["git status"]
    assert (clone.database.state(), clone.git("branch", "--show-current")) == (before, "feature")
    assert (clone.versions / "other_00000000.py").read_text() == "# mine\n"


def test_where_git_refuses_at_the_last_moment_the_run_is_rolled_back(clone: Clone) -> None:
    """Another working tree has checked out the branch. Only `git switch` itself finds this."""
    two_branches(clone)
    clone.git("worktree", "add", "--quiet", str(clone.folder.with_name("other")), "main")
    before = clone.database.state()

    with pytest.raises(SwitchRefused):
        clone.switch_both("main")
    assert (clone.database.state(), clone.git("branch", "--show-current")) == (before, "feature")


def test_where_the_commit_fails_git_goes_back(small: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """After git has switched, any error ends the run, for example a deferred constraint or a full disk."""
    two_branches(small)
    before = small.database.state()
    follower = Follower(small.database.workflow)

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Signals, "hold", fail)
    with follower.switching("main") as plan, pytest.raises(KeyboardInterrupt):
        follower.run(plan, Agreement(everything=True))

    assert (small.database.state(), small.git("branch", "--show-current")) == (before, "feature")


def test_uncommitted_work_comes_along_as_git_takes_it(small: Clone) -> None:
    two_branches(small)
    mine = small.write(Script("mine_00000000", down="base_00000000"))
    base = small.versions / "base_00000000.py"
    base.write_text(base.read_text() + "\n# mine\n")
    small.git("rm", "--quiet", "--cached", "alembic/versions/reserve_00000000.py")
    small.git("reset", "--quiet")

    refused = small.inv("switch", "main", "--yes")

    assert refusal(refused, "db.E202", EXIT_FAILED).fact.endswith("heads: mine_00000000, other_00000000")
    mine.unlink()
    assert small.switch_both("main") == ["down reserve", "up other"]
    assert base.read_text().endswith("# mine\n")


def test_a_branch_that_only_the_remote_has(small: Clone) -> None:
    two_branches(small)
    bare = small.folder.with_name("remote.git")
    small.git("clone", "--quiet", "--bare", ".", str(bare))
    small.git("remote", "add", "origin", str(bare))
    small.git("fetch", "--quiet", "origin")
    small.git("branch", "--delete", "--force", "main")

    assert small.switch_both("main") == ["down reserve", "up other"]
    assert small.git("rev-parse", "--abbrev-ref", "main@{upstream}") == "origin/main"


@pytest.mark.parametrize("name", ["featur", "v1", "--force", "HEAD~1"])
def test_what_is_no_branch_is_said(small: Clone, name: str) -> None:
    two_branches(small)
    small.git("tag", "v1")
    done = small.inv("switch", name) if name[0] != "-" else small.inv("switch", "--", name)

    refused = refusal(done, "db.E224", EXIT_USAGE)

    assert refused.details.get("nearest") == ("feature" if name == "featur" else None)


def test_without_git_it_says_so(small: Clone) -> None:
    (small.folder / ".git").rename(small.folder.with_name("away"))
    assert "no git repository" in refusal(small.inv("switch", "main"), "db.E223", EXIT_USAGE).fact
