"""What a run loses: tables, columns with values, and rows that are gone after a revision and were there before it.

The revision says in its file what it loses (`lossy`) and what it moves (`moves`); `LossGuard` measures what really
vanishes, and names each loss with its count before the run commits. It counts a table at the moment a statement is
about to drop, truncate or delete from it, never beforehand, so a large table that nobody touches costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event, text

from antarest.migration.history import Direction, Revision

# What can make a table, a column or a row vanish. On SQLite a rebuild drops the table, and a plain DELETE leaves no
# trace in the catalog; PostgreSQL counts the deleted rows itself, cascades and triggers included.
_CONSTRAINT_WORDS = "CONSTRAINT|INDEX|DEFAULT|NOT|TYPE|SEQUENCE|TRIGGER|VIEW|IDENTITY|EXPRESSION|FUNCTION"
_DROPS = re.compile(rf"\bDROP\s+(?!(?:{_CONSTRAINT_WORDS})\b)|\bTRUNCATE\b", re.IGNORECASE)
_DELETES = re.compile(r"(?<!\bON\s)\bDELETE\b|\bREPLACE\b", re.IGNORECASE)
_TRUNCATES = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)

Catalog = dict[str, frozenset[str]]
"""The tables of a database, each with its columns."""

_CATALOG_QUERY = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    "postgresql": "SELECT c.relname, a.attname FROM pg_catalog.pg_class c"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace"
    " WHERE nspname = current_schema())",
}


@dataclass(frozen=True)
class Loss:
    """Data that a revision loses.

    Attributes:
        revision: the revision that loses it.
        direction: in its upgrade or its downgrade.
        item: "table" or "table.column".
        count: how many rows (of a table) or values that are not NULL (of a column); None when nobody counted.
        reason: what the revision says of it; empty when it does not declare it.
    """

    revision: str
    direction: Direction
    item: str
    count: int | None
    reason: str = ""

    @property
    def declared(self) -> bool:
        """Whether the revision names it."""
        return bool(self.reason)

    @property
    def declaration(self) -> str:
        """The line that would declare it in the revision file."""
        return f'lossy = {{"{self.direction}": {{"{self.item}": "why"}}}}'

    @property
    def amount(self) -> str:
        """Its count in words, such as `12 rows`."""
        unit = "value" if "." in self.item else "row"
        if self.count is None:
            return f"an unknown number of {unit}s"
        return f"{self.count:,} {unit}{'' if self.count == 1 else 's'}"

    def __str__(self) -> str:
        return f"{self.item}: {self.amount}" + (f" ({self.reason})" if self.reason else " (not declared)")


@dataclass(frozen=True)
class Agreement:
    """What a person has agreed to lose in a rollback.

    Attributes:
        everything: whatever the revisions declare.
        most: the largest count agreed to, by revision and item, as it was named in the plan.
    """

    everything: bool = False
    most: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def covers(self, loss: Loss) -> bool:
        """Whether this loss, with this count, was agreed to."""
        named = self.most.get((loss.revision, loss.item))
        return self.everything or (named is not None and loss.count is not None and loss.count <= named)


@dataclass(frozen=True)
class Measure:
    """How full a table is: its rows, and for each column the values that are not NULL."""

    rows: int
    values: Mapping[str, int]

    def of(self, item: str) -> int:
        """The count that belongs to "table" or "table.column"."""
        _, _, column = item.partition(".")
        return self.values.get(column, 0) if column else self.rows


def read_catalog(connection: Connection, *, exclude: Iterable[str] = ()) -> Catalog:
    """Read the tables of the database (PostgreSQL: of the current schema) and their columns, with one query."""
    catalog: dict[str, set[str]] = {}
    for table, column in connection.execute(text(_CATALOG_QUERY[connection.dialect.name])):
        catalog.setdefault(table, set()).add(column)
    hidden = set(exclude)
    return {table: frozenset(columns) for table, columns in catalog.items() if table not in hidden}


def measure(connection: Connection, table: str, columns: Iterable[str]) -> Measure:
    """Count the rows of a table and the values in its columns, in one scan.

    It goes past SQLAlchemy's events, so that it can be called while a statement is about to run.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = sorted(columns)
    counts = ", ".join(["count(*)", *(f"count({quote(name)})" for name in names)])
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"SELECT {counts} FROM {quote(table)}")  # noqa: S608 - the names are quoted
        rows, *values = cursor.fetchone() or (0,)
    finally:
        cursor.close()
    return Measure(rows, dict(zip(names, values, strict=False)))


def count_rows(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    """Count the rows of each of these tables."""
    return {table: measure(connection, table, ()).rows for table in sorted(tables)}


class LossGuard:
    """Watches one migrating transaction and tells what it lost.

    Call `start()` inside the transaction, `begin()` before and `end()` after each revision, `finish()` before the commit.

    Attributes:
        losses: what has been lost so far, in order.
    """

    def __init__(self, connection: Connection, exclude: Iterable[str] = ()) -> None:
        """Prepare to watch `connection`, without looking at the tables in `exclude` (such as the version table)."""
        self.losses: list[Loss] = []
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._exclude = frozenset(exclude)
        self._active = False
        self._catalog: Catalog = {}
        # Of the revision that runs: what its tables held before it took something from them, which of them it
        # truncated, and how full the places were that it moves values to.
        self._measures: dict[str, Measure] = {}
        self._truncated: set[str] = set()
        self._destinations: dict[str, int] = {}
        # Of the run: on SQLite the rows last seen in each table, on PostgreSQL its own count of deleted rows.
        self._rows: dict[str, int] = {}
        self._deleted: dict[str, int] = {}

    def start(self) -> None:
        """Take the catalog of the beginning. A database without tables has nothing to lose, and is not watched."""
        self._catalog = self._read_catalog()
        self._active = bool(self._catalog)
        if not self._active:
            return
        event.listen(self._connection, "before_cursor_execute", self._before_statement)
        if self._is_sqlite:
            self._rows = count_rows(self._connection, self._catalog)
        else:
            self._deleted = self._deleted_rows()

    def begin(self, revision: Revision, direction: Direction) -> None:
        """A revision is about to run: see how full the places are that it moves values to."""
        self._measures.clear()
        self._truncated = set()
        if self._active:
            moves = revision.destinations(direction).values()
            self._destinations = self._fullness({item for items in moves for item in items})

    def end(self, revision: Revision, direction: Direction) -> None:
        """A revision has run: record what it lost."""
        if not self._active:
            return
        before, after = self._catalog, self._read_catalog()
        self._catalog = after
        for item, count in self._vanished(before, after):
            lost = self._without_moved(item, count, revision, direction)
            if lost is None or lost > 0:
                self.losses.append(Loss(revision.id, direction, item, lost, revision.losses(direction).get(item, "")))

    def finish(self) -> None:
        """Count once more before the commit (SQLite): rows that went by a way that nobody saw are a loss as well."""
        if not self._active:
            return
        event.remove(self._connection, "before_cursor_execute", self._before_statement)
        if self._is_sqlite:
            now = count_rows(self._connection, self._catalog.keys() & self._rows.keys())
            for table, rows in now.items():
                if rows < self._rows[table]:
                    last = self.losses[-1] if self.losses else None
                    revision, direction = (last.revision, last.direction) if last else ("(any)", "upgrade")
                    self.losses.append(Loss(revision, direction, table, self._rows[table] - rows))

    def _read_catalog(self) -> Catalog:
        return read_catalog(self._connection, exclude=self._exclude)

    def _before_statement(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        """Count the tables that the statement is about to take something from, as they are before its revision does."""
        drops = bool(_DROPS.search(statement))
        if not drops and not (self._is_sqlite and _DELETES.search(statement)):
            return
        words = {word.lower() for word in re.findall(r"\w+", statement)}
        mentioned = {table for table in self._catalog if words.issuperset(re.findall(r"\w+", table.lower()))}
        if _TRUNCATES.search(statement):  # With CASCADE it may empty tables that it does not mention.
            mentioned = self._truncated = set(self._catalog)
        for table, columns in self._read_catalog().items():
            known = self._measures.get(table)
            if table in mentioned and (known is None or (drops and not known.values)):
                seen = measure(self._connection, table, columns & self._catalog[table] if drops else ())
                self._measures[table] = Measure(known.rows if known else seen.rows, seen.values)

    def _vanished(self, before: Catalog, after: Catalog) -> Iterator[tuple[str, int | None]]:
        """Each table, column and row count that is less than before, with what it held; None when nobody counted."""
        for table, columns in before.items():
            measured = self._measures.get(table)
            if table not in after:
                yield table, measured.rows if measured else None
                continue
            for column in sorted(columns - after[table]):
                known = measured is not None and column in measured.values
                yield f"{table}.{column}", measured.values[column] if measured and known else None
        for table, rows in self._rows_gone(after).items():
            yield table, rows

    def _rows_gone(self, after: Catalog) -> dict[str, int]:
        if self._is_sqlite:
            tables = {table for table in self._measures if table in after}
            now = count_rows(self._connection, tables)
            gone = {table: self._measures[table].rows - now[table] for table in tables}
            self._rows = {table: rows for table, rows in self._rows.items() if table in after} | now
            return {table: rows for table, rows in gone.items() if rows > 0}
        deleted = self._deleted_rows()
        gone = {t: rows - self._deleted.get(t, 0) for t, rows in deleted.items() if t in after}
        self._deleted = deleted
        now = count_rows(self._connection, self._truncated & self._measures.keys() & after.keys())
        for table, rows in now.items():
            gone[table] = max(self._measures[table].rows - rows, gone.get(table, 0))
        return {table: rows for table, rows in gone.items() if rows > 0}

    def _deleted_rows(self) -> dict[str, int]:
        query = "SELECT relname, n_tup_del FROM pg_catalog.pg_stat_xact_user_tables WHERE schemaname = current_schema()"
        return {table: rows for table, rows in self._connection.execute(text(query)) if table in self._catalog}

    def _without_moved(self, item: str, count: int | None, revision: Revision, direction: Direction) -> int | None:
        """What of `count` did not arrive where the revision says it moves it."""
        destinations = revision.destinations(direction).get(item)
        if not destinations or count is None:
            return count
        if "." in item and any("." not in destination for destination in destinations):
            return 0  # Values that became rows cannot be counted against each other; the declaration vouches for them.
        if "." not in item and any("." in destination for destination in destinations):
            return 0
        now = self._fullness(destinations)
        arrived = sum(now.get(place, 0) - self._destinations.get(place, 0) for place in destinations)
        return max(count - arrived, 0)

    def _fullness(self, items: Iterable[str]) -> dict[str, int]:
        """The count of each "table" or "table.column" that exists."""
        result: dict[str, int] = {}
        for item in items:
            table, _, column = item.partition(".")
            columns = self._catalog.get(table)
            if columns is not None and (not column or column in columns):
                result[item] = measure(self._connection, table, [column] if column else ()).of(item)
        return result


def foreign_key_violations(connection: Connection) -> set[tuple[Any, ...]]:
    """The rows of an SQLite database that refer to a row that does not exist (table, rowid, referred table, key)."""
    if connection.dialect.name != "sqlite":
        return set()
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
