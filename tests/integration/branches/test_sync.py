"""The database follows the checkout: one command makes them match, and each loss of rows is named."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from antarest.migration.branches.follower import Follower
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, NOTHING_CHANGED
from antarest.migration.errors.facts.branches import PlanOvertaken
from antarest.migration.errors.facts.loss import Irreversible, LossNotConfirmed, LossNotDeclared
from antarest.migration.errors.facts.project import UnknownRevision
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.errors.loss import Agreement
from tests.support.checks.refusals import parse, refusal
from tests.support.projects.branches import Clone, applied_on_a_branch, column, table
from tests.support.projects.histories import Script

# ---- the plan and the move


# These names contain each step from a branch to another one.
TOUR = ("main", "one", "main", "two", "main", "three", "one", "two", "one", "three", "two", "three", "main")


def test_a_tour_of_three_branches_from_each_to_each(clone: Clone) -> None:
    """The revisions of the branches diverge and overlap. Tables of two branches keep their rows during a switch."""
    assert {*itertools.pairwise(TOUR)} == {*itertools.permutations(["main", "one", "two", "three"], 2)}
    clone.branch("one")
    clone.add(table("shared"), column("base", "one"))
    clone.git("branch", "two", "HEAD~1")
    clone.switch("two")
    clone.add(column("shared", "two"), table("second"))
    clone.switch("main")
    clone.branch("three")
    clone.add(table("third"))
    clone.database.execute("INSERT INTO base (id, label) VALUES (1, 'kept')")

    for name in TOUR:
        clone.switch(name)
        clone.sync()
        clone.assert_matches()
        assert clone.database.value("SELECT label FROM base") == "kept"

    clone.switch("one")
    clone.sync()
    clone.database.execute("INSERT INTO shared (id, label) VALUES (1, 'both')")
    clone.switch("two")
    assert clone.sync() == ["down one", "up two", "up second"]
    assert clone.database.value("SELECT label FROM shared") == "both"


def test_it_is_one_transaction(clone: Clone) -> None:
    """If a later step fails, the undone revisions come back."""
    applied_on_a_branch(clone)
    clone.add(Script("broken_00000000", upgrade='sql("SELECT * FROM nowhere")'))
    before = clone.database.state()

    with pytest.raises(RevisionFailed) as failed:
        clone.sync()

    assert clone.database.state() == before
    assert failed.value.state.startswith(NOTHING_CHANGED)
    assert "1 revision was undone with it" in failed.value.state


def test_a_loss_is_named_with_its_count_and_needs_an_agreement(clone: Clone) -> None:
    applied_on_a_branch(clone)
    clone.database.execute("INSERT INTO reserve (id) VALUES (1), (2)")
    before = clone.database.state()

    refused = refusal(clone.inv("sync", "--yes"), "db.E502", EXIT_FAILED)
    assert refused.details["loses"] == "reserve: 2 rows (it makes it)"
    assert "inv db.sync --allow-data-loss" in refused.commands
    with pytest.raises(LossNotConfirmed):
        clone.sync(loss=False)
    assert clone.database.state() == before

    done = clone.inv("sync", "--allow-data-loss")
    assert done.code == EXIT_DONE, done.err
    assert "drops table reserve (2 rows): it makes it" in done.out
    clone.assert_matches()


def test_a_loss_that_nobody_declared_is_refused(clone: Clone) -> None:
    undeclared = table("reserve")
    applied_on_a_branch(clone, Script(undeclared.id, undeclared.upgrade, undeclared.downgrade))
    clone.database.execute("INSERT INTO reserve (id) VALUES (1)")

    with pytest.raises(LossNotDeclared):
        clone.sync()
    assert clone.current == ("reserve_00000000",)


def test_what_cannot_be_undone_is_said(small: Clone) -> None:
    applied_on_a_branch(small, Script("final_00000000", irreversible="it deletes"))

    with pytest.raises(Irreversible, match="it deletes"):
        small.sync()


def test_the_plan_shows_where_the_code_is_from_and_changes_nothing(small: Clone) -> None:
    applied_on_a_branch(small)
    small.add(table("other"))
    before = small.database.state()

    done = small.inv("sync", "--dry-run")

    assert done.code == EXIT_DONE, done.err
    commit = small.git("rev-parse", "--short=10", "feature")
    assert f"found in branch feature, {commit}, tests, 20" in done.out
    assert "reserve_00000000 -> base_00000000 (1 revision)" in done.out
    assert "base_00000000 -> other_00000000 (1 revision)" in done.out
    assert small.database.state() == before


def test_a_plan_that_was_overtaken_is_refused(small: Clone) -> None:
    applied_on_a_branch(small)
    small.add(table("other"))
    with Follower(small.database.workflow).syncing() as plan:
        small.switch("HEAD~1")
        small.sync()

        with pytest.raises(PlanOvertaken):
            Follower(small.database.workflow).run(plan, Agreement(everything=True))
    assert small.current == ("base_00000000",)


def test_a_plan_that_somebody_else_has_carried_out_is_done(small: Clone) -> None:
    applied_on_a_branch(small)
    with Follower(small.database.workflow).syncing() as plan:
        small.sync()
        assert Follower(small.database.workflow).run(plan, Agreement()).steps == []


def test_at_head_there_is_nothing_to_do(small: Clone) -> None:
    done = small.inv("sync")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "nothing to do: the database is at base_00000000" in done.out


def test_a_backup_comes_first(small: Clone) -> None:
    applied_on_a_branch(small)

    assert small.inv("sync", "--yes").code == EXIT_DONE
    assert list(small.folder.glob("**/backups/*reserve_00000000*")) or list(
        Path(str(small.url.database)).parent.glob("backups/*reserve_00000000*")
    )


# ---- everybody else


@pytest.mark.parametrize("command", ["upgrade", "rollback"])
def test_a_command_that_meets_an_unknown_revision_says_who_has_it(small: Clone, command: str) -> None:
    applied_on_a_branch(small, table("reserve"), table("later"))

    refused = refusal(small.inv(command), "db.E201", EXIT_FAILED)
    assert refused.hints == (
        ("Branch feature has it (2 commits ahead of this checkout).", ""),
        ("Make the database match this checkout:", "inv db.sync"),
    )
    small.git("branch", "--delete", "--force", "feature")
    assert parse(small.inv(command).err).hints[0][0].startswith("The reflog has it (2 commits")
    small.git("reflog", "expire", "--expire=now", "--all")
    assert parse(small.inv(command).err).hints[0][0] == "The store of applied revisions has it."


def test_plain_alembic_says_it_too(small: Clone) -> None:
    applied_on_a_branch(small)
    with pytest.raises(UnknownRevision, match="reserve_00000000"):
        small.database.workflow.upgrade()


# ---- random trees


WALKS = [*(("sqlite", seed) for seed in range(4)), *(("postgresql", seed) for seed in range(4, 6))]


@pytest.mark.parametrize(("engine_name", "seed"), WALKS, indirect=["engine_name"])
def test_random_walks_over_random_branches(clone: Clone, seed: int) -> None:
    """After each step, the schema equals that of a new database that was migrated in this checkout."""
    dice = random.Random(seed)  # noqa: S311 - the same walks each time, and no secret
    commits = [clone.git("rev-parse", "HEAD")]
    tables = ["base"]
    for number in range(9):
        clone.switch(dice.choice(commits))
        if dice.random() < 0.6:
            tables.append(f"t{number}")
            clone.add(table(tables[-1]))
        elif dice.random() < 0.7:
            known = [each for each in tables if (clone.versions / f"{each}_00000000.py").exists()]
            clone.add(column(dice.choice(known), f"c{number}"))
        elif len(clone.project.history) > 1:  # The newest revision is written again, unless main has it.
            newest = clone.project.history[clone.project.history.head].path
            newest.write_text(
                newest.read_text().replace("sa.Integer)", "sa.BigInteger)").replace("String(9", "String(10")
            )
            clone.commit("Write it anew")
        commits.append(clone.git("rev-parse", "HEAD"))

    for _ in range(12):
        clone.switch(dice.choice(commits))
        clone.sync()
        clone.assert_matches()
