"""The tracker of an SQLite database.

Before SQLite runs a statement, it reports the tables and columns to which the statement and its triggers will write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ...database.catalog import CatalogTable, Tables, measure, read_tables, shadow_tables
from ...database.driver_connections import Attempt, Running
from ...database.lock.tables import Learned
from ..replaced import Replaced, may_insert_several
from .base import ENDS_TRANSACTION, ChangeTracker, ElsewhereUsed, NotAllowed, RowChanges, Savepoints, Takes, elsewhere
from .origins import OriginsState

_ROW_ACTIONS = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_DROPS = frozenset({sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_VTABLE})
_COPIES = frozenset(
    {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_TEMP_TABLE}
)
_WRITES = _ROW_ACTIONS | _DROPS | {sqlite3.SQLITE_TRANSACTION}
_DEFINES = frozenset(
    {*range(1, 9), *range(10, 18), 26, 27, 28, 29, 30}
)  # each CREATE and DROP, ALTER, REINDEX, ANALYZE
_REPLACE = "replace"
_SCHEMA = "SELECT type, name, rootpage, sql FROM main.sqlite_master WHERE type IN ('table', 'trigger')"
_TEMPORARY = "SELECT type, name, rootpage, sql FROM temp.sqlite_master WHERE type IN ('table', 'trigger', 'view')"
_SCHEMAS = frozenset({"sqlite_master", "sqlite_temp_master"})

_Actions = list[tuple[int, str, str | None]]
"""The writes of a statement. Each has the code of its kind in SQLite, a table, and a column."""


@dataclass
class _Rows:
    """The row counts of one table.

    The rows of the table are counted at the end, and before each write of another kind than the previous write. The
    kinds are insertions, deletions and replacements. So the number of deleted rows is known, even if as many rows
    are inserted later.

    Attributes:
        changes: the numbers of rows that were inserted and deleted before the last count.
        count: the number of rows at the last count; None before the first write.
        way: the kind of the last write: insertion, deletion or replacement.
    """

    changes: RowChanges = field(default_factory=RowChanges)
    count: int | None = None
    way: object = None

    def record_count(self, now: int, lost: int = 0) -> None:
        """Record the present number of rows of the table. At least `lost` rows were deleted since the last count."""
        grown = 0 if self.count is None else now - self.count
        deleted = max(-grown, lost)
        self.changes = self.changes.plus(RowChanges(inserted=grown + deleted, deleted=deleted))
        self.count = now


class _SqliteState(NamedTuple):
    """The state of the tracker at a savepoint."""

    tables: Tables
    texts: dict[str, tuple[int, str]]
    emptied: set[Hashable]
    rows: dict[Hashable, _Rows]
    origins: OriginsState


class SqliteTracker(ChangeTracker):
    """The tracker of an SQLite database. It locks no tables, because the transaction is the only writer."""

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        super().__init__(connection, exclude)
        self._savepoints = Savepoints(self._save, self._restore)
        self._numbers = count()
        self._rows: dict[Hashable, _Rows] = {}
        self._texts: dict[str, tuple[int, str]] = {}  # the root page and the definition of each table, as last read
        self._shadows: Collection[str] = ()  # the tables in which virtual tables keep their data
        self._replacing: set[str] = set()  # the tables whose definition contains REPLACE
        self._any_replaces = False  # whether the definition of a trigger contains REPLACE
        self._temporary: set[str] = set()  # the names of temporary tables and views, in lower case
        self._is_text_true = True  # whether definitions are true; False if a revision may write a definition itself
        # Of the statement that runs:
        self._reads: set[Hashable] = set()
        self._writes: _Actions = []
        self._replaces = False
        self._is_heard = True
        self._elsewhere: ElsewhereUsed | None = None
        self._running: Running = ("", ())
        self._renaming = False
        self._changes_schema = self._writes_text = False
        self._refilled: set[Hashable] = set()
        self._replaced: dict[Hashable, Replaced] = {}

    @property
    def _driver(self) -> Any:
        return self._connection.connection.dbapi_connection

    def start(self, learned: Learned) -> None:  # noqa: ARG002 - nobody else can write
        """Read the tables."""
        self.look()

    def begin(self) -> None:
        """Begin a revision: read the tables, and forget the previous revision."""
        super().begin()
        self._savepoints.forget()

    def look(self) -> None:
        """Read the tables again. This runs after each change of the schema."""
        schema = [*self._connection.exec_driver_sql(_SCHEMA)]
        texts = {name: (place, sql) for kind, name, place, sql in schema if kind == "table"}
        changed = [name for name, seen in texts.items() if self._texts.get(name) != seen or not self._is_text_true]
        # Columns are read only if the text of their table has changed: with 60 tables this takes a tenth of the time.
        read = read_tables(self._connection, exclude=self._exclude, only=changed) if changed else {}
        old, new = self.tables, {name: table for name, table in self.tables.items() if name in texts} | read
        gone = [table for name, table in old.items() if name not in new] if self._renaming else []
        for name, table in read.items():
            # A renamed table keeps its place in the file.
            known = old.get(name) or next((other for other in gone if other.file == table.file), None)
            new[name] = self._with_identities(table, known)
        self.tables, self._texts = new, texts
        self._shadows = shadow_tables({name: sql for name, (_, sql) in texts.items()})
        temporary = [*self._connection.exec_driver_sql(_TEMPORARY)]
        self._temporary = {name.lower() for kind, name, _, _ in temporary if kind != "trigger"}
        schema += [each for each in temporary if each[0] == "trigger"]
        replaces = [(kind, name) for kind, name, _, sql in schema if "REPLACE" in (sql or "").upper()]
        self._replacing = {name for kind, name in replaces if kind == "table"}
        self._any_replaces = any(kind == "trigger" for kind, _ in replaces)

    def _with_identities(self, table: CatalogTable, known: CatalogTable | None) -> CatalogTable:
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

    def before(self, statement: str, attempt: Attempt | None = None) -> Takes:  # noqa: ARG002 - not needed
        """Ask SQLite where a statement will write. Return the tables and columns that may lose data."""
        self._reads, self._running = set(), self._driver.running  # The tracker's own statements will replace it.
        self._writes = actions = self._actions(statement)
        if copy := self.origins.read(statement):  # For a copy of a whole table, SQLite reports no reads.
            for each in [each for part in copy.parts() for each in part.columns(self._by_name)]:
                self._reads |= {each.source.identity, each.source.columns[each.original]}
        codes = {code for code, _, _ in actions}
        if sqlite3.SQLITE_TRANSACTION in codes:
            raise NotAllowed(ENDS_TRANSACTION)
        if self._elsewhere:
            raise self._elsewhere
        if behind := next((table for _, table, _ in actions if table in self._shadows), ""):
            raise NotAllowed(
                f"it writes to {behind}, in which a virtual table keeps its data: write to the virtual table"
            )
        self._renaming = sqlite3.SQLITE_ALTER_TABLE in codes
        self._changes_schema = any(table in _SCHEMAS for _, table, _ in actions)
        self._replaces = self._any_replaces or "REPLACE" in statement.upper()
        self._follow_rows(statement, actions)
        takes: Takes = {}
        for code, name, column in actions:
            if table := self.tables.get(name):
                taken = takes.setdefault(name, set())
                if code in _DROPS or self._way(code, name) == _REPLACE or table.identity in self._refilled:
                    taken.update(table.columns)
                elif column:  # SQLite reports the name of the column as the statement writes it.
                    taken.update(known for known in table.columns if known.lower() == column.lower())
        return takes

    def after(self, statement: str) -> bool:
        """Read the tables again if the statement has changed the schema. Return whether it has changed the schema."""
        if not self._is_heard:
            raise NotAllowed("SQLite does not say what this statement writes to: write it without anything around it")
        # SQLite reads its schema again only when it opens the file, or after RESET.
        is_direct = self._writes_text and self._changes_schema
        if is_direct and self._connection.exec_driver_sql("PRAGMA writable_schema").scalar():
            self._connection.exec_driver_sql("PRAGMA writable_schema = RESET")
            self._connection.exec_driver_sql("PRAGMA writable_schema = ON")
        self.emptied |= self._refilled
        for table in [each for each in self.tables.values() if each.identity in self._replaced]:
            rows, lost = measure(self._connection, table).rows, self._replaced[table.identity].lost()
            self._rows[table.identity].record_count(rows, lost)
        went_back = self._savepoints.follow(statement)
        self.went_back += went_back
        if self._changes_schema or went_back:
            self.look()
        self._note_copy(statement)
        return self._changes_schema or went_back

    def row_changes(self, table: Hashable | None = None) -> dict[Hashable, RowChanges]:
        """Count the rows of changed tables, and return the numbers of inserted and deleted rows of each table."""
        for each in self.tables.values():
            if (rows := self._rows.get(each.identity)) and table in {None, each.identity}:
                rows.record_count(measure(self._connection, each).rows)
        return {identity: rows.changes for identity, rows in self._rows.items()}

    def reads(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement reads a column, or the table if no column is given."""
        return (table.identity if column is None else table.columns[column]) in self._reads

    def writes_to(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement inserts rows into a table, or writes to a column."""
        wanted = {(sqlite3.SQLITE_INSERT, table.name, ""), (sqlite3.SQLITE_UPDATE, table.name, (column or "").lower())}
        return not wanted.isdisjoint((code, name, (written or "").lower()) for code, name, written in self._writes)

    def rows_written(self, table: CatalogTable) -> int:  # noqa: ARG002 - the driver counts those of all tables
        """Return the number of rows changed in all tables together, because SQLite has no number for each table."""
        return int(self._driver.total_changes)

    def _way(self, code: int, name: str) -> object:
        """Return the kind of a write to a table. SQLite reports the replacement of rows as an insertion."""
        is_insert = code == sqlite3.SQLITE_INSERT
        return _REPLACE if is_insert and (self._replaces or name in self._replacing) else is_insert

    def _follow_rows(self, statement: str, actions: _Actions) -> None:
        """Count the rows of each table to which this statement writes, if the previous write was of another kind."""
        writes = {(code, name) for code, name, _ in actions if code in _ROW_ACTIONS and name in self.tables}
        # A trigger may insert several rows.
        is_several = len(writes) > 1 or may_insert_several(statement, runs_many=len(self._running[1]) > 1)
        self._refilled, self._replaced = set(), {}
        for code, name in writes:
            table, way = self.tables[name], self._way(code, name)
            rows = self._rows.setdefault(table.identity, _Rows())
            if rows.way != way or way == _REPLACE:  # Each replacement can delete more rows than it inserts.
                rows.record_count(measure(self._connection, table).rows)
                rows.way = way
            if way == _REPLACE and is_several:
                self._replaced[table.identity] = Replaced(self._driver, table)
            if code == sqlite3.SQLITE_INSERT and (sqlite3.SQLITE_DELETE, name) in writes:
                self._refilled.add(table.identity)  # A trigger inserts and deletes: the number of each is not known.

    @property
    def _by_name(self) -> Tables:
        """The tables to which a name in a statement refers: a temporary table or view hides the one of its name."""
        return {name: table for name, table in self.tables.items() if name.lower() not in self._temporary}

    # ---- savepoints

    def _save(self) -> _SqliteState:
        rows = {identity: replace(rows) for identity, rows in self._rows.items()}
        return _SqliteState(self.tables, self._texts, set(self.emptied), rows, self.origins.save())

    def _restore(self, state: _SqliteState) -> None:
        self.tables, self._texts, self.emptied = state.tables, state.texts, set(state.emptied)
        self._rows = {identity: replace(rows) for identity, rows in state.rows.items()}
        self.origins.restore(state.origins)

    # ---- what SQLite reports

    def _actions(self, statement: str) -> _Actions:
        """Compile a statement without running it. Return the writes that SQLite reports, and note the reads."""
        heard: _Actions = []
        asked: set[int] = set()
        read: set[tuple[str, Hashable]] = set()
        written: set[str] = set()

        def hear(code: int, first: str | None, second: str | None, third: str | None, _trigger: str | None) -> int:
            asked.add(code)
            self._elsewhere = self._elsewhere or elsewhere(code, first, third, _WRITES, self._running)
            if code in _COPIES and not str(first).startswith("sqlite_"):
                written.add(f"{third}.{first}")
            if code == sqlite3.SQLITE_ALTER_TABLE:
                heard.append((code, second or "", third))
            elif code in _WRITES and (third in {"main", None} or first == "sqlite_temp_master"):
                heard.append((code, first or "", second))
            elif code == sqlite3.SQLITE_PRAGMA and (first or "").lower() == "writable_schema":
                self._is_text_true = False
            elif code == sqlite3.SQLITE_READ and third != "temp" and (table := self.tables.get(first or "")):
                column = table.columns.get(second or "")
                read.add((f"{third}.{first}", column))
                self._reads |= {table.identity, column}
            return sqlite3.SQLITE_OK

        self._is_heard, self._elsewhere = True, None
        self._driver.set_authorizer(hear)
        try:
            # The number prevents the driver from using a statement that is already compiled.
            self._driver.execute(f"/* {next(self._numbers)} */ EXPLAIN {statement}").close()
        except sqlite3.ProgrammingError:
            pass  # The parameters are missing, but the statement was compiled.
        except sqlite3.Error:
            # Either the statement is wrong, and fails when it runs, or it is a PRAGMA, which writes to no table.
            self._is_heard = asked == {sqlite3.SQLITE_PRAGMA}
        finally:
            self._driver.set_authorizer(None)
        self._writes_text = not self._is_text_true and not asked & _DEFINES
        # A SELECT copies nothing, and an UPDATE copies nothing from its own table.
        self._copied = {column for table, column in read if written - {table}}
        return heard
