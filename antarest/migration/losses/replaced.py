"""Counts the rows that are gone after one statement has replaced several rows (SQLite).

`INSERT OR REPLACE` deletes each old row with the same value of a unique key as the new row. With two unique keys, one
new row can delete two old rows. SQLite does not say how many rows it deleted. Therefore this module copies the keys
before the statement, and compares them afterwards.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from itertools import count
from typing import Any

from ..database.catalog import CatalogTable, quote

_SEVERAL = re.compile(r"\bSELECT\b|\)\s*,\s*\(", re.IGNORECASE)
_NUMBERS = count()

_KEYS = """
    SELECT i.name, i.partial, c.name FROM pragma_index_list(?1, 'main') i, pragma_index_info(i.name, 'main') c
    WHERE i."unique" ORDER BY i.seq, c.seqno
"""
_ROWID = """
    SELECT name FROM pragma_table_info(?1, 'main') WHERE pk
        AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')
"""


def may_insert_several(statement: str, *, runs_many: bool) -> bool:
    """Return whether a statement may insert more than one row.

    Args:
        statement: the text of the statement.
        runs_many: whether the statement is run by `executemany` with more than one list of parameters.
    """
    return runs_many or bool(_SEVERAL.search(statement))


def whole_keys(driver: Any, table: CatalogTable) -> list[list[str]]:
    """Return the columns of each unique key of a table. Keys with expressions or for only some rows are left out."""
    return _whole(_keys(driver, table))


def _whole(keys: list[list[str | None]]) -> list[list[str]]:
    return [[column for column in key if column] for key in keys if all(key)]


def _keys(driver: Any, table: CatalogTable) -> list[list[str | None]]:
    keys: dict[str, list[str | None]] = {}
    for index, partial, column in driver.execute(_KEYS, (table.bare_name,)):
        keys.setdefault(index, []).append(None if partial else column)
    if rowid := driver.execute(_ROWID, (table.bare_name,)).fetchone():
        keys[""] = [rowid[0]]
    return [*keys.values()]


class Replaced:
    """The rows of a table before a statement that replaces rows. Call `lost()` after the statement."""

    def __init__(self, driver: Any, table: CatalogTable) -> None:
        """Copy the values of the unique keys, if the table has several such keys. Otherwise copy nothing.

        Rows whose keys are not compared count as lost.
        """
        self._driver, self._table = driver, table
        keys = _keys(driver, table)
        whole = _whole(keys)
        self._keys = [", ".join(map(quote, key)) for key in whole]
        self._copy = f"temp.antarest_replaced_{next(_NUMBERS)}" if len(keys) > 1 and whole else ""
        if self._copy:
            columns = ", ".join(sorted({quote(column) for key in whole for column in key}))
            full = " OR ".join(" AND ".join(f"{quote(column)} IS NOT NULL" for column in key) for key in whole)
            rows = f"SELECT {columns} FROM {table.sql} WHERE {full}"  # A key with NULL conflicts with nothing.
            driver.execute(f"CREATE TEMP TABLE {self._copy[5:]} AS {rows}")

    def lost(self) -> int:
        """Return how many old rows are gone. Each present row with a key of an old row counts as one kept row."""
        if not self._copy:
            return 0
        kept = " OR ".join(f"({key}) IN (SELECT {key} FROM {self._copy})" for key in self._keys)
        [[lost]] = self._driver.execute(
            f"SELECT (SELECT count(*) FROM {self._copy}) - count(*) FROM {self._table.sql} WHERE {kept}"
        )
        with suppress(sqlite3.OperationalError):  # SQLite refuses this while a query of the revision is open.
            self._driver.execute(f"DROP TABLE {self._copy}")
        return max(int(lost), 0)
