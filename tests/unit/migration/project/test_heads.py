"""Several heads: whether they should stay, and where a database is when all revisions are applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.migration.errors.facts.project import MultipleHeads, OutOfReach
from antarest.migration.errors.revision import Revision
from antarest.migration.project.history import History

APART = {
    "no common ancestor": ({"a1": (), "b1": ()}, {}, {}, ("a1", "b1")),
    "labels": ({"a": (), "x": ("a",), "y": ("a",)}, {"x": ("shop",), "y": ("stock",)}, {}, ("x", "y")),
    "one needs the other": ({"a1": (), "b1": ()}, {}, {"b1": ("a1",)}, ("b1",)),
    "a label for one of them": ({"a": (), "x": ("a",), "y": ("a",)}, {"x": ("shop",)}, {}, None),
    "a label for both": ({"a": (), "x": ("a",), "y": ("a",)}, {"a": ("shop",)}, {}, None),
    "two of three": ({"a": (), "x": ("a",), "y": ("a",), "z": ()}, {}, {}, None),
}


@pytest.mark.parametrize(("down", "labels", "needs", "ends"), APART.values(), ids=APART)
def test_heads_that_stay_apart_are_all_ends(
    down: dict[str, tuple[str, ...]],
    labels: dict[str, tuple[str, ...]],
    needs: dict[str, tuple[str, ...]],
    ends: tuple[str, ...] | None,
) -> None:
    found = History(
        Revision(id_, each, "", Path(id_), depends_on=needs.get(id_, ()), branch_labels=labels.get(id_, ()))
        for id_, each in down.items()
    )

    assert found.stays_apart == (ends is not None)
    if ends:
        assert found.ends == ends
    else:
        with pytest.raises(MultipleHeads):
            _ = found.ends


def test_one_head_is_the_end() -> None:
    line = History([Revision("a", (), "", Path("a")), Revision("b", ("a",), "", Path("b"))])

    assert (line.ends, History([]).ends) == (("b",), ())


FORKED: dict[str, tuple[str, ...]] = {"a1": (), "b1": ("a1",), "b2": ("a1",)}
MEET = {**FORKED, "c1": ("b1", "b2"), "d1": ("c1",)}


@pytest.mark.parametrize(
    ("graph", "way"),
    [
        (MEET, "inv db.upgrade --to=c1"),
        ({**MEET, "x1": ("a1",)}, "inv db.upgrade --to=c1"),  # `heads` would apply x1 too, for which nobody asked
        (FORKED, "inv db.upgrade --to=heads"),
    ],
)
def test_the_way_to_another_branch_is_where_the_branches_meet(graph: dict[str, tuple[str, ...]], way: str) -> None:
    with pytest.raises(OutOfReach) as caught:
        History(Revision(id_, down, "", Path(id_)) for id_, down in graph.items()).require_upgrade(["b1"], "b2")

    assert caught.value.hints[1].command == way
