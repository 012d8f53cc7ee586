"""The graph of revisions, in small examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from antarest.migration.errors.facts.project import (
    AmbiguousRevision,
    DuplicateRevision,
    MissingPredecessor,
    MultipleHeads,
    OutOfReach,
    RevisionCycle,
    RevisionNotFound,
)
from antarest.migration.errors.revision import BASE, Revision
from antarest.migration.project.history import History

Graph = Mapping[str, Sequence[str]]

LINE: Graph = {"a1": [], "b1": ["a1"], "c1": ["b1"]}
FORK: Graph = {"a1": [], "b1": ["a1"], "b2": ["a1"]}
MERGE: Graph = {**FORK, "c1": ["b1", "b2"], "d1": ["c1"]}
TWO_ROOTS: Graph = {"a1": [], "a2": [], "b1": ["a1", "a2"], "c1": ["b1"]}


def history(graph: Graph, depends_on: Graph | None = None) -> History:
    """Return a history of these revisions, each with its predecessors, and with its dependencies."""
    needs = depends_on or {}
    return History(
        Revision(id_, tuple(down), f"add {id_}", Path(f"{id_}.py"), depends_on=tuple(needs.get(id_, ())))
        for id_, down in graph.items()
    )


# ---- heads, order, paths


@pytest.mark.parametrize(
    ("graph", "heads"),
    [({}, ()), (LINE, ("c1",)), (FORK, ("b1", "b2")), (MERGE, ("d1",)), (TWO_ROOTS, ("c1",))],
)
def test_the_heads_are_what_no_other_follows(graph: Graph, heads: tuple[str, ...]) -> None:
    assert history(graph).heads == heads


def test_the_one_head_has_a_name_and_several_are_refused() -> None:
    assert history(LINE).head == "c1"
    assert history({}).head == BASE
    with pytest.raises(MultipleHeads, match="the history has 2 heads: b1, b2"):
        _ = history(FORK).head


def test_a_history_is_a_collection_of_its_revisions() -> None:
    line = history(LINE)

    assert len(line) == 3
    assert "b1" in line
    assert "zebra" not in line
    assert line["b1"].message == "add b1"
    assert line.order == ("a1", "b1", "c1")


def test_the_order_does_not_depend_on_that_of_the_files() -> None:
    backwards = dict(reversed(list(MERGE.items())))

    assert history(backwards).order == history(MERGE).order


def test_what_is_pending_comes_in_the_order_to_run_it() -> None:
    merge = history(MERGE)

    assert merge.pending([]) == ("a1", "b1", "b2", "c1", "d1")
    assert merge.pending(["b2"]) == ("b1", "c1", "d1")
    assert merge.pending(["b2"], "c1") == ("b1", "c1")
    assert merge.pending(["d1"]) == ()
    assert merge.pending([], BASE) == ()
    assert history(FORK).pending(["b1"]) == ("b2",)


def test_a_dependency_is_applied_before_and_is_no_end() -> None:
    """`b2` depends on `b1` of the other branch, but follows only `a1`."""
    needs = history(FORK, {"b2": ["b1"]})

    assert needs.pending([], "b2") == ("a1", "b1", "b2")
    assert needs.applied(["b2"]) == {"a1", "b1", "b2"}
    assert needs.heads == ("b1", "b2"), "as Alembic counts them"


def test_what_no_file_has_is_unknown_and_counts_for_nothing() -> None:
    line = history(LINE)

    assert line.unknown(["b1", "zebra", "ape"]) == ("ape", "zebra")
    assert line.unknown([]) == ()
    assert line.applied(["zebra"]) == frozenset()


# ---- references


def test_a_reference_is_a_name_an_id_or_the_beginning_of_one() -> None:
    merge = history(MERGE)
    assert [merge.resolve(each) for each in ("head", "base", "b1", "c", "d1")] == ["d1", BASE, "b1", "c1", "d1"]


def test_a_branch_label_stands_for_its_revision_and_the_head_of_its_branch() -> None:
    down = {"a": (), "b": ("a",), "c": ("b",), "x": ("a",), "y": ("x",), "z": ("x",)}
    labels = {"b": ("stock",), "x": ("shop", "head@shop")}
    found = History(Revision(i, d, "", Path(i), branch_labels=labels.get(i, ())) for i, d in down.items())

    assert {each: found.resolve(each) for each in ("stock", "stock@head", "shop", "head@shop")} == {
        "stock": "b",
        "stock@head": "c",
        "shop": "x",
        "head@shop": "x",
    }
    with pytest.raises(MultipleHeads, match="the history has 2 heads: y, z"):
        found.resolve("shop@head")
    for reference in ("shop@base", "shop@+1", "nowhere@head", "heads", "+1", "-1", "b+1", "@head"):
        with pytest.raises(RevisionNotFound):
            found.resolve(reference)


def test_an_id_that_begins_another_one_is_itself() -> None:
    assert history({"ab": [], "abc": ["ab"]}).resolve("ab") == "ab"


@pytest.mark.parametrize("reference", ["zebra", "", "b11", "+1", "-1", "heads", "HEAD", "%", "b1@head"])
def test_a_reference_that_fits_nothing(reference: str) -> None:
    with pytest.raises(RevisionNotFound) as caught:
        history(MERGE).resolve(reference)

    assert caught.value.message == f"there is no revision {reference!r}"


def test_a_reference_that_is_misspelt_gets_the_nearest_ids() -> None:
    with pytest.raises(RevisionNotFound) as caught:
        history({"79c8a2f1e05d": [], "d56b40e9c7a3": ["79c8a2f1e05d"]}).resolve("79c8a2f1e0d5")

    assert caught.value.details == {"nearest": "79c8a2f1e05d"}


def test_a_reference_that_fits_several() -> None:
    with pytest.raises(AmbiguousRevision) as caught:
        history(MERGE).resolve("b")

    assert caught.value.candidates == ("b1", "b2")


def test_head_is_no_reference_where_there_are_several() -> None:
    with pytest.raises(MultipleHeads):
        history(FORK).resolve("head")


# ---- back


@pytest.mark.parametrize(
    ("graph", "current", "states"),
    [
        (LINE, ["c1"], ["b1", "a1", BASE]),
        (LINE, ["a1"], [BASE]),
        (LINE, [], []),
        # A merge goes to the common ancestor of its branches, never to one of them alone.
        (MERGE, ["d1"], ["c1", "a1", BASE]),
        (MERGE, ["c1"], ["a1", BASE]),
        # Two branches are applied, but no merge of them.
        (MERGE, ["b1", "b2"], ["a1", BASE]),
        (MERGE, ["b1"], ["a1", BASE]),
        # Branches without a common ancestor.
        (TWO_ROOTS, ["c1"], ["b1", BASE]),
        (TWO_ROOTS, ["b1"], [BASE]),
        (TWO_ROOTS, ["a1", "a2"], [BASE]),
    ],
)
def test_a_rollback_stops_at_single_states(graph: Graph, current: list[str], states: list[str]) -> None:
    found = history(graph)

    assert list(found.states_below(current)) == states
    assert [found.rollback_target(current, to=state) for state in states] == states


@pytest.mark.parametrize(
    ("graph", "current", "reached"),
    [
        (LINE, ["c1"], ["b1", "a1", BASE]),
        (MERGE, ["d1"], ["c1", "a1", BASE]),  # From the merge c1 to the common ancestor of its branches.
        (MERGE, ["b1"], ["a1", BASE]),
        (MERGE, ["b1", "b2"], []),  # Both branches would be undone, or both roots.
        (TWO_ROOTS, ["a1", "a2"], []),
        (TWO_ROOTS, ["c1"], ["b1"]),
        (TWO_ROOTS, ["b1"], []),
    ],
)
def test_a_step_back_is_that_of_alembic_or_is_refused(graph: Graph, current: list[str], reached: list[str]) -> None:
    found = history(graph)

    assert [found.rollback_target(current, steps=steps + 1) for steps in range(len(reached))] == reached
    with pytest.raises(OutOfReach):
        found.rollback_target(current, steps=len(reached) + 1)


def test_a_rollback_does_not_stop_at_a_dependency() -> None:
    """`b2` depends on `b1` of the other branch. For Alembic, it is not a downgrade to `b1` to undo only `b2`."""
    needs = history(FORK, {"b2": ["b1"]})

    assert needs.states_below(["b2"]) == ("a1", BASE)
    with pytest.raises(OutOfReach, match="common state below it") as refused:
        needs.rollback_target(["b2"])
    assert "inv db.rollback --to=a1 --dry-run" in [hint.command for hint in refused.value.hints]


def test_a_rollback_to_where_the_database_is_has_nothing_to_do() -> None:
    assert history(MERGE).rollback_target(["d1"], to="d1") == "d1"


def test_a_rollback_to_base_from_base_has_nothing_to_do() -> None:
    assert history(LINE).rollback_target([], to="base") == BASE


@pytest.mark.parametrize(("current", "steps", "way"), [("c1", 4, "3 at most"), ("a1", 2, "1 at most")])
def test_more_steps_than_there_are_states(current: str, steps: int, way: str) -> None:
    with pytest.raises(OutOfReach) as caught:
        history(LINE).rollback_target([current], steps=steps)

    assert caught.value.message == f"a rollback cannot go {steps} steps back: {way}"
    assert caught.value.details == {"current": current}


def test_a_step_back_from_nothing() -> None:
    with pytest.raises(OutOfReach, match="cannot go 1 step back: no revision is applied"):
        history(LINE).rollback_target([])


@pytest.mark.parametrize(
    ("current", "to", "fact", "way"),
    [
        ("b1", "c1", "revision c1 is not below the current one", "inv db.upgrade --to=c1 --dry-run"),  # above
        ("b1", "b2", "revision b2 is not below the current one", "inv db.history"),  # beside
        ("d1", "b2", "revision b2 is only one branch of a merge", "inv db.rollback --to=a1"),
    ],
)
def test_a_rollback_that_cannot_stop_there(current: str, to: str, fact: str, way: str) -> None:
    with pytest.raises(OutOfReach) as caught:
        history(MERGE).rollback_target([current], to=to)

    assert caught.value.message.startswith(fact)
    assert caught.value.hints[-1].command == way


# ---- and forth


@pytest.mark.parametrize(
    ("current", "target"), [([], "d1"), (["b1"], "d1"), (["b1", "b2"], "c1"), (["d1"], "d1"), ([], BASE)]
)
def test_an_upgrade_goes_up(current: list[str], target: str) -> None:
    history(MERGE).require_upgrade(current, target)  # raises nothing


@pytest.mark.parametrize(
    ("current", "to", "fact", "way"),
    [
        (["d1"], "a1", "revision a1 is below the current revision", "inv db.rollback --to=a1 --dry-run"),
        (["d1"], "base", "base is below the current revision", "inv db.rollback --to=base --dry-run"),
        (["b1"], "b2", "revision b2 is on another branch than the current one", "inv db.rollback --to=a1 --dry-run"),
    ],
)
def test_an_upgrade_that_cannot_go_there(current: list[str], to: str, fact: str, way: str) -> None:
    with pytest.raises(OutOfReach) as caught:
        history(MERGE).require_upgrade(current, to)

    assert caught.value.message == f"{fact}, so an upgrade cannot go there"
    assert caught.value.hints[-1].command == way


def test_branches_without_a_common_ancestor_part_at_base() -> None:
    with pytest.raises(OutOfReach) as caught:
        history({"a1": [], "a2": []}).require_upgrade(["a1"], "a2")

    assert caught.value.hints[-1].command == "inv db.rollback --to=base --dry-run"


# ---- what is no graph


def test_an_id_that_two_files_have() -> None:
    twice = [Revision("a1", (), "", Path(name)) for name in ("one.py", "two.py")]

    with pytest.raises(DuplicateRevision) as caught:
        History(twice)

    assert caught.value.details == {"files": "one.py, two.py", "folder": "."}


@pytest.mark.parametrize(("graph", "needs"), [({"b1": ["a1"]}, {}), ({"b1": []}, {"b1": ["a1"]})])
def test_a_predecessor_that_no_file_has(graph: Graph, needs: Graph) -> None:
    with pytest.raises(MissingPredecessor) as caught:
        history(graph, needs)

    assert (caught.value.revision, caught.value.missing) == ("b1", "a1")


@pytest.mark.parametrize("graph", [{"a1": ["a1"]}, {"a1": ["b1"], "b1": ["a1"]}, {**LINE, "a1": ["c1"]}])
def test_a_circle(graph: Graph) -> None:
    with pytest.raises(RevisionCycle) as caught:
        history(graph)

    assert set(caught.value.revisions) == set(graph)


# ---- long histories


class _Counted(Revision):
    """A revision that counts how often its predecessors are read."""

    asked: ClassVar[int] = 0

    def __getattribute__(self, name: str) -> Any:
        _Counted.asked += name in {"down", "depends_on"}
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda line: line.states_below([line.head]),
        lambda line: line.rollback_target([line.head], to="0001"),
        lambda line: line.require_upgrade(["0001"], line.head),
        lambda line: line.pending(["0001"]),
        lambda line: line.in_order(line.applied([line.head])),
    ],
    ids=["states", "rollback", "upgrade", "pending", "in order"],
)
def test_ten_times_the_revisions_are_ten_times_the_work(ask: Callable[[History], object]) -> None:
    asked = {}
    for size in (100, 1000):
        ids = [f"{number:04}" for number in range(size)]
        line = History(_Counted(id_, (*ids[:number][-1:],), "", Path(id_)) for number, id_ in enumerate(ids))
        _Counted.asked = 0
        ask(line)
        asked[size] = _Counted.asked

    assert asked[1000] <= 11 * asked[100]
