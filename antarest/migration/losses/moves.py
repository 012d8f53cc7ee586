"""Counts the rows and values that arrive at the destination that a revision declares for them.

If the source and the destination have the same type, their values are compared one by one, right before a statement
removes them from the source. A value that is both in the source and in the destination at that time has arrived. This
comparison is impossible if rows become a list, if a value gets another type, or if the destination is filled only after
the source is gone. In these cases the module counts the rows that statements have added to the destination while they
read the source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ..database.catalog import CatalogTable, Tables, find, measure
from .tracking.base import ChangeTracker
from .tracking.conversions import count_common

_FROM = re.compile(r"\b(?:FROM|JOIN)\s+(?:ONLY\s+)?(?:\w+\s*\.\s*)?[\"`\[]?(\w+)(?![\w.]*\s*\()", re.IGNORECASE)


_Pairs = list[tuple[Hashable, Hashable]]
"""The identities of the columns to compare: a column of the source, and a column of the destination."""


def reads_unknown(statement: str, tables: Iterable[CatalogTable]) -> bool:
    """Return whether a statement might read from something other than these tables, such as a temporary table."""
    known = {table.bare_name.lower() for table in tables}
    return any(name.lower() not in known for name in _FROM.findall(statement))


@dataclass
class _Move:
    """A move of rows or values.

    Attributes:
        table: the source table, as it was before the revision.
        column: the source column; None for rows.
        place: the destination, "table" or "table.column".
        first: the number of rows or values that were both in the source and in the destination before the revision.
        arrived: the number of rows or values that the destination had when a statement removed them from the source.
        is_compared: whether the destination had new data when a statement removed data from the source. If so, source
            and destination could be compared.
        filled: the number of rows that statements wrote to each table while they read the source. The key is the
            identity of the table.
        taking: the number of rows or values that were both in the source and in the destination before the current
            statement; None if this statement removes nothing from the source.
        pairs: the columns that were compared before the current statement.
        filling: the number of rows that were written to each table before the current statement. The key is the
            identity of the table. None if the current statement does not read the source.
        values: for a move of rows: the numbers of values in the columns of the source, before the first statement that
            removes rows from it.
        values_there: for a move of rows: the numbers of values in the columns of the destination before the revision.
    """

    table: CatalogTable
    column: str | None
    place: str
    first: int = 0
    arrived: int = 0
    is_compared: bool = False
    filled: Counter[Hashable] = field(default_factory=Counter)
    taking: int | None = None
    pairs: _Pairs = field(default_factory=list)
    filling: dict[Hashable, int] | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    values_there: Mapping[str, int] = field(default_factory=dict)


class Moves:
    """The moves of a revision. Call `before()` and `after()` around each statement, and `not_arrived()` at the end."""

    def __init__(
        self, connection: Connection, tracker: ChangeTracker, destinations: Mapping[str, Collection[str]]
    ) -> None:
        """Find the sources and destinations in the tables that exist now.

        Args:
            connection: a connection to the database.
            tracker: follows how statements change the tables.
            destinations: for each "table" or "table.column", the destinations that the revision declares for its data.
        """
        self._connection = connection
        self._tracker = tracker
        self._moves: dict[str, list[_Move]] = {}
        self._seen: dict[str, tuple[Hashable, Hashable | None]] = {}  # for each item: its last table and column
        self._homes: dict[tuple[str, Hashable], set[Hashable]] = {}  # the tables that had the item until now
        self._old = frozenset(each for table in tracker.tables.values() for each in table.columns.values())
        for item, places in destinations.items():
            if found := self._find(item):
                # A move to the same place does not count: new rows there would hide the loss.
                self._moves[item] = [_Move(*found, place) for place in places if place != item]
        self._full_at_first = {move.place: self._full(move.place) for move in self._all()}
        for move in self._all():
            move.first = (self._common(move, self._pairs(move)[0]) or 0) if self._full_at_first[move.place] else 0
            move.values_there = self._values(move, self._found(move.place))
        self._tables: Tables = {}  # the tables before the current statement

    def before(self, statement: str, taken: Collection[str]) -> None:
        """Count the data that is both in a source and in its destination. Call this before each statement runs.

        Args:
            statement: the text of the statement.
            taken: the tables from which the statement may remove data.
        """
        self._tables = tables = self._tracker.tables
        names = {tables[name].identity for name in taken}
        for move in self._all():
            if move.table.identity in names and not move.values:
                move.values = self._values(move, self._now(move.table))
            move.pairs, is_all = self._pairs(move)
            move.taking = self._common(move, move.pairs) if move.table.identity in names else None
            if move.taking is not None and self._full(move.place) > self._full_at_first[move.place]:
                move.is_compared |= is_all
            move.filling = self._written_by(move) if self._reads(statement, move) else None

    def after(self) -> None:
        """Count the rows and values that the statement has moved for which `before()` was called last."""
        known = {table.identity for table in self._tables.values()}
        for move in self._all():
            self._find(move.place)  # Found now, because the next statement may rename it.
            if move.taking is not None and (left := self._common(move, move.pairs)) is not None:
                move.arrived += max(move.taking - left, 0)
            if move.filling is not None:
                for table in self._tracker.tables.values():
                    if table.identity in move.filling:
                        written = self._tracker.rows_written(table) - move.filling[table.identity]
                        move.filled[table.identity] += written
                    elif table.identity not in known:
                        move.filled[table.identity] += measure(self._connection, table.whole).rows

    def not_arrived(self, losses: Mapping[str, int | None]) -> dict[str, int | None]:
        """Return how many of the lost rows or values did not arrive at a destination.

        A row or value that has arrived counts for one source only.

        Args:
            losses: a mapping from "table" or "table.column" to the number of lost rows or values; None if unknown.

        Returns:
            For each of these keys, the number of rows or values that did not arrive.
        """
        grown = {place: max(self._full(place) - full, 0) for place, full in self._full_at_first.items()}
        return {item: amount and self._rest(item, amount, grown) for item, amount in losses.items()}

    def values_not_arrived(self, rows: Mapping[str, int | None]) -> Iterator[tuple[str, str, int | None]]:
        """Yield how many values moved rows have lost: the source, a column, and the number of its lost values.

        Only columns with the same name in the source and in the destination are compared. If several sources have the
        same destination, the number for each of them is not known.

        Args:
            rows: the number of rows of each source that did not arrive. Their values are not counted here.
        """
        gone: dict[tuple[str, str], dict[str, int]] = {}  # by destination and column: the values of each source
        grown: dict[tuple[str, str], int] = {}
        for item, moves in self._moves.items():
            for move in moves if len(moves) == 1 else ():
                left, there = self._values(move, self._now(move.table)), self._values(move, self._found(move.place))
                for column in move.values.keys() & there.keys():
                    number = move.values[column] - left.get(column, 0) - (rows.get(item) or 0)
                    grown[move.place, column] = max(there[column] - move.values_there.get(column, 0), 0)
                    if number > 0:
                        gone.setdefault((move.place, column), {})[item] = number
        for (place, column), sources in gone.items():
            if (lost := sum(sources.values()) - grown[place, column]) > 0:
                yield from ((item, column, lost if len(sources) == 1 else None) for item in sources)

    def _values(self, move: _Move, table: CatalogTable | None) -> Mapping[str, int]:
        """Return the number of values in each column of a table; empty for a move of values."""
        if move.column is not None or table is None or not table.readable:
            return {}
        found = measure(self._connection, table.whole, table.columns)
        return {column: found.of(column) for column in table.columns}

    def _found(self, place: str) -> CatalogTable | None:
        found = self._find(place)
        return found[0] if found and found[1] is None else None

    def _rest(self, item: str, lost: int, grown: dict[str, int]) -> int:
        for move in self._moves.get(item, ()):
            found = self._find(move.place)
            filled = self._filled(move) if found and not move.is_compared else 0
            there = min(grown[move.place], max(move.arrived - move.first, filled, 0))
            if there and lost > 0 and move.column is None and self._is_column(move.place):
                return 0  # Rows became a value, such as a list. How many rows are in it is not known.
            here = min(max(lost, 0), there)
            grown[move.place] -= here
            lost -= here
        return lost

    def _filled(self, move: _Move) -> int:
        """Return the number of rows written to the destination. Rows of its table before a rebuild count."""
        table, column = self._seen[move.place]
        homes = self._homes[move.place, table if column is None else column]
        return sum(move.filled[home] for home in homes)

    def _all(self) -> Iterator[_Move]:
        return (move for moves in self._moves.values() for move in moves)

    def _find(self, item: str) -> tuple[CatalogTable, str | None] | None:
        tables = self._tracker.tables
        found = find({name: table.columns for name, table in tables.items()}, item)
        if found is None:
            return self._renamed(item)
        table, column = tables[found[0]], found[1]
        identity = table.columns[column] if column else None
        origin = self._tracker.origins[identity].column  # the old column, if a rebuild has copied it
        wanted = identity if origin in self._old else origin
        self._seen[item] = table.identity, wanted
        self._homes.setdefault((item, table.identity if wanted is None else wanted), set()).add(table.identity)
        return table, column

    def _renamed(self, item: str) -> tuple[CatalogTable, str | None] | None:
        """Return the table or column that the revision has renamed, by its old name."""
        if item not in self._seen:
            return None
        identity, wanted = self._seen[item]
        for table in self._tracker.tables.values():
            if wanted is None and table.identity == identity:
                return table, None
            for name, column in table.columns.items():
                if wanted is not None and wanted in {column, self._tracker.origins[column].column}:
                    return table, name
        return None

    def _is_column(self, place: str) -> bool:
        found = self._find(place)
        return bool(found and found[1])

    def _full(self, place: str) -> int:
        """Return the number of rows or values of a "table" or "table.column"; 0 if there is no such item."""
        found = self._find(place)
        if found is None:
            return 0
        table, column = found
        return measure(self._connection, table.whole, [] if column is None else [column]).of(column)

    def _common(self, move: _Move, pairs: _Pairs) -> int | None:
        """Return the number of rows or values that are both in the source and in the destination.

        The number is None if source and destination cannot be compared, and 0 if one of them does not exist.
        """
        source, place = self._now(move.table), self._find(move.place)
        if source is None or place is None:
            return 0
        old, new = source.names, place[0].names
        pairs = [pair for pair in pairs if pair[0] in old]
        if not pairs:
            return 0
        named = [(old[one], new[other]) for one, other in pairs if other in new]
        if (move.column is None) != (place[1] is None) or not named:
            return None
        if any(self._tracker.origins.can_convert(source.types[one], place[0].types[other]) for one, other in named):
            return None
        return count_common(self._connection, source, place[0].whole, named, values=move.column is not None)

    def _pairs(self, move: _Move) -> tuple[_Pairs, bool]:
        """Return pairs of a source column and a target column, and whether comparing these pairs finds all moved data.

        If a column is moved, it does. If rows are moved, it does only if a statement has copied the source columns to
        the target columns unchanged.
        """
        source, place = self._now(move.table), self._find(move.place)
        if source is None or place is None:
            return [], False
        there = {*source.columns.values()}
        target, column = place
        if move.column is not None:
            moved = move.table.columns[move.column]
            return ([(moved, target.columns[column])], True) if moved in there and column else ([], False)
        fillings = {identity: self._tracker.origins.filling(identity) for identity in target.columns.values()}
        exact = [(each.column, new) for new, each in fillings.items() if each.is_exact and each.column in there]
        same = [(source.columns[name], target.columns[name]) for name in source.columns if name in target.columns]
        return exact or same, bool(exact)

    def _now(self, table: CatalogTable) -> CatalogTable | None:
        return next((each for each in self._tracker.tables.values() if each.identity == table.identity), None)

    def _reads(self, statement: str, move: _Move) -> bool:
        """Return whether a statement reads the source, a table with values copied from it, or an unknown table."""
        tables, origins = self._tracker.tables.values(), self._tracker.origins
        if reads_unknown(statement, tables):
            return True
        columns = {*move.table.columns.values()}
        for table in tables:
            names = table.names
            if table.identity == move.table.identity:
                column = names.get(move.table.columns[move.column]) if move.column else None
                if self._tracker.reads(table, column):
                    return True
            elif any(origins.filling(each).column in columns for each in names) and self._tracker.reads(table, None):
                return True
        return False

    def _written_by(self, move: _Move) -> dict[Hashable, int]:
        """Return the number of rows written until now, for each table to which the current statement writes."""
        place, written = self._find(move.place), {}
        for table in self._tracker.tables.values():
            column = place[1] if place and place[0].identity == table.identity else None
            if self._tracker.writes_to(table, column):
                written[table.identity] = self._tracker.rows_written(table)
        return written
