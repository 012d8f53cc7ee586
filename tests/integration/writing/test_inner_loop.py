"""While an author writes a revision, the author runs it again, or lets the command write it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.project.revision_files import read_revision
from antarest.migration.project.rollback_script import parse
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import RESERVE, Clone, change_models, table, well, with_models
from tests.support.projects.checkouts import Result


def written(clone: Clone, *flags: str) -> tuple[Path, Result]:
    """Write a revision, and return its file."""
    done = clone.inv("revision", *flags)
    assert done.code == EXIT_DONE, done.err + done.out
    return max(clone.versions.glob("*.py"), key=lambda path: path.stat().st_mtime_ns), done


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


def test_nothing_is_undone_that_cannot_be_written_again(small: Clone) -> None:
    """This project has no `script.py.mako`, so no revision can be written."""
    small.write(table("reserve"))
    small.sync()
    before = small.database.state()

    refused = refusal(small.inv("revision", "--amend", "--discard-edits", "--yes"), "db.E210", EXIT_USAGE)

    assert refused.state == NOTHING_CHANGED
    assert small.database.state() == before


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

    assert "no changes: " in well(small.inv("revision", "--amend"))
    assert path.read_text() == before


@pytest.mark.parametrize("flag", ["--message=other", "--empty"])
def test_amend_keeps_the_message(small: Clone, flag: str) -> None:
    assert flag.partition("=")[0] in refusal(small.inv("revision", "--amend", flag), "usage.E101", EXIT_USAGE).fact
