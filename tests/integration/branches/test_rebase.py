"""Two heads: the revisions of this branch move to the end, after those of other branches, or both heads are joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.migration.branches.own_revisions import follow
from antarest.migration.errors.base import EXIT_FAILED
from antarest.migration.project.project import Project
from antarest.migration.project.revision_files import read_revision
from antarest.migration.project.rollback_script import parse
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import Clone, column, table, well, with_models
from tests.support.projects.histories import Script

# ---- db.rebase


def diverged(clone: Clone, *, merged: bool = True) -> Clone:
    """A branch with two applied revisions. Main has two other revisions, and is merged into the branch."""
    clone.branch("feature")
    clone.add(table("reserve"), column("reserve", "more"))
    clone.sync()
    clone.switch("main")
    clone.add(table("other"), column("other", "wide"))
    clone.switch("feature")
    if merged:
        clone.git("merge", "--quiet", "main")
    return clone


def test_rebase_moves_the_revisions_and_the_database(clone: Clone) -> None:
    diverged(clone)
    clone.database.execute("INSERT INTO base (id, label) VALUES (1, 'kept')")
    assert len(clone.project.history.heads) == 2
    refused = refusal(clone.inv("upgrade"), "db.E202", EXIT_FAILED)
    assert refused.commands == ["inv db.rebase", "inv db.merge"]

    out = well(clone.inv("rebase", "--yes"))

    assert "rebase         reserve_00000000 follows wide_11111111 now, not base_00000000" in out
    assert clone.project.history.order == (
        *("base_00000000", "other_00000000", "wide_11111111", "reserve_00000000", "more_11111111"),
    )
    clone.assert_matches()
    assert clone.database.value("SELECT label FROM base") == "kept"
    assert "nothing to do" in well(clone.inv("rebase"))


def test_rebase_shows_its_plan_and_asks_for_losses(small: Clone) -> None:
    diverged(small)
    small.database.execute("INSERT INTO reserve (id) VALUES (1)")
    files = {path: path.read_text() for path in small.versions.glob("*.py")}

    well(small.inv("rebase", "--dry-run"))
    refused = refusal(small.inv("rebase", "--yes"), "db.E502", EXIT_FAILED)

    assert refused.commands == ["inv db.rebase --dry-run", "inv db.rebase --allow-data-loss"]
    assert {path: path.read_text() for path in small.versions.glob("*.py")} == files
    assert small.current == ("more_11111111",)


def test_rebase_leaves_the_files_where_the_run_fails(small: Clone) -> None:
    diverged(small)
    small.git("switch", "--quiet", "main")
    small.add(Script("broken_00000000", upgrade='sql("INSERT INTO base (id) VALUES (1)")'))
    small.git("switch", "--quiet", "feature")
    small.git("merge", "--quiet", "main")
    small.database.execute("INSERT INTO base (id) VALUES (1)")
    files = {path: path.read_text() for path in small.versions.glob("*.py")}

    refusal(small.inv("rebase", "--yes"), "db.E601", EXIT_FAILED)

    assert {path: path.read_text() for path in small.versions.glob("*.py")} == files
    assert small.current == ("more_11111111",)


def test_rebase_asks_for_a_merge_first(small: Clone) -> None:
    diverged(small, merged=False)
    refused = refusal(small.inv("rebase"), "db.E228", EXIT_FAILED)
    assert refused.commands == ["git merge main", "inv db.rebase --onto=REF"]


def test_on_main_it_goes_on_top_of_what_was_pulled(small: Clone) -> None:
    bare = small.folder.with_name("remote.git")
    diverged(small, merged=False)
    small.git("branch", "theirs", "main")
    small.git("branch", "--force", "main", "feature")
    small.git("clone", "--quiet", "--bare", ".", str(bare))
    small.git("--git-dir", str(bare), "branch", "--force", "main", "theirs")
    small.git("remote", "add", "origin", str(bare))
    small.git("fetch", "--quiet", "origin")
    small.switch("main")
    small.git("branch", "--set-upstream-to=origin/main")
    small.git("pull", "--quiet", "--no-rebase")

    assert "reserve_00000000 follows wide_11111111 now" in well(small.inv("rebase", "--yes"))
    small.assert_matches()


def conflicted(clone: Clone, command: str) -> None:
    """Two branches that each add a revision. Git reports a conflict in the line of `rollback.sh` with the head."""
    with_models(clone)
    clone.write(table("reserve"))
    well(clone.inv("rollback-script"))
    clone.commit("Add reserve")
    clone.sync()
    clone.switch("main")
    clone.write(table("other"))
    well(clone.inv("rollback-script"))
    clone.commit("Add other")
    clone.switch("feature")
    clone.git(*command.split(), fails=True)
    assert clone.git("diff", "--name-only", "--diff-filter=U") == "rollback.sh"
    assert "<<<<<<<" in (clone.folder / "rollback.sh").read_text()


@pytest.mark.parametrize("command", ["merge main", "rebase main"])
def test_in_the_middle_of_a_conflicted_merge_or_rebase(small: Clone, command: str) -> None:
    conflicted(small, command)

    well(small.inv("rebase", "--yes"))

    assert parse(small.folder / "rollback.sh") == ("other_00000000", "reserve_00000000")
    small.assert_matches()
    small.git("add", "--all")
    small.git("-c", "core.editor=true", command.split(maxsplit=1)[0], "--continue")
    assert small.git("status", "--porcelain") == ""
    assert small.project.history.heads == ("reserve_00000000",)


def test_a_branch_that_is_not_there(small: Clone) -> None:
    assert "git has no nowhere here" in refusal(small.inv("rebase", "--onto=nowhere"), "db.E228", EXIT_FAILED).fact


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("down_revision = 'a'", 'down_revision = "z"'),
        ('down_revision: str | None = "a"  # first', 'down_revision: str | None = "z"  # first'),
        ("down_revision = (\n    'a'\n)", 'down_revision = (\n    "z"\n)'),
        ("down_revision = None", 'down_revision = "z"'),
        ("é = 1; down_revision = 'a'", 'é = 1; down_revision = "z"'),
    ],
)
def test_a_file_follows_another_one(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "b.py"
    path.write_text(f'"""b\n\nRevises: a\n"""\nrevision = "b"\n{line}\n')

    text = follow(read_revision(path), "z").decode()

    assert text == f'"""b\n\nRevises: z\n"""\nrevision = "b"\n{expected}\n'


# ---- db.merge


def test_merge_joins_the_heads(small: Clone) -> None:
    with_models(small)
    small.add(table("reserve"))
    small.sync()
    small.switch("main")
    small.add(table("other"))
    small.git("merge", "--quiet", "feature")

    assert "joins          other_00000000, reserve_00000000" in well(small.inv("merge"))

    project = Project.load(small.folder / "alembic.ini")
    assert project.history[project.history.head].down == ("other_00000000", "reserve_00000000")
    assert parse(small.folder / "rollback.sh") == ("base_00000000", project.history.head)
    small.sync()
    small.assert_matches()
    assert "nothing to do: the history has one head" in well(small.inv("merge"))


# ---- what may not be moved, and what nobody would think of


def test_what_main_has_is_not_moved(small: Clone) -> None:
    """The revision was pushed to main. A rebase of another branch that contains it onto a third branch is refused."""
    small.branch("theirs")
    small.add(table("theirs"))
    small.switch("main")
    small.branch("mine")
    small.switch("main")
    small.add(table("pushed"))
    small.git("update-ref", "refs/remotes/origin/main", "main")
    small.switch("mine")
    small.git("merge", "--quiet", "main")
    small.git("merge", "--quiet", "theirs")

    refused = refusal(small.inv("rebase", "--onto=theirs"), "db.E228", EXIT_FAILED)
    assert refused.fact == "db.rebase is refused: revision pushed_00000000 is on main"
    assert refused.commands[0] == "inv db.merge"


def test_a_branch_that_main_merges_goes_on_top_of_main(small: Clone) -> None:
    diverged(small, merged=False)
    small.switch("main")
    small.git("merge", "--quiet", "--no-commit", "--no-ff", "feature")

    assert "reserve_00000000 follows wide_11111111 now" in well(small.inv("rebase", "--yes"))
    small.assert_matches()


def test_two_chains_of_its_own_come_one_after_the_other(small: Clone) -> None:
    diverged(small)
    small.write(Script(**{**table("second").__dict__, "down": "base_00000000"}))
    out = well(small.inv("rebase", "--yes"))

    order = small.project.history.order
    assert len(small.project.history.heads) == 1
    for id_, before in zip(order[1:], order, strict=False):
        assert f"{id_} follows" not in out or f"{id_} follows {before} now, not base_00000000" in out
    assert out.count(" follows ") == 2
    small.assert_matches()


def test_a_branch_that_merges_another_one_goes_on_top_of_it(small: Clone) -> None:
    small.branch("theirs")
    small.add(table("theirs"))
    small.switch("main")
    small.branch("mine")
    small.add(table("mine"))
    small.git("merge", "--quiet", "theirs")
    assert "mine_00000000 follows theirs_00000000 now" in well(small.inv("rebase", "--onto=theirs", "--yes"))
    small.assert_matches()


def test_in_the_middle_of_a_merge_a_newer_main_elsewhere_does_not_matter(small: Clone) -> None:
    diverged(small, merged=False)
    small.switch("main")
    small.branch("newer")
    small.add(table("newer"))
    small.git("update-ref", "refs/remotes/origin/main", "newer")
    small.switch("feature")
    small.git("merge", "--quiet", "--no-commit", "--no-ff", "main")

    assert "reserve_00000000 follows wide_11111111 now" in well(small.inv("rebase", "--yes"))
