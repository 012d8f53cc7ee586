"""While a revision is being written: do it again, write it anew, put it on top of what others added meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.core.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.checkout.own import follow
from antarest.migration.project import Project
from antarest.migration.revision_files import read_revision
from antarest.migration.rollback_script import parse
from tests.refusals import refusal
from tests.support import Result
from tests.support_branches import Clone, column, table
from tests.support_histories import Script

MODELS = """\
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("base", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("label", sa.String(9)))
"""
RESERVE = 'sa.Table("reserve", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("{}", sa.Integer))\n'
INI = """
[post_write_hooks]
hooks = antarest
antarest.type = antarest

[antarest]
metadata = models:metadata
rollback_script = rollback.sh
"""
MAKO = Path(__file__).parents[2] / "alembic" / "script.py.mako"


def with_models(clone: Clone) -> Clone:
    """The clone with models, a `rollback.sh`, and a branch that is checked out."""
    ini = clone.folder / "alembic.ini"
    ini.write_text(
        ini.read_text().replace("path_separator = os", "path_separator = os\nrevision_environment = true") + INI
    )
    (clone.folder / "alembic" / "script.py.mako").write_text(MAKO.read_text())
    (clone.folder / "models.py").write_text(MODELS)
    assert clone.inv("rollback-script").code == EXIT_DONE
    clone.commit("Add models")
    clone.branch("feature")
    return clone


def change_models(clone: Clone, text: str) -> None:
    (clone.folder / "models.py").write_text(MODELS + text)


def written(clone: Clone, *flags: str) -> tuple[Path, Result]:
    """Write a revision, and return its file."""
    done = clone.inv("revision", *flags)
    assert done.code == EXIT_DONE, done.err + done.out
    return max(clone.versions.glob("*.py"), key=lambda path: path.stat().st_mtime_ns), done


def well(done: Result) -> str:
    assert (done.code, done.err) == (EXIT_DONE, "")
    return done.out


# ---- db.redo


def test_redo_is_down_and_up_with_the_file_as_it_is_now(clone: Clone) -> None:
    clone.branch("feature")
    path = clone.write(table("reserve"))
    clone.sync()
    path.write_text(path.read_text().replace("label", "other"))

    out = well(clone.inv("redo", "--yes"))

    assert "down" in out
    assert "up" in out
    clone.assert_matches()
    assert well(clone.inv("redo", "--yes")).count("reserve_00000000  revision reserve_00000000") >= 2


def test_redo_of_a_revision_that_is_not_applied_applies_it(small: Clone) -> None:
    small.write(table("reserve"))
    assert "upgrade        base_00000000 -> reserve_00000000" in well(small.inv("redo"))
    small.assert_matches()


def test_redo_names_what_it_loses(clone: Clone) -> None:
    clone.write(table("reserve"))
    clone.sync()
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")

    refused = refusal(clone.inv("redo", "--yes"), "db.E502", EXIT_FAILED)

    assert refused.commands == ["inv db.redo --dry-run", "inv db.redo --allow-data-loss"]
    well(clone.inv("redo", "--allow-data-loss"))
    assert clone.database.value("SELECT count(*) FROM reserve") == 0


# ---- db.revision --amend


def test_amend_after_it_was_applied(clone: Clone) -> None:
    with_models(clone)
    change_models(clone, RESERVE.format("size"))
    path, _ = written(clone, "--message=add reserve")
    clone.sync()
    change_models(clone, RESERVE.format("height"))

    out = well(clone.inv("revision", "--amend", "--yes"))

    assert clone.project.history[clone.project.history.head].path == path
    assert "height" in path.read_text()
    assert "size" not in path.read_text()
    assert clone.current == ("base_00000000",)
    assert "inv db.upgrade" in out
    assert parse(clone.folder / "rollback.sh") == ("base_00000000", clone.project.history.head)
    clone.sync()
    clone.assert_matches()
    well(clone.inv("revision", "--amend", "--yes"))


def test_amend_before_it_was_applied(small: Clone) -> None:
    with_models(small)
    change_models(small, RESERVE.format("size"))
    path, _ = written(small, "--message=add reserve")
    change_models(small, RESERVE.format("height"))

    assert "inv db.upgrade" not in well(small.inv("revision", "--amend"))
    assert "height" in path.read_text()
    assert read_revision(path).message == "add reserve"


def test_what_was_written_by_hand_is_not_overwritten(small: Clone) -> None:
    with_models(small)
    change_models(small, RESERVE.format("size"))
    path, _ = written(small, "--message=add reserve")
    path.write_text(edited := path.read_text() + "\n# By hand.\n")
    small.sync()
    change_models(small, RESERVE.format("height"))

    refused = refusal(small.inv("revision", "--amend", "--yes"), "db.E227", EXIT_FAILED)

    assert "inv db.revision --amend --discard-edits" in refused.commands
    assert path.read_text() == edited
    assert small.current == (read_revision(path).id,)

    well(small.inv("revision", "--amend", "--discard-edits", "--yes"))
    assert "By hand" not in path.read_text()
    kept = (small.folder / ".git" / "antarest" / "revisions").glob(f"{read_revision(path).id}.*.py")
    assert edited in [copy.read_text() for copy in kept]


def test_a_loss_is_named_before_a_revision_is_written_anew(small: Clone) -> None:
    with_models(small)
    change_models(small, RESERVE.format("size"))
    path, _ = written(small, "--message=add reserve")
    small.sync()
    small.database.execute("INSERT INTO reserve (id, size) VALUES (1, 1)")
    before = path.read_text()

    refusal(small.inv("revision", "--amend", "--yes"), "db.E502", EXIT_FAILED)

    assert path.read_text() == before
    assert small.database.value("SELECT count(*) FROM reserve") == 1


def test_what_others_have_is_not_written_anew(small: Clone) -> None:
    with_models(small)
    assert "main has revision base_00000000" in refusal(small.inv("revision", "--amend"), "db.E226", EXIT_FAILED).fact
    change_models(small, RESERVE.format("size"))
    written(small, "--message=add reserve")
    small.commit("Add reserve")
    small.git("tag", "v1")
    assert "a tag has" in refusal(small.inv("revision", "--amend"), "db.E226", EXIT_FAILED).fact


def test_a_revision_that_is_not_needed_any_more_stays(small: Clone) -> None:
    with_models(small)
    change_models(small, RESERVE.format("size"))
    path, _ = written(small, "--message=add reserve")
    before = path.read_text()
    change_models(small, "")

    assert "nothing detected" in well(small.inv("revision", "--amend"))
    assert path.read_text() == before


@pytest.mark.parametrize("flag", ["--message=other", "--empty"])
def test_amend_keeps_the_message(small: Clone, flag: str) -> None:
    assert flag.partition("=")[0] in refusal(small.inv("revision", "--amend", flag), "usage.E101", EXIT_USAGE).fact


# ---- db.rebase


def diverged(clone: Clone, *, merged: bool = True) -> Clone:
    """A branch with two revisions, applied, and main with two other ones, merged into it."""
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


def test_rebase_shows_its_plan_and_asks_for_losses(clone: Clone) -> None:
    diverged(clone)
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")
    files = {path: path.read_text() for path in clone.versions.glob("*.py")}

    well(clone.inv("rebase", "--dry-run"))
    refused = refusal(clone.inv("rebase", "--yes"), "db.E502", EXIT_FAILED)

    assert refused.commands == ["inv db.rebase --dry-run", "inv db.rebase --allow-data-loss"]
    assert {path: path.read_text() for path in clone.versions.glob("*.py")} == files
    assert clone.current == ("more_11111111",)


def test_rebase_leaves_the_files_where_the_run_fails(clone: Clone) -> None:
    diverged(clone)
    clone.git("switch", "--quiet", "main")
    clone.add(Script("broken_00000000", upgrade='sql("INSERT INTO base (id) VALUES (1)")'))
    clone.git("switch", "--quiet", "feature")
    clone.git("merge", "--quiet", "main")
    clone.database.execute("INSERT INTO base (id) VALUES (1)")
    files = {path: path.read_text() for path in clone.versions.glob("*.py")}

    refusal(clone.inv("rebase", "--yes"), "db.E601", EXIT_FAILED)

    assert {path: path.read_text() for path in clone.versions.glob("*.py")} == files
    assert clone.current == ("more_11111111",)


def test_rebase_asks_for_a_merge_first(small: Clone) -> None:
    diverged(small, merged=False)
    refused = refusal(small.inv("rebase"), "db.E228", EXIT_FAILED)
    assert refused.commands == ["git merge main", "inv db.history"]


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
    """Two branches that each add a revision: git stops at the line of `rollback.sh` that names the head."""
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
def test_in_the_middle_of_a_conflicted_merge_or_rebase(clone: Clone, command: str) -> None:
    conflicted(clone, command)

    well(clone.inv("rebase", "--yes"))

    assert parse(clone.folder / "rollback.sh") == ("other_00000000", "reserve_00000000")
    clone.assert_matches()
    clone.git("add", "--all")
    clone.git("-c", "core.editor=true", command.split(maxsplit=1)[0], "--continue")
    assert clone.git("status", "--porcelain") == ""
    assert clone.project.history.heads == ("reserve_00000000",)


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


def test_merge_joins_the_heads(clone: Clone) -> None:
    with_models(clone)
    clone.add(table("reserve"))
    clone.sync()
    clone.switch("main")
    clone.add(table("other"))
    clone.git("merge", "--quiet", "feature")

    assert "joins          other_00000000, reserve_00000000" in well(clone.inv("merge"))

    project = Project.load(clone.folder / "alembic.ini")
    assert project.history[project.history.head].down == ("other_00000000", "reserve_00000000")
    assert parse(clone.folder / "rollback.sh") == ("base_00000000", project.history.head)
    clone.sync()
    clone.assert_matches()
    assert "nothing to do: the history has one head" in well(clone.inv("merge"))
