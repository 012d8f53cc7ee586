"""The layout of a diagram: the positions of the tables, and the routes of the lines between them.

A table is to the right of the tables to which it refers. A line that has to pass a column of tables gets a lane, which
is a gap in this column, so no line crosses a table. This is the layered method of Sugiyama, Tagawa and Toda: assign the
tables to columns by the longest path, order each column to avoid crossings, and choose vertical positions that keep the
lines straight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

_SWEEPS = 24
_BETWEEN_BOXES = 22
_LANE = 10  # the height of a lane for a line
_BETWEEN_COLUMNS = 68


@dataclass(frozen=True)
class Box:
    """A box to place, with a name and a size."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class Line:
    """A line between two boxes. A port is the distance of an end of the line from the upper edge of its box."""

    source: str
    source_port: int
    target: str
    target_port: int


@dataclass(frozen=True)
class Point:
    """A point in the diagram, in pixels from its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """The positions of all boxes and lines.

    Attributes:
        width: the width of the diagram.
        height: the height of the diagram.
        corners: the upper left corner of each box.
        widths: the width of each box. All boxes of a column have the width of the widest one.
        routes: the points of each line, from source to target, counted from 0. Points 1 and 2 are the ends of a
            horizontal part in a lane, and so are points 3 and 4, and so on. The other parts cross the gap between two
            columns.
    """

    width: float
    height: float
    corners: Mapping[str, Point]
    widths: Mapping[str, int]
    routes: Mapping[Line, tuple[Point, ...]]


@dataclass(frozen=True)
class _Lane:
    """A gap between the boxes of a column. All lines that cross the column to the same port of a box use this gap."""

    target: str
    port: int
    column: int


_Item = str | _Lane  # an item of a column: a lane, or a box by its name


def arrange(boxes: Iterable[Box], lines: Iterable[Line]) -> Layout:
    """Return the layout of boxes and lines. The same input always gives the same layout."""
    sizes = {box.name: box for box in sorted(boxes, key=lambda box: box.name)}
    wanted = sorted(set(lines), key=lambda line: (line.source, line.source_port, line.target, line.target_port))
    columns = _columns(sizes, wanted)
    routes = {line: _lanes(line, columns) for line in wanted if line.source != line.target}
    items = _items(columns, routes.values())
    steps = _steps(routes)
    _order(items, steps)
    tops = _heights(items, steps, sizes)
    return _measure(sizes, wanted, columns, routes, tops)


# ---- columns


def _columns(sizes: Mapping[str, Box], lines: Sequence[Line]) -> dict[str, int]:
    """Return the column of each box, by its name. A box is to the right of the boxes to which it refers.

    A box to which many others refer is moved to the right, close to those others. To make the diagram less tall,
    `_balance` moves some other boxes to the left.
    """
    targets: dict[str, set[str]] = {name: set() for name in sizes}
    for line in lines:
        if line.source != line.target:
            targets[line.source].add(line.target)
    order = _without_cycles(targets)
    sources: dict[str, set[str]] = {name: set() for name in sizes}
    for source, found in targets.items():
        for target in found:
            sources[target].add(source)
    column: dict[str, int] = {}
    for name in order:
        column[name] = max((column[target] + 1 for target in targets[name]), default=0)
    for name in reversed(order):
        if len(sources[name]) > len(targets[name]):
            column[name] = min(column[source] for source in sources[name]) - 1
    leaves = {name: {column[target] for target in targets[name]} for name in order if not sources[name]}
    _balance(column, {name: min(found) for name, found in leaves.items() if len(found) == 1}, sizes)
    lowest = min(column.values(), default=0)
    return {name: each - lowest for name, each in column.items()}


def _balance(column: dict[str, int], leaves: Mapping[str, int], sizes: Mapping[str, Box]) -> None:
    """Move some boxes to the left of the boxes to which they refer, if this makes the diagram less tall.

    Args:
        column: a mapping from the name of each box to its column. The function changes this mapping.
        leaves: the names of the boxes that can move: no box refers to them, and they refer to one column only. The
            value of a name is the number of that column.
        sizes: a mapping from the name of each box to the box.
    """
    tall: dict[int, int] = defaultdict(int)
    for name, each in column.items():
        tall[each] += sizes[name].height + _BETWEEN_BOXES
    for name in sorted(leaves, key=lambda name: (-sizes[name].height, name)):
        here, there, height = column[name], leaves[name] - 1, sizes[name].height + _BETWEEN_BOXES
        if here == leaves[name] + 1 and tall[here] == max(tall.values()) and tall[there] + height < tall[here]:
            column[name] = there
            tall[here] -= height
            tall[there] += height


def _without_cycles(targets: dict[str, set[str]]) -> list[str]:
    """Return the names of the boxes, each after its targets. If a target closes a circle, remove it from `targets`."""
    while True:
        try:
            return list(TopologicalSorter({name: sorted(targets[name]) for name in sorted(targets)}).static_order())
        except CycleError as error:
            # In graphlib's cycle, each name comes after one that refers to it.
            target, source = error.args[1][:2]
            targets[source].discard(target)


def _lanes(line: Line, columns: Mapping[str, int]) -> tuple[_Lane, ...]:
    """Return the lanes of a line, from source to target: one in each column between the two boxes."""
    start, end = columns[line.source], columns[line.target]
    between = range(start - 1, end, -1) if end < start else range(start + 1, end)
    return tuple(_Lane(line.target, line.target_port, column) for column in between)


def _items(columns: Mapping[str, int], routes: Iterable[tuple[_Lane, ...]]) -> list[list[_Item]]:
    """Return the boxes and lanes of each column."""
    count = max(columns.values(), default=-1) + 1
    items: list[dict[_Item, None]] = [{} for _ in range(count)]
    for name, column in columns.items():
        items[column][name] = None
    for lanes in routes:
        for lane in lanes:
            items[lane.column][lane] = None
    return [list(each) for each in items]


@dataclass(frozen=True)
class _Step:
    """A part of a line from one item to another item (`other`) in a neighbouring column."""

    other: _Item
    own_port: int
    other_port: int


def _steps(routes: Mapping[Line, tuple[_Lane, ...]]) -> dict[_Item, list[_Step]]:
    """Return a mapping from each item to the parts of lines that end at this item."""
    steps: dict[_Item, list[_Step]] = defaultdict(list)
    for line, lanes in routes.items():
        chain: list[_Item] = [line.source, *lanes, line.target]
        ports = [line.source_port, *(_LANE // 2 for _ in lanes), line.target_port]
        for index in range(len(chain) - 1):
            one, two, first, second = chain[index], chain[index + 1], ports[index], ports[index + 1]
            steps[one].append(_Step(two, first, second))
            steps[two].append(_Step(one, second, first))
    return steps


# ---- the order within the columns


def _order(items: list[list[_Item]], steps: Mapping[_Item, Sequence[_Step]]) -> None:
    """Sort each column by the order of the next column, in several sweeps to the right and to the left.

    The order with the fewest crossings is kept.
    """
    best, fewest = [list(column) for column in items], _crossings(items, steps)
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        indexes = range(1, len(items)) if forwards else range(len(items) - 2, -1, -1)
        for index in indexes:
            _sort(items[index], items[index - 1 if forwards else index + 1], steps)
        found = _crossings(items, steps)
        if found < fewest:
            best, fewest = [list(column) for column in items], found
    items[:] = best


def _sort(column: list[_Item], beside: Sequence[_Item], steps: Mapping[_Item, Sequence[_Step]]) -> None:
    place = _places(beside)
    here = {item: index for index, item in enumerate(column)}

    def centre(item: _Item) -> float:
        ends = [place[step.other] + step.other_port / 1000 for step in steps.get(item, ()) if step.other in place]
        return sum(ends) / len(ends) if ends else here[item]

    column.sort(key=centre)


def _places(column: Sequence[_Item]) -> dict[_Item, int]:
    return {item: index for index, item in enumerate(column)}


def _crossings(items: Sequence[Sequence[_Item]], steps: Mapping[_Item, Sequence[_Step]]) -> int:
    """Return the number of line crossings between the columns."""
    count = 0
    for left, right in pairwise(items):
        place = _places(right)
        pieces = [
            ((index, step.own_port), (place[step.other], step.other_port))
            for index, item in enumerate(left)
            for step in steps.get(item, ())
            if step.other in place
        ]
        count += sum(a[0] < b[0] and a[1] > b[1] for a in pieces for b in pieces)
    return count


# ---- heights


def _heights(
    items: Sequence[Sequence[_Item]], steps: Mapping[_Item, Sequence[_Step]], sizes: Mapping[str, Box]
) -> dict[_Item, float]:
    """Return the position of the upper edge of each item. Lines are straight where the order permits it."""
    tall = {item: sizes[item].height if isinstance(item, str) else _LANE for column in items for item in column}
    top: dict[_Item, float] = {}
    for column in items:
        y = 0.0
        for item in column:
            top[item] = y
            y += tall[item] + _BETWEEN_BOXES
    for sweep in range(_SWEEPS):
        for column in items if sweep % 2 == 0 else reversed(items):
            wishes = [_wish(item, steps, top) for item in column]
            weights = [_weight(item, steps) for item in column]
            top.update(zip(column, _fit(wishes, [tall[item] for item in column], weights), strict=True))
    highest = min(top.values(), default=0.0)
    return {item: y - highest for item, y in top.items()}


def _wish(item: _Item, steps: Mapping[_Item, Sequence[_Step]], top: Mapping[_Item, float]) -> float:
    found = [top[step.other] + step.other_port - step.own_port for step in steps.get(item, ())]
    return sum(found) / len(found) if found else top[item]


def _weight(item: _Item, steps: Mapping[_Item, Sequence[_Step]]) -> float:
    """Return the weight of an item. Lanes have a larger weight, because a bent lane is uglier than a moved box."""
    return 1.0 + len(steps.get(item, ())) * (1 if isinstance(item, str) else 4)


def _fit(wishes: Sequence[float], heights: Sequence[int], weights: Sequence[float]) -> list[float]:
    """Return positions without overlap, in this order, that are nearest to the wished positions (least squares).

    This is isotonic regression. The heights are subtracted first, so the only condition is that no position is smaller
    than the one before. Neighbours that break this condition are pooled, and get the mean of their wished positions.
    """
    offsets = [0.0]
    for height in heights[:-1]:
        offsets.append(offsets[-1] + height + _BETWEEN_BOXES)
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of items
    for wish, offset, weight in zip(wishes, offsets, weights, strict=True):
        mean, mass, count = wish - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_mass, other_count = pools.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass, count = mass + other_mass, count + other_count
        pools.append((mean, mass, count))
    places = [mean for mean, _, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]


# ---- the result


def _measure(
    sizes: Mapping[str, Box],
    lines: Sequence[Line],
    columns: Mapping[str, int],
    lanes: Mapping[Line, tuple[_Lane, ...]],
    top: Mapping[_Item, float],
) -> Layout:
    wide = [0] * (max(columns.values(), default=-1) + 1)
    for name, column in columns.items():
        wide[column] = max(wide[column], sizes[name].width)
    lefts = [sum(wide[:index]) + index * _BETWEEN_COLUMNS for index in range(len(wide))]
    corners = {name: Point(lefts[columns[name]], round(top[name], 1)) for name in sizes}
    widths = {name: wide[columns[name]] for name in sizes}

    def port(name: str, height: int, *, right: bool) -> Point:
        return Point(corners[name].x + (widths[name] if right else 0), corners[name].y + height)

    def route(line: Line) -> Iterator[Point]:
        # A line within a column, such as from a table to itself, begins and ends at the right.
        source, target = columns[line.source], columns[line.target]
        yield port(line.source, line.source_port, right=target >= source)
        for lane in lanes.get(line, ()):
            y = round(top[lane] + _LANE / 2, 1)
            ends = [Point(lefts[lane.column], y), Point(lefts[lane.column] + wide[lane.column], y)]
            yield from reversed(ends) if target < source else ends
        yield port(line.target, line.target_port, right=target <= source)

    routes = {line: tuple(route(line)) for line in lines}
    lowest = [corners[name].y + sizes[name].height for name in sizes]
    lowest += [top[lane] + _LANE for found in lanes.values() for lane in found]
    return Layout(
        width=sum(wide) + max(len(wide) - 1, 0) * _BETWEEN_COLUMNS,
        height=max(lowest, default=0.0),
        corners=corners,
        widths=widths,
        routes=routes,
    )
