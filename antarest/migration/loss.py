"""What a run loses: tables, columns with values, and rows that are gone after a revision and were there before it.

The revision says in its file what it loses (`lossy`) and what it moves (`moves`); `LossGuard` measures what really
vanishes, and names each loss with its count before the run commits. It counts a table at the moment a statement is
about to drop, truncate or delete from it, never beforehand, so a large table that nobody touches costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, event, text

from antarest.migration.catalog import (
    Catalog,
    Identities,
    Measure,
    count_rows,
    measure,
    read_catalog,
    read_identities,
    tables_of,
)
from antarest.migration.history import Direction, Revision

# What can make a table, a column or a row vanish. On SQLite a rebuild drops the table, and a plain DELETE leaves no
# trace in the catalog; PostgreSQL counts the deleted rows itself, cascades and triggers included.
_CONSTRAINT_WORDS = "CONSTRAINT|INDEX|DEFAULT|NOT|TYPE|SEQUENCE|TRIGGER|VIEW|IDENTITY|EXPRESSION|FUNCTION"
_DROPS = re.compile(rf"\bDROP\s+(?!(?:{_CONSTRAINT_WORDS})\b)|\bTRUNCATE\b", re.IGNORECASE)
_DELETES = re.compile(r"(?<!\bON\s)\bDELETE\b|\bREPLACE\b", re.IGNORECASE)
_DDL = re.compile(r"\b(?:ALTER|CREATE|DROP)\b", re.IGNORECASE)
_TRUNCATES = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)


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


class LossGuard:
    """Watches one migrating transaction and tells what it lost.

    Call `start()` inside the transaction, `begin()` before and `end()` after each revision, and `finish()` before the
    commit.

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
        self._identities: Identities = {}
        self._catalog: Catalog = {}
        # Of the revision that runs: what its tables held before it took something from them, which of them it
        # truncated, which columns it dropped and made anew, and how full the places were that it moves values to.
        self._measures: dict[str, Measure] = {}
        self._truncated: set[str] = set()
        self._replaced: set[str] = set()
        self._destinations: dict[str, int] = {}
        # Of the run: on SQLite the rows last seen in each table, on PostgreSQL its own count of deleted rows.
        self._rows: dict[str, int] = {}
        self._deleted: dict[str, int] = {}

    def start(self) -> None:
        """Take the catalog of the beginning. A database without tables has nothing to lose, and is not watched."""
        self._look()
        self._active = bool(self._catalog)
        if not self._active:
            return
        event.listen(self._connection, "before_cursor_execute", self._before_statement)
        if self._is_sqlite:
            self._rows = count_rows(self._connection, self._catalog)
        else:
            self._deleted = self._deleted_rows()

    def begin(self, revision: Revision, direction: Direction) -> None:
        """A revision is about to run: see how full the places are that it moves values from and to."""
        self._measures.clear()
        self._truncated, self._replaced = set(), set()
        if not self._active:
            return
        moves = revision.destinations(direction)
        self._destinations = self._fullness({item for items in moves.values() for item in items})
        if self._is_sqlite:  # A table that is renamed there is not told from one that has vanished.
            for table in {source.partition(".")[0] for source in moves} & self._catalog.keys():
                self._measures[table] = measure(self._connection, table, self._catalog[table])

    def end(self, revision: Revision, direction: Direction) -> None:
        """A revision has run: record what it lost."""
        if not self._active:
            return
        before = self._identities
        self._look()
        rows = self._rows_gone(before)
        for item, count in [*self._vanished(before), *rows.items(), *self._values_gone(rows)]:
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

    def _look(self) -> None:
        self._identities = read_identities(self._connection, exclude=self._exclude)
        self._catalog = tables_of(self._identities)

    def _before_statement(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        """Count the tables that the statement is about to take something from, as they are before its revision does."""
        drops = bool(_DROPS.search(statement))
        takes = drops or bool(self._is_sqlite and _DELETES.search(statement))
        if not takes and not (self._measures and _DDL.search(statement)):
            return
        live = read_catalog(self._connection, exclude=self._exclude)
        # A column that comes back is not the one that went; PostgreSQL tells them apart by its numbers.
        for table in self._measures.keys() & live.keys() if self._is_sqlite else ():
            self._replaced |= {f"{table}.{column}" for column in self._catalog.get(table, frozenset()) - live[table]}
        if takes:
            self._count(statement, live, drops=drops)

    def _count(self, statement: str, live: Catalog, *, drops: bool) -> None:
        words = {word.lower() for word in re.findall(r"\w+", statement)}
        mentioned = {table for table in self._catalog if words.issuperset(re.findall(r"\w+", table.lower()))}
        if _TRUNCATES.search(statement):  # With CASCADE it may empty tables that it does not mention.
            mentioned = self._truncated = set(self._catalog)
        for table in mentioned & live.keys():
            known = self._measures.get(table)
            if known is None or (drops and not known.values):
                seen = measure(self._connection, table, live[table] & self._catalog[table] if drops else ())
                self._measures[table] = Measure(known.rows if known else seen.rows, seen.values)

    def _vanished(self, before: Identities) -> Iterator[tuple[str, int | None]]:
        """Each table and column that is no more, with what it held; None when nobody counted."""
        now = self._identities
        alive = set(now.values())
        for item, identity in before.items():
            table, dot, column = item.partition(".")
            rebuilt = table in now and now[table] != before[table]
            if item not in self._replaced:
                if identity in alive or (item in now and (rebuilt or not dot)):
                    continue
                if dot and before[table] not in alive and not rebuilt:
                    continue  # It went with its table.
            measured = self._measures.get(table)
            if measured is None or (dot and column not in measured.values):
                yield item, None
            else:
                yield item, measured.of(item)

    def _rows_gone(self, before: Identities) -> dict[str, int]:
        """The tables that have fewer rows than before, and how many fewer."""
        after = self._catalog
        if self._is_sqlite:
            recount = self._measures.keys() & after.keys()
        else:
            rebuilt = {t for t in self._measures.keys() & after.keys() if before.get(t) != self._identities[t]}
            recount = rebuilt | (self._truncated & self._measures.keys() & after.keys())
        now = count_rows(self._connection, recount)
        gone = {table: self._measures[table].rows - rows for table, rows in now.items()}
        if self._is_sqlite:
            self._rows = {table: rows for table, rows in self._rows.items() if table in after} | now
        else:
            deleted = self._deleted_rows()
            for table, rows in deleted.items():
                gone[table] = max(rows - self._deleted.get(table, 0), gone.get(table, 0))
            self._deleted = deleted
        return {table: rows for table, rows in gone.items() if rows > 0}

    def _values_gone(self, rows_gone: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """The columns of tables that were taken from and are still there, with fewer values than their rows explain."""
        for table, measured in self._measures.items():
            columns = self._catalog.get(table, frozenset()) & measured.values.keys()
            if not columns:
                continue
            now = measure(self._connection, table, columns)
            for column in sorted(columns):
                gone = measured.values[column] - now.values[column] - rows_gone.get(table, 0)
                if gone > 0 and f"{table}.{column}" not in self._replaced:
                    yield f"{table}.{column}", gone

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
        before = {place: self._destinations.get(place, 0) for place in destinations if place != item}
        arrived = sum(now.get(place, 0) - before.get(place, 0) for place in destinations)
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
