"""What a statement is about to take something from, and how many rows a transaction has inserted and deleted.

SQLite says itself, before it runs a statement, which tables and columns it will write to, triggers included. PostgreSQL
says afterwards, and exactly, how many rows were deleted, whichever way; what a statement drops, truncates or updates is
found by the names in it. Where that fails (a function that drops a table) the loss is noticed, and its count unknown.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, text

from antarest.migration.catalog import Table, Tables, measure, read_tables

Takes = dict[str, set[str]]
"""The tables that a statement may take rows from, each with the columns that it may take values from."""


class Flow(NamedTuple):
    """The rows that went into a table and out of it, up to now."""

    inserted: int = 0
    deleted: int = 0


class NotAllowed(Exception):
    """A revision did what cannot be watched."""


class Ledger(Protocol):
    """What the two engines have in common.

    Attributes:
        tables: the tables as they were last looked at, with identities that outlive a rename.
        emptied: the identities of the tables that were truncated.
    """

    tables: Tables
    emptied: set[Hashable]

    def look(self) -> None:
        """Look at the tables again."""

    def before(self, statement: str) -> Takes:
        """What the statement may take something from. Raises `NotAllowed` when it would end the transaction."""

    def after(self, statement: str) -> bool:
        """Whether the statement, which has run, may have changed tables; then they have been looked at again."""

    def flows(self) -> dict[Hashable, Flow]:
        """The rows inserted and deleted so far, by the identity of the table."""


class _Action(NamedTuple):
    """What SQLite tells its authorizer."""

    code: int
    first: str | None
    second: str | None
    database: str | None


class SqliteLedger:
    """The ledger of an SQLite database."""

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        self.tables: Tables = {}
        self.emptied: set[Hashable] = set()
        self._connection = connection
        self._driver: Any = connection.connection.dbapi_connection
        self._exclude = tuple(exclude)
        self._numbers = count()
        self._renaming = False
        self._changes_schema = False
        # Rows are counted when a table that was deleted from is inserted into, or the reverse, and at the end: so what
        # was deleted is known although as many rows were inserted after it.
        self._rows: dict[Hashable, tuple[int, bool]] = {}
        self._flows: defaultdict[Hashable, Flow] = defaultdict(Flow)

    def look(self) -> None:
        """Look at the tables again. What keeps its place in the file keeps its identity, also under a new name."""
        old, new = self.tables, read_tables(self._connection, exclude=self._exclude)
        gone = [table for name, table in old.items() if name not in new] if self._renaming else []
        for name, table in new.items():
            known = old.get(name)
            if known is None or known.file != table.file:
                known = next((other for other in gone if other.file == table.file), None)
            new[name] = self._with_identities(table, known)
        self.tables = new

    def _with_identities(self, table: Table, known: Table | None) -> Table:
        columns = dict(known.columns) if known else {}
        added = [column for column in table.columns if column not in columns]
        dropped = [column for column in columns if column not in table.columns]
        if self._renaming and len(added) == len(dropped) == 1:
            columns[added[0]] = columns[dropped[0]]
        return replace(
            table,
            identity=known.identity if known else next(self._numbers),
            columns={column: columns.get(column, next(self._numbers)) for column in table.columns},
        )

    def before(self, statement: str) -> Takes:
        """Ask SQLite what the statement will write to."""
        actions = [action for action in self._actions(statement) if action.database in (None, "main")]
        codes = {action.code for action in actions}
        if sqlite3.SQLITE_TRANSACTION in codes:
            raise NotAllowed(ENDS_TRANSACTION)
        self._renaming = sqlite3.SQLITE_ALTER_TABLE in codes
        self._changes_schema = any(action.first == "sqlite_master" for action in actions) or self._renaming
        takes: Takes = {}
        for code, first, second, _ in actions:
            name = second if code == sqlite3.SQLITE_ALTER_TABLE else first
            table = self.tables.get(name or "")
            if table is None:
                continue
            self._settle(table, grows=code == sqlite3.SQLITE_INSERT)
            columns = takes.setdefault(table.name, set())
            if code == sqlite3.SQLITE_UPDATE:
                columns.add(second or "")
            elif code != sqlite3.SQLITE_DELETE:  # A plain INSERT replaces rows where the table says ON CONFLICT REPLACE.
                columns.update(table.columns)
        return takes

    def after(self, statement: str) -> bool:  # noqa: ARG002 - before() knows more
        """Look again when the schema was written to."""
        if self._changes_schema:
            self.look()
        return self._changes_schema

    def flows(self) -> dict[Hashable, Flow]:
        """Count the tables that were written to."""
        for table in self.tables.values():
            if table.identity in self._rows:
                self._settle(table, grows=not self._rows[table.identity][1])
        return dict(self._flows)

    def _settle(self, table: Table, *, grows: bool) -> None:
        rows, grew = self._rows.get(table.identity, (None, not grows))
        if grew == grows:
            return
        now = measure(self._connection, table).rows
        self._rows[table.identity] = now, grows
        if rows is not None:
            inserted, deleted = self._flows[table.identity]
            self._flows[table.identity] = Flow(inserted + max(now - rows, 0), deleted + max(rows - now, 0))

    def _actions(self, statement: str) -> list[_Action]:
        """Compile the statement, without running it, and note what it will write to."""
        writes = {
            sqlite3.SQLITE_INSERT,
            sqlite3.SQLITE_UPDATE,
            sqlite3.SQLITE_DELETE,
            sqlite3.SQLITE_DROP_TABLE,
            sqlite3.SQLITE_ALTER_TABLE,
            sqlite3.SQLITE_TRANSACTION,
        }
        heard: list[_Action] = []

        def hear(code: int, first: str | None, second: str | None, database: str | None, _trigger: str | None) -> int:
            if code in writes:
                heard.append(_Action(code, first, second, database))
            return sqlite3.SQLITE_OK

        self._driver.set_authorizer(hear)
        try:
            # The number keeps the driver from taking a statement that is compiled already.
            self._driver.execute(f"/* {next(self._numbers)} */ EXPLAIN {statement}")
        except sqlite3.Error:
            pass  # It lacks its parameters, which come too late to matter; or it is wrong, and will say so itself.
        finally:
            self._driver.set_authorizer(None)
        return heard


ENDS_TRANSACTION = "it ends the transaction, and only the run may do that: all of it or nothing"

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
    r"(?:^|;)\s*(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO))\b", re.IGNORECASE
)
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
        changes = bool(_CHANGES.search(statement))
        if changes:
            self._look(expected=not _TRUNCATES.search(statement))
        return changes

    def flows(self) -> dict[Hashable, Flow]:
        """Ask the server."""
        rows = self._connection.execute(text(_FLOWS)).all()
        if any(row[3] != "on" for row in rows):
            raise NotAllowed("track_counts is off on this server, so that nobody knows what is deleted")
        return {table: Flow(inserted, deleted) for table, inserted, deleted, _ in rows}


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
