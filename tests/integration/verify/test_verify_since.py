"""`db.verify` in a git repository: the revisions that a branch adds, and its changes of applied revisions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import Checkout, Result, Run
from tests.support.projects.histories import Script, write_script

HEAD = HISTORY.head
ADDS = 'def upgrade() -> None:\n    op.create_index("ix_extra", "study", ["name"])\n'
DROPS = 'def downgrade() -> None:\n    op.drop_index("ix_extra", "study")\n'


@pytest.fixture
def branch(checkout: Checkout) -> Checkout:
    """A checkout on a new branch."""
    checkout.git("switch", "--quiet", "--create=feature")
    return checkout


def change(checkout: Checkout, id_: str) -> None:
    """Let a revision create one more index."""
    (file,) = (path for path in checkout.revisions if path.name.startswith(id_))
    text = file.read_text().replace("def upgrade() -> None:\n", ADDS)
    file.write_text(text.replace("def downgrade() -> None:\n", DROPS))


def verified(checkout: Checkout, *flags: str) -> tuple[Result, set[str]]:
    """Return the result of a proof on SQLite, and the ids of its findings."""
    file = checkout.path / "found.json"
    done = checkout.run("inv", "db.verify", "--engine=sqlite", f"--json={file}", *flags)
    return done, {each["id"] for each in json.loads(file.read_text())["findings"] if each["severity"] == "error"}


def test_a_revision_that_was_changed_after_it_was_applied(branch: Checkout) -> None:
    change(branch, HEAD)

    done, found = verified(branch, "--new")

    assert (done.code, found) == (EXIT_FAILED, {"V701", "V901"})
    assert "its upgrade and its downgrade were changed: index ix_extra: only in a new database" in done.out
    data = json.loads((branch.path / "found.json").read_text())
    (file,) = (path for path in branch.revisions if path.name.startswith(HEAD))
    places = {(each["revision"], each["file"]) for each in data["findings"] if each["id"] == "V901"}
    assert places == {(HEAD, str(file))}
    line = file.read_text().splitlines().index("def upgrade() -> None:") + 1
    assert {each["line"] for each in data["findings"] if each["id"] == "V901"} == {line}
    again = "inv db.verify --engine=sqlite --new"
    assert again in done.err


def test_a_revision_that_was_removed(branch: Checkout) -> None:
    branch.revisions[[path.name[:12] for path in branch.revisions].index(HEAD)].unlink()

    done, found = verified(branch, "--new")

    assert (done.code, found) == (EXIT_FAILED, {"V105", "V701", "V901"})
    assert f"{HEAD} is not there any more (its file was {HEAD}_" in done.out


def test_a_commit_that_is_named(branch: Checkout) -> None:
    change(branch, HEAD)
    branch.commit("Change a revision")

    _, found = verified(branch, f"--revisions={HEAD}", "--since=HEAD")

    assert found == {"V701"}


def test_what_is_deployed_is_upgraded_too(branch: Checkout) -> None:
    """Main already has the change, but production does not."""
    branch.git("tag", "v1")
    assert branch.run("inv", "db.deployed", "v1").code == EXIT_DONE
    change(branch, HEAD)
    branch.commit("Change a revision")
    branch.git("branch", "--force", "main", "HEAD")

    _, found = verified(branch, f"--revisions={HEAD}")

    assert found == {"V701", "V901"}


def test_a_branch_that_adds_nothing_has_nothing_to_prove(branch: Checkout) -> None:
    done, found = verified(branch, "--new")

    assert (done.code, found) == (EXIT_DONE, set())
    assert "no findings: 0 revisions" in done.out


def test_only_what_a_branch_adds_is_proved(branch: Checkout) -> None:
    written = branch.run("inv", "db.revision", "--empty", "--message=change nothing")
    assert written.code == EXIT_DONE, written.err

    done, found = verified(branch, "--new")

    assert (done.code, found) == (EXIT_DONE, set())
    assert "no findings: 1 revision " in done.out


def test_a_revision_that_was_moved_onto_another_one(run: Run, tmp_path: Path) -> None:
    """One of two heads on main is moved after the other. A database that has run both cannot be upgraded."""
    versions = tmp_path / "versions"
    versions.mkdir()
    for id_ in ("c1", "a1", "b1"):
        write_script(versions, Script(id_), "c1" if id_ != "c1" else None)
    repository = Checkout(tmp_path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit("Two heads")
    write_script(versions, Script("b1"), "a1")

    module = ("python", "-m", "antarest.migration", "verify")
    done = run(*module, f"--versions={versions}", "--engine=sqlite", "--since=HEAD")

    refusal(done, "db.E803", EXIT_FAILED)
    assert "V901" in done.out
    assert (
        "SQLite: it followed c1, and follows a1 now: a database from before cannot be upgraded: CommandError: "
        "Requested revision b1 overlaps with other requested revisions a1\n" in done.out
    )
    assert "not proved" not in done.out


@pytest.mark.parametrize("flags", [["--since=nowhere"], ["--since=--all"]])
def test_a_commit_that_is_not_there(branch: Checkout, flags: list[str]) -> None:
    error = refusal(branch.run("inv", "db.verify", *flags), "usage.E101", EXIT_USAGE)

    assert "git has no commit" in error.fact


def test_without_git_there_is_nothing_new(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.path / ".git").rename(tmp_path / "away")

    error = refusal(checkout.run("inv", "db.verify", "--new"), "usage.E101", EXIT_USAGE)

    assert "--new needs git" in error.fact
