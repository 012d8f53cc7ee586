"""The ledger of an SQLite database.

SQLite says itself, before it runs a statement, which tables and columns it will write to, triggers included.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable
from dataclasses import replace
from itertools import count
from typing import Any

from sqlalchemy import Connection

from antarest.migration.catalog import Table, Tables, measure, read_tables
from antarest.migration.ledger.base import ENDS_TRANSACTION, Flow, NotAllowed, Takes

_ROW_ACTIONS = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_WRITES = _ROW_ACTIONS | {sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_TRANSACTION}


class SqliteLedger:
    """The ledger of an SQLite database."""

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        self.tables: Tables = {}
        self.emptied: set[Hashable] = set()
        self._connection = connection
        self._exclude = tuple(exclude)
        self._numbers = count()
        self._read: set[Hashable] = set()
        self._renaming = False
        self._changes_schema = False
        # Rows are counted when a table that was deleted from is inserted into, or the reverse, and at the end: so what
        # was deleted is known although as many rows were inserted after it.
        self._grows: dict[Hashable, bool] = {}
        self._rows: dict[Hashable, int] = {}
        self._flows: dict[Hashable, Flow] = {}

    def begin(self) -> None:
        """A revision begins."""
        self.look()
        self._read.clear()

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
        actions = self._actions(statement)
        codes = {code for code, _, _ in actions}
        if sqlite3.SQLITE_TRANSACTION in codes:
            raise NotAllowed(ENDS_TRANSACTION)
        self._renaming = sqlite3.SQLITE_ALTER_TABLE in codes
        self._changes_schema = any(table == "sqlite_master" for _, table, _ in actions)
        takes: Takes = {}
        for code, name, column in actions:
            table = self.tables.get(name)
            if table is None:
                continue
            if code in _ROW_ACTIONS:
                self._turn(table, grows=code == sqlite3.SQLITE_INSERT)
            takes.setdefault(table.name, set()).update(_columns(table, code, column))
        return takes

    def after(self, statement: str) -> bool:  # noqa: ARG002 - before() knows more
        """Look again when the schema was written to."""
        if self._changes_schema:
            self.look()
        return self._changes_schema

    def flows(self) -> dict[Hashable, Flow]:
        """Count the tables that were written to."""
        for table in self.tables.values():
            if table.identity in self._grows:
                self._book(table)
        return dict(self._flows)

    def was_read(self, column: Hashable) -> bool:
        """Whether a statement of the revision has read the column."""
        return column in self._read

    def _turn(self, table: Table, *, grows: bool) -> None:
        if self._grows.get(table.identity) != grows:
            self._book(table)
            self._grows[table.identity] = grows

    def _book(self, table: Table) -> None:
        now = measure(self._connection, table).rows
        rows = self._rows.get(table.identity, now)
        inserted, deleted = self._flows.get(table.identity, Flow())
        self._flows[table.identity] = Flow(inserted + max(now - rows, 0), deleted + max(rows - now, 0))
        self._rows[table.identity] = now

    def _actions(self, statement: str) -> list[tuple[int, str, str | None]]:
        """Compile the statement, without running it, and note what it will write: how, which table and which column."""
        heard: list[tuple[int, str, str | None]] = []

        def hear(code: int, first: str | None, second: str | None, third: str | None, _trigger: str | None) -> int:
            if code == sqlite3.SQLITE_ALTER_TABLE:
                heard.append((code, second or "", third))
            elif code in _WRITES and third in {"main", None}:
                heard.append((code, first or "", second))
            elif code == sqlite3.SQLITE_READ and (table := self.tables.get(first or "")):
                self._read.add(table.columns.get(second or ""))
            return sqlite3.SQLITE_OK

        driver: Any = self._connection.connection.dbapi_connection
        driver.set_authorizer(hear)
        try:
            # The number keeps the driver from taking a statement that is compiled already.
            driver.execute(f"/* {next(self._numbers)} */ EXPLAIN {statement}").close()
        except sqlite3.Error:
            pass  # It lacks its parameters, which come too late to matter; or it is wrong, and will say so itself.
        finally:
            driver.set_authorizer(None)
        return heard


def _columns(table: Table, code: int, column: str | None) -> Iterable[str]:
    """The columns that an action may take values from."""
    if code in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DROP_TABLE):
        return table.columns  # A plain INSERT replaces rows where the table says ON CONFLICT REPLACE.
    # An UPDATE names the column; so does an ALTER that drops it, as the statement writes it.
    return [name for name in table.columns if column and name.lower() == column.lower()]
