"""Where the code of a revision that this checkout lacks is found, and which code is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from antarest.migration.branches.follower import Follower
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.facts.branches import RevisionLost, ScriptChanged
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import Clone, applied_on_a_branch, forget_the_store, table
from tests.support.projects.histories import Script

# ---- where the code is found


def test_a_branch_that_was_deleted(small: Clone) -> None:
    applied_on_a_branch(small)
    small.git("branch", "--delete", "--force", "feature")
    assert small.sync() == ["down reserve"]
    small.assert_matches()


def test_a_file_that_was_never_committed(small: Clone) -> None:
    path = small.write(table("reserve"))
    small.database.workflow.upgrade()
    path.unlink()
    assert small.sync() == ["down reserve"]
    small.assert_matches()


Hide = Callable[[Clone], None]


def _in_a_branch(_clone: Clone) -> None:
    pass


def _in_a_tag(clone: Clone) -> None:
    clone.git("tag", "v1", "feature")
    clone.git("branch", "--delete", "--force", "feature")


def _in_a_remote_branch(clone: Clone) -> None:
    other = clone.folder.with_name("remote.git")
    clone.git("clone", "--quiet", "--bare", ".", str(other))
    clone.git("remote", "add", "origin", str(other))
    clone.git("fetch", "--quiet", "origin")
    clone.git("branch", "--delete", "--force", "feature")


def _in_the_reflog(clone: Clone) -> None:
    clone.git("branch", "--delete", "--force", "feature")


def _in_a_branch_that_was_overwritten(clone: Clone) -> None:
    clone.git("branch", "--force", "feature", "main")


def _in_a_stash(clone: Clone) -> None:
    clone.git("restore", "--source=feature", "--worktree", "--", "alembic/versions")
    clone.git("stash", "push", "--quiet", "--include-untracked")
    clone.git("branch", "--delete", "--force", "feature")
    clone.git("reflog", "expire", "--expire=now", "HEAD")


def _in_another_working_tree(clone: Clone) -> None:
    other = clone.folder.with_name("other")
    clone.git("worktree", "add", "--quiet", "--detach", str(other), "main")
    clone.git(f"--work-tree={other}", "restore", "--source=feature", "--worktree", "--", "alembic/versions")
    clone.git("branch", "--delete", "--force", "feature")
    clone.git("reflog", "expire", "--expire=now", "HEAD")


@pytest.mark.parametrize(
    ("hide", "place"),
    [
        (_in_a_branch, "branch feature"),
        (_in_a_tag, "tag v1"),
        (_in_a_remote_branch, "remote branch origin/feature"),
        (_in_the_reflog, "the reflog"),
        (_in_a_branch_that_was_overwritten, "the reflog"),
        (_in_a_stash, "the stash"),
        (_in_another_working_tree, "working tree"),
    ],
)
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_without_the_store_it_is_found_in_git(small: Clone, hide: Hide, place: str, *, named: bool) -> None:
    """This also works if the name of the file does not contain the id of the revision."""
    small.branch("feature")
    for number, script in enumerate([table("first"), table("second")]):
        path = small.write(script)
        if not named:
            path.rename(path.with_name(f"{number}.py"))
        small.commit(f"Add {script.id}")
    small.database.workflow.upgrade()
    small.switch("main")
    hide(small)
    forget_the_store(small)

    with Follower(small.database.workflow).syncing() as plan:
        assert [found.place.startswith(place) for found in plan.found.values()] == [True, True], plan.found
    assert small.sync() == ["down second", "down first"]
    small.assert_matches()


def test_what_is_nowhere_is_said_with_what_was_searched(small: Clone) -> None:
    small.write(table("reserve"))
    small.database.workflow.upgrade()
    (small.versions / "reserve_00000000.py").unlink()
    forget_the_store(small)

    refused = refusal(small.inv("sync"), "db.E220", EXIT_FAILED)

    assert "1 branch, 0 tags" in refused.details["searched"]
    assert "git fetch --all --tags" in refused.commands
    assert small.current == ("reserve_00000000",)


def test_a_shallow_clone_is_told_to_fetch_the_rest(small: Clone) -> None:
    applied_on_a_branch(small)
    small.git("branch", "--delete", "--force", "feature")
    other = small.folder.with_name("shallow")
    small.git("clone", "--quiet", "--depth=1", f"file://{small.folder}", str(other))

    with pytest.raises(RevisionLost) as lost:
        small.at(other).sync()
    assert next(hint.command for hint in lost.value.hints) == "git fetch --unshallow"


def test_without_git_the_folder_is_all_there_is(small: Clone) -> None:
    applied_on_a_branch(small)
    shutil.rmtree(small.folder / ".git")

    refused = refusal(small.inv("sync"), "db.E220", EXIT_FAILED)
    assert "not a git repository" in refused.details["searched"]
    assert not any("git fetch" in command for command in refused.commands)
    small.write(table("reserve"))
    assert small.sync() == []
    small.assert_matches()


def test_a_detached_head_is_a_checkout_as_any(small: Clone) -> None:
    began = small.git("rev-parse", "HEAD")
    small.add(table("first"), table("second"))
    small.sync()
    small.switch(began)
    assert small.sync() == ["down second", "down first"]
    small.assert_matches()


# ---- the code that runs is the code that was applied


def test_a_store_that_was_tampered_with_is_not_believed(small: Clone) -> None:
    applied_on_a_branch(small)
    (kept,) = (small.folder / ".git" / "antarest" / "revisions").glob("reserve*")
    kept.write_text(kept.read_text() + "\nraise SystemExit(7)\n")

    assert small.sync() == ["down reserve"]
    small.assert_matches()


def test_a_tampered_copy_is_no_copy_where_there_is_nothing_else(small: Clone) -> None:
    path = small.write(table("reserve"))
    small.database.workflow.upgrade()
    path.unlink()
    (kept,) = (small.folder / ".git" / "antarest" / "revisions").glob("reserve*")
    kept.write_text(kept.read_text() + "\nraise SystemExit(7)\n")

    with pytest.raises(RevisionLost):
        small.sync()
    assert small.current == ("reserve_00000000",)


def test_other_code_than_was_applied_needs_an_agreement(small: Clone) -> None:
    applied_on_a_branch(small)
    forget_the_store(small)
    small.switch("feature")
    path = small.versions / "reserve_00000000.py"
    path.write_text(path.read_text().replace("label", "other"))
    small.git("add", "--all")
    small.git("commit", "--quiet", "--amend", "--no-edit")
    small.switch("main")
    small.git("reflog", "expire", "--expire=now", "--all")

    refused = refusal(small.inv("sync", "--yes"), "db.E221", EXIT_FAILED)
    assert refused.details["applied"].startswith("sha256:")
    assert refused.details["where"].startswith("branch feature")
    with pytest.raises(ScriptChanged):
        small.sync()
    assert small.sync(allow_changed=True) == ["down reserve"]
    small.assert_matches()


def test_a_revision_that_was_written_anew_is_undone_as_it_was(clone: Clone) -> None:
    """The id is the same, but the content differs. The code that was applied comes from the store."""
    applied_on_a_branch(clone, table("reserve"), table("later"))
    clone.switch("feature")
    path = clone.versions / "reserve_00000000.py"
    path.write_text(path.read_text().replace("label", "other"))

    assert clone.sync() == ["down later", "down reserve", "up reserve", "up later"]
    clone.assert_matches()


def test_a_revision_that_was_put_on_top_of_another_is_undone_first(clone: Clone) -> None:
    """After a rebase, the revision has the same id and another place. The database lacks the revision before it."""
    applied_on_a_branch(clone)
    clone.add(table("merged"))
    path = clone.write(Script(**{**table("reserve").__dict__, "down": "merged_00000000"}))
    assert path.name == "reserve_00000000.py"

    assert clone.sync() == ["down reserve", "up merged", "up reserve"]
    clone.assert_matches()


def test_a_comment_is_no_change(small: Clone) -> None:
    applied_on_a_branch(small)
    small.switch("feature")
    path = small.versions / "reserve_00000000.py"
    path.write_text(path.read_text().replace('"""revision', '"""The revision') + "\n# More.\n")

    assert small.sync() == []
    assert small.database.workflow.status().edited == ("reserve_00000000",)


def test_what_main_has_is_not_done_again_for_an_edit(small: Clone) -> None:
    """If somebody corrects a revision that everybody has applied, the later revisions are not undone."""
    path = small.versions / "base_00000000.py"
    path.write_text(path.read_text().replace("sa.String(9)", "sa.String(10)"))

    done = small.inv("sync")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "edited         base_00000000" in done.out
    assert "nothing to do" in done.out
