"""The ledger of a PostgreSQL database.

The server counts the rows that a transaction deletes, whichever way it does. What a statement drops, truncates or
updates is found by the names in it. Where that fails (a function that drops a table) the loss is noticed all the same,
and its count unknown; values that such a function, a trigger or a view sets to NULL are not noticed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable
from typing import Any

from sqlalchemy import Connection, text

from antarest.migration.catalog import Tables, read_tables
from antarest.migration.ledger.base import ENDS_TRANSACTION, Flow, NotAllowed, Takes

_HARMLESS = "CONSTRAINT|INDEX|DEFAULT|NOT|SEQUENCE|TRIGGER|VIEW|IDENTITY|EXPRESSION|FUNCTION"
_DROPS = re.compile(rf"\bDROP\s+(?!(?:{_HARMLESS})\b)", re.IGNORECASE)
_TRUNCATES = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)
_DELETES = re.compile(r"(?<!\bON\s)\bDELETE\b", re.IGNORECASE)
_UPDATES = re.compile(r"(?<!\bON\s)(?<!\bFOR\s)\bUPDATE\b|\bTYPE\b.*\bUSING\b", re.IGNORECASE | re.DOTALL)
_CHANGES = re.compile(r"\b(?:ALTER|DROP|TRUNCATE|CLUSTER)\b", re.IGNORECASE)
# Names all the columns that it takes values from; of another statement nobody knows.
_IS_PLAIN = re.compile(r"\s*(?:ALTER|UPDATE|INSERT)\b[^;]*;?\s*", re.IGNORECASE)
_LITERALS = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ENDS = re.compile(
    r"(?:^|;)\s*(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO))\b",
    re.IGNORECASE,
)
_SAVEPOINT = re.compile(r"\s*SAVEPOINT\s+(\S+?)\s*;?\s*", re.IGNORECASE)
_BACK_TO = re.compile(r"\s*ROLLBACK\s+(?:(?:WORK|TRANSACTION)\s+)?TO\s+(?:SAVEPOINT\s+)?(\S+?)\s*;?\s*", re.IGNORECASE)
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)

# Who loses rows or values with whom: partitions and heirs ("i"), and referring tables by what a delete does to them.
_DEPENDENTS = """
    SELECT inhparent, inhrelid, 'i' FROM pg_catalog.pg_inherits
    UNION SELECT confrelid, conrelid, confdeltype::text FROM pg_catalog.pg_constraint WHERE contype = 'f'
"""
_FLOWS = """
    SELECT relid, n_tup_ins, n_tup_del, current_setting('track_counts') FROM pg_catalog.pg_stat_xact_user_tables
    WHERE n_tup_ins + n_tup_del > 0 OR current_setting('track_counts') <> 'on'
"""


class PostgresLedger:
    """The ledger of a PostgreSQL database."""

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        self.tables: Tables = {}
        self.emptied: set[Hashable] = set()
        self._connection = connection
        self._exclude = tuple(exclude)
        # The server also counts what a savepoint takes back: what it had counted at each savepoint, and all taken back.
        self._savepoints: dict[str, dict[Hashable, Flow]] = {}
        self._taken_back: dict[Hashable, Flow] = {}

    def begin(self) -> None:
        """A revision begins."""
        self.look()
        self.emptied.clear()
        self._savepoints.clear()
        self._taken_back.clear()

    def look(self) -> None:
        """Look at the tables again. Those whose rows lie in another file now, and nobody said why, were truncated."""
        self._look(expected=False)

    def _look(self, *, expected: bool) -> None:
        files = {table.identity: table.file for table in self.tables.values()}
        self.tables = read_tables(self._connection, exclude=self._exclude)
        if not expected:
            self.emptied |= {t.identity for t in self.tables.values() if files.get(t.identity, t.file) != t.file}

    def before(self, statement: str) -> Takes:
        """Find the tables that are named in a statement which drops, truncates, updates or deletes."""
        if _ENDS.search(_LITERALS.sub(" ", statement)) and not _ATOMIC.search(statement):
            raise NotAllowed(ENDS_TRANSACTION)
        if not self.tables:
            return {}
        if _CHANGES.search(statement):
            self.look()
        drops, truncates = _DROPS.search(statement), _TRUNCATES.search(statement)
        deletes, updates = _DELETES.search(statement), _UPDATES.search(statement)
        if not (drops or truncates or deletes or updates):
            return {}
        words = {word.lower() for word in re.findall(r"\w+", statement)}
        named = {table.identity for table in self.tables.values() if _is_named(table.name, words)}
        edges = [tuple(row) for row in self._connection.execute(text(_DEPENDENTS))]
        affected: set[Hashable] = set()
        if drops or truncates or updates:
            affected |= _reached(named, edges, kinds="iacrnd" if truncates else "i")
        if deletes:  # The rows that it deletes are known afterwards; not so the values that a foreign key sets to NULL.
            deleted = _reached(named, edges, kinds="ic")
            affected |= {child for parent, child, kind in edges if parent in deleted and kind in "nd"}
        tables = [table for table in self.tables.values() if table.identity in affected]
        if _IS_PLAIN.fullmatch(statement) and not deletes:
            return {table.name: {column for column in table.columns if _is_named(column, words)} for table in tables}
        return {table.name: set(table.columns) for table in tables}

    def after(self, statement: str) -> bool:
        """Look again when the statement may have changed tables."""
        self._follow_savepoints(statement)
        changes = bool(_CHANGES.search(statement))
        if changes:
            self._look(expected=not _TRUNCATES.search(statement))
        return changes

    def flows(self) -> dict[Hashable, Flow]:
        """Ask the server."""
        rows = self._connection.execute(text(_FLOWS)).all()
        if any(row[3] != "on" for row in rows):
            raise NotAllowed("track_counts is off on this server, so that nobody knows what is deleted")
        counted = {table: Flow(inserted, deleted) for table, inserted, deleted, _ in rows}
        return _less(counted, self._taken_back)

    def _follow_savepoints(self, statement: str) -> None:
        if made := _SAVEPOINT.fullmatch(statement):
            self._savepoints[made[1].lower()] = self.flows()
        elif (back := _BACK_TO.fullmatch(statement)) and (then := self._savepoints.get(back[1].lower())) is not None:
            for table, flow in _less(self.flows(), then).items():
                inserted, deleted = self._taken_back.get(table, Flow())
                self._taken_back[table] = Flow(inserted + flow.inserted, deleted + flow.deleted)

    def was_read(self, column: Hashable) -> bool:  # noqa: ARG002 - nobody knows here
        """Whether the revision can have copied the column."""
        return True


def _less(flows: dict[Hashable, Flow], others: dict[Hashable, Flow]) -> dict[Hashable, Flow]:
    none = Flow()
    return {
        table: Flow(flow.inserted - others.get(table, none).inserted, flow.deleted - others.get(table, none).deleted)
        for table, flow in flows.items()
    }


def _reached(start: Collection[Hashable], edges: Iterable[tuple[Any, ...]], *, kinds: str) -> set[Hashable]:
    found, waiting = set(start), list(start)
    while waiting:
        parent = waiting.pop()
        new = {child for above, child, kind in edges if above == parent and kind in kinds} - found
        found |= new
        waiting.extend(new)
    return found


def _is_named(name: str, words: set[str]) -> bool:
    return words.issuperset(re.findall(r"\w+", name.lower()))
