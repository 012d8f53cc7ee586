"""The diagram of the schema: the tables of the metadata with their positions. Drawing it needs no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from antarest.desktop.schema.layout import Box, Layout, Line, Point, arrange

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

MARGIN = 24
HEADER = 34  # the height of a table's name
ROW = 18  # the height of a column
_FOOT = 6
_CHARACTER = 6.65  # the width of a character in the monospaced font of the columns
_NAME_CHARACTER = 8.2  # the width of a character in the bold font of the names
_BESIDE = 44  # the width beside a column's name, for its marks
_BESIDE_NAME = 78  # the width beside a table's name, for its number of rows
_ROUND = 0.5  # the distance of a curve's control points, as a part of the gap that it crosses
_LOOP = 30  # how far a line within a column extends to the right


@dataclass(frozen=True)
class TableDescription:
    """The description of a table, from the docstring of its model.

    Attributes:
        summary: the first paragraph of the docstring.
        more: the other paragraphs.
        domain: the part of the application that the table belongs to.
    """

    summary: str = ""
    more: tuple[str, ...] = ()
    domain: str = ""


@dataclass(frozen=True)
class ColumnRow:
    """A column of a table in the diagram. `y` is the vertical position of the middle of its row."""

    name: str
    type: str
    y: float
    is_key: bool
    is_optional: bool
    refers_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableBox:
    """A table in the diagram: its position, size and columns."""

    name: str
    x: float
    y: float
    width: int
    height: int
    columns: tuple[ColumnRow, ...]
    words: TableDescription


@dataclass(frozen=True)
class Edge:
    """A foreign key in the diagram, drawn from its column to the referenced column."""

    source: str
    column: str
    target: str
    target_column: str
    path: str

    @property
    def words(self) -> str:
        """A text that describes the foreign key."""
        return f"{self.source}.{self.column} refers to {self.target}.{self.target_column}"


@dataclass(frozen=True)
class SchemaDiagram:
    """The whole diagram. Its positions and sizes are in pixels."""

    width: float
    height: float
    tables: tuple[TableBox, ...]
    edges: tuple[Edge, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """The parts of the application that have tables, sorted."""
        return tuple(sorted({table.words.domain for table in self.tables}))

    def neighbours(self, name: str) -> tuple[str, ...]:
        """Return the tables to which a table refers, and the tables that refer to it, sorted."""
        ends = [(edge.source, edge.target) for edge in self.edges if name in (edge.source, edge.target)]
        return tuple(sorted({end for pair in ends for end in pair} - {name}))


def read_words(mappers: Iterable[Mapper[object]]) -> dict[str, TableDescription]:
    """Return a mapping from the name of each table to the description in the docstring of its model."""
    found = {}
    for mapper in mappers:
        if not isinstance(mapper.local_table, sa.Table):
            continue
        lines = [line.strip() for line in (mapper.class_.__doc__ or "").splitlines()]
        paragraphs = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n") if part.strip()]
        parts = [part for part in mapper.class_.__module__.split(".")[1:] if part not in {"core", "model"}]
        summary, *more = paragraphs or [""]
        found[mapper.local_table.name] = TableDescription(summary, tuple(more), parts[0] if parts else "")
    return found


def draw(metadata: sa.MetaData, words: Mapping[str, TableDescription] | None = None) -> SchemaDiagram:
    """Return the diagram of all tables and foreign keys.

    Args:
        metadata: the metadata with the tables to draw.
        words: the descriptions of the tables, as `read_words` returns them.
    """
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    keys = {element: _line(element) for table in tables for element in _elements(table)}
    layout = arrange([Box(table.name, _width(table), _height(table)) for table in tables], keys.values())
    edges = [
        Edge(key.parent.table.name, key.parent.name, key.column.table.name, key.column.name, _path(line, layout))
        for key, line in keys.items()
    ]
    return SchemaDiagram(
        width=layout.width + 2 * MARGIN,
        height=layout.height + 2 * MARGIN,
        tables=tuple(_table(table, layout, (words or {}).get(table.name, TableDescription())) for table in tables),
        edges=tuple(sorted(edges, key=lambda edge: edge.words)),
    )


def _elements(table: sa.Table) -> list[sa.ForeignKey]:
    """Return the foreign keys of a table, sorted by column. A key over several columns counts once for each column."""
    return sorted(table.foreign_keys, key=lambda key: (key.parent.name, key.target_fullname))


def _line(key: sa.ForeignKey) -> Line:
    return Line(key.parent.table.name, _port(key.parent), key.column.table.name, _port(key.column))


def _port(column: sa.Column[object]) -> int:
    """Return the distance from the upper edge of a table to the middle of the row of a column."""
    place = list(column.table.columns).index(column)
    return HEADER + place * ROW + ROW // 2


def _width(table: sa.Table) -> int:
    names = max((len(column.name) for column in table.columns), default=0)
    return round(max(names * _CHARACTER + _BESIDE, len(table.name) * _NAME_CHARACTER + _BESIDE_NAME))


def _height(table: sa.Table) -> int:
    return HEADER + len(table.columns) * ROW + _FOOT


def _table(table: sa.Table, layout: Layout, words: TableDescription) -> TableBox:
    corner = layout.corners[table.name]
    x, y = corner.x + MARGIN, corner.y + MARGIN
    columns = [
        ColumnRow(
            name=column.name,
            type=_type(column.type),
            y=y + _port(column),
            is_key=column.primary_key,
            is_optional=bool(column.nullable),
            refers_to=tuple(sorted(key.target_fullname for key in column.foreign_keys)),
        )
        for column in table.columns
    ]
    return TableBox(table.name, x, y, layout.widths[table.name], _height(table), tuple(columns), words)


def _type(type_: sa.types.TypeEngine[object]) -> str:
    """Return a short name for the type of a column."""
    if isinstance(type_, sa.Enum):
        return f"one of {', '.join(type_.enums)}"
    return str(type_).lower()


def _path(line: Line, layout: Layout) -> str:
    """Return a line as an SVG path, with curves between the columns of tables and straight parts in the lanes."""
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
