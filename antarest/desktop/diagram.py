"""The schema as a picture: what the metadata says of each table, and where it stands. No database is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from antarest.desktop.layout import Box, Layout, Line, Point, arrange

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

MARGIN = 24
HEADER = 34  # the height of a table's name
ROW = 18  # the height of a column
_FOOT = 6
_CHARACTER = 6.65  # the width of one, in the monospaced type of the columns
_NAME_CHARACTER = 8.2  # in the bold type of the names, which has wide letters
_BESIDE = 44  # what stands beside a column's name: its marks, and air
_BESIDE_NAME = 78  # what stands beside a table's name: its number of rows
_ROUND = 0.5  # where a curve has its handles, as a part of the gap that it crosses
_LOOP = 30  # how far a line swings out that stays within a column


@dataclass(frozen=True)
class Words:
    """What the models say of a table.

    Attributes:
        summary: the first paragraph of the docstring of its class.
        more: the other paragraphs.
        domain: the part of the application that it belongs to.
    """

    summary: str = ""
    more: tuple[str, ...] = ()
    domain: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table, and the height of its middle in the diagram."""

    name: str
    type: str
    y: float
    is_key: bool
    is_optional: bool
    refers_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table: its place in the diagram, and what it holds."""

    name: str
    x: float
    y: float
    width: int
    height: int
    columns: tuple[Column, ...]
    words: Words


@dataclass(frozen=True)
class Edge:
    """A foreign key, drawn from its column to the one that it refers to."""

    source: str
    column: str
    target: str
    target_column: str
    path: str

    @property
    def words(self) -> str:
        """The key in words."""
        return f"{self.source}.{self.column} refers to {self.target}.{self.target_column}"


@dataclass(frozen=True)
class Diagram:
    """The whole picture, in pixels."""

    width: float
    height: float
    tables: tuple[Table, ...]
    edges: tuple[Edge, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """The parts of the application that have tables here, sorted."""
        return tuple(sorted({table.words.domain for table in self.tables}))

    def neighbours(self, name: str) -> tuple[str, ...]:
        """The tables that a table refers to or is referred to by, sorted."""
        ends = [(edge.source, edge.target) for edge in self.edges if name in (edge.source, edge.target)]
        return tuple(sorted({end for pair in ends for end in pair} - {name}))


def read_words(mappers: Iterable[Mapper[object]]) -> dict[str, Words]:
    """What the mapped classes say of their tables, by the name of the table."""
    found = {}
    for mapper in mappers:
        if not isinstance(mapper.local_table, sa.Table):
            continue
        lines = [line.strip() for line in (mapper.class_.__doc__ or "").splitlines()]
        paragraphs = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n") if part.strip()]
        parts = [part for part in mapper.class_.__module__.split(".")[1:] if part not in {"core", "model"}]
        summary, *more = paragraphs or [""]
        found[mapper.local_table.name] = Words(summary, tuple(more), parts[0] if parts else "")
    return found


def draw(metadata: sa.MetaData, words: Mapping[str, Words] | None = None) -> Diagram:
    """Draw every table and every foreign key.

    Args:
        metadata: the tables.
        words: what to say of each; see `read_words`.
    """
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    keys = {element: _line(element) for table in tables for element in _elements(table)}
    layout = arrange([Box(table.name, _width(table), _height(table)) for table in tables], keys.values())
    edges = [
        Edge(key.parent.table.name, key.parent.name, key.column.table.name, key.column.name, _path(line, layout))
        for key, line in keys.items()
    ]
    return Diagram(
        width=layout.width + 2 * MARGIN,
        height=layout.height + 2 * MARGIN,
        tables=tuple(_table(table, layout, (words or {}).get(table.name, Words())) for table in tables),
        edges=tuple(sorted(edges, key=lambda edge: edge.words)),
    )


def _elements(table: sa.Table) -> list[sa.ForeignKey]:
    """Its foreign keys, column by column."""
    return sorted(table.foreign_keys, key=lambda key: (key.parent.name, key.target_fullname))


def _line(key: sa.ForeignKey) -> Line:
    return Line(key.parent.table.name, _port(key.parent), key.column.table.name, _port(key.column))


def _port(column: sa.Column[object]) -> int:
    """The middle of a column's row, below the upper edge of its table."""
    place = list(column.table.columns).index(column)
    return HEADER + place * ROW + ROW // 2


def _width(table: sa.Table) -> int:
    names = max((len(column.name) for column in table.columns), default=0)
    return round(max(names * _CHARACTER + _BESIDE, len(table.name) * _NAME_CHARACTER + _BESIDE_NAME))


def _height(table: sa.Table) -> int:
    return HEADER + len(table.columns) * ROW + _FOOT


def _table(table: sa.Table, layout: Layout, words: Words) -> Table:
    corner = layout.corners[table.name]
    x, y = corner.x + MARGIN, corner.y + MARGIN
    columns = [
        Column(
            name=column.name,
            type=_type(column.type),
            y=y + _port(column),
            is_key=column.primary_key,
            is_optional=bool(column.nullable),
            refers_to=tuple(sorted(key.target_fullname for key in column.foreign_keys)),
        )
        for column in table.columns
    ]
    return Table(table.name, x, y, layout.widths[table.name], _height(table), tuple(columns), words)


def _type(type_: sa.types.TypeEngine[object]) -> str:
    """The type in few words."""
    if isinstance(type_, sa.Enum):
        return f"one of {', '.join(type_.enums)}"
    return str(type_).lower()


def _path(line: Line, layout: Layout) -> str:
    """The points of a line as an SVG path: curves through the gaps, level through the lanes."""
    points = [Point(point.x + MARGIN, point.y + MARGIN) for point in layout.routes[line]]
    start = f"M{_pair(points[0])}"
    if points[0].x == points[-1].x:
        handles = [Point(point.x + _LOOP, point.y) for point in points]
        return f"{start} C{_pair(handles[0])} {_pair(handles[1])} {_pair(points[1])}"
    parts = [start]
    for index in range(len(points) - 1):
        here, there = points[index], points[index + 1]
        if index % 2:
            parts.append(f"L{_pair(there)}")
            continue
        bend = (there.x - here.x) * _ROUND
        parts.append(f"C{_pair(Point(here.x + bend, here.y))} {_pair(Point(there.x - bend, there.y))} {_pair(there)}")
    return " ".join(parts)


def _pair(point: Point) -> str:
    return f"{point.x:g},{point.y:g}"
