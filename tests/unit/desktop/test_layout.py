from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from antarest.desktop.schema.layout import Box, Layout, Line, Point, arrange

PORT = 20


def boxes(*names: str, height: int = 60) -> list[Box]:
    return [Box(name, 100, height) for name in names]


def line(source: str, target: str, source_port: int = PORT, target_port: int = PORT) -> Line:
    return Line(source, source_port, target, target_port)


def anything(seed: int) -> tuple[list[Box], list[Line]]:
    """Boxes of any size, and any lines: from a box to itself, in circles, and two lines between the same boxes."""
    draw = random.Random(seed)  # noqa: S311 - a picture, no secret
    made = [Box(f"box{index}", draw.randint(40, 300), draw.randint(40, 400)) for index in range(draw.randint(1, 30))]
    lines = [
        line(source.name, target.name, draw.randrange(source.height), draw.randrange(target.height))
        for source, target in (draw.choices(made, k=2) for _ in range(draw.randint(0, 45)))
    ]
    return made, lines


def assert_readable(layout: Layout, made: list[Box], lines: list[Line]) -> None:
    """Nothing covers anything else, and every line connects the right boxes."""
    for one, two in combinations(made, 2):
        assert not _overlap(layout, one, two), (one, two)
    assert set(layout.routes) == set(lines)
    for each in lines:
        route = layout.routes[each]
        assert route[0] in _ports(layout, each.source, each.source_port)
        assert route[-1] in _ports(layout, each.target, each.target_port)
        pieces = list(pairwise(route))
        for start, end in pieces[1::2]:  # through a lane
            assert start.y == end.y
            assert not [box for box in made if _beside(layout, box, start, end) and _level(layout, box, start.y)]
        for start, end in pieces[::2]:  # through a gap between columns, where no box is at all
            assert not [box for box in made if _beside(layout, box, start, end)]
    inside = [point for route in layout.routes.values() for point in route]
    assert all(0 <= point.x <= layout.width and 0 <= point.y <= layout.height for point in inside)
    assert all(layout.corners[box.name].y + box.height <= layout.height for box in made)


def _overlap(layout: Layout, one: Box, two: Box) -> bool:
    a, b = layout.corners[one.name], layout.corners[two.name]
    beside = a.x + layout.widths[one.name] <= b.x or b.x + layout.widths[two.name] <= a.x
    return not (beside or a.y + one.height <= b.y or b.y + two.height <= a.y)


def _ports(layout: Layout, name: str, height: int) -> set[Point]:
    corner = layout.corners[name]
    return {Point(x, corner.y + height) for x in (corner.x, corner.x + layout.widths[name])}


def _beside(layout: Layout, box: Box, start: Point, end: Point) -> bool:
    """Return whether a piece of a line runs through the width of the box."""
    corner = layout.corners[box.name]
    left, right = sorted([start.x, end.x])
    return left < corner.x + layout.widths[box.name] and right > corner.x and left != right


def _level(layout: Layout, box: Box, y: float) -> bool:
    corner = layout.corners[box.name]
    return corner.y < y < corner.y + box.height


def test_any_picture_can_be_read(subtests: pytest.Subtests) -> None:
    for seed in range(60):
        with subtests.test(seed=seed):
            made, lines = anything(seed)

            assert_readable(arrange(made, lines), made, lines)


def test_the_same_picture_comes_out_whatever_the_order() -> None:
    made, lines = anything(7)

    assert arrange(made, lines) == arrange(made[::-1], lines[::-1])


def test_a_table_stands_right_of_those_that_it_refers_to() -> None:
    layout = arrange(boxes("a", "b", "c"), [line("b", "a"), line("c", "b"), line("c", "a")])

    assert [name for name, _ in sorted(layout.corners.items(), key=lambda item: item[1].x)] == ["a", "b", "c"]


def test_a_line_past_a_table_gets_a_lane() -> None:
    made = boxes("a", "b", "c")
    long = line("c", "a")
    layout = arrange(made, [line("b", "a"), line("c", "b"), long])

    assert len(layout.routes[long]) == 4
    assert_readable(layout, made, [line("b", "a"), line("c", "b"), long])


def test_lines_do_not_cross_where_they_need_not() -> None:
    """If the boxes were in the order of their names, the lines of x would cross those of y."""
    lines = [line("x", "a"), line("x", "c"), line("y", "b"), line("y", "d")]
    corners = arrange(boxes("a", "b", "c", "d", "x", "y"), lines).corners

    order = sorted("abcd", key=lambda name: corners[name].y)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset("ac"), frozenset("bd")}
    assert (corners["x"].y < corners["y"].y) == (set(order[:2]) == {"a", "c"})


def test_a_table_on_its_own_line_is_level_with_its_neighbour() -> None:
    layout = arrange(boxes("a", "b"), [line("b", "a", source_port=50, target_port=10)])

    assert layout.corners["b"].y + 50 == layout.corners["a"].y + 10


def test_a_tall_column_gives_leaves_to_the_other_side() -> None:
    leaves = boxes(*(f"leaf{index}" for index in range(8)))
    layout = arrange([*boxes("hub"), *leaves], [line(leaf.name, "hub") for leaf in leaves])

    lefts = {layout.corners[leaf.name].x for leaf in leaves}
    assert len(lefts) == 2
    assert min(lefts) < layout.corners["hub"].x < max(lefts)


def test_the_line_of_a_table_to_itself_begins_and_ends_on_the_same_side() -> None:
    own = line("a", "a", 50, 20)
    start, end = arrange(boxes("a"), [own]).routes[own]

    assert start.x == end.x == 100
    assert (start.y, end.y) == (50, 20)


def test_nothing_makes_an_empty_picture() -> None:
    layout = arrange([], [])

    assert (layout.width, layout.height, layout.corners, layout.routes) == (0, 0, {}, {})
