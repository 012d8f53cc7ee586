"""Remembers which rows have a value in a column, to find the values that statements have removed.

A count of values does not show every loss. If a revision turns some values of a column into NULL, and fills as many
other NULLs of this column, the number of values stays the same. Therefore this module uses a temporary table. Before
the first statement that may empty the column, it stores there the keys of all rows that have a value in the column. At
the end, it looks for these rows by their keys.

Keys are stored only if new values could hide lost values. This is the case if the column has NULLs or empty texts, or
if the statement may insert rows.

If the role is not allowed to create temporary tables, this module keeps the keys in the memory of the process, up to
`_MOST` rows. The number of lost values is unknown if the keys cannot be kept, or if the rows cannot be found again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection, inspect

from ..database.catalog import CatalogTable, Fullness, filled_value, is_null, quote
from .replaced import whole_keys

_NUMBERS = count()
_MOST = 1_000_000  # rows whose keys are kept in memory if no temporary table can be created
_DEFINES = re.compile(r"\s*(?:DROP|TRUNCATE|ALTER(?!.*\bUSING\b))\b", re.IGNORECASE | re.DOTALL)
_INSERTS = re.compile(r"\b(?:INSERT|REPLACE|MERGE|COPY)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _StoredKeys:
    """The keys of rows that had values.

    Attributes:
        rows: the SQL after FROM that reads the keys, such as the name of a temporary table; empty if no keys were kept.
        keys: the columns of the key, with the names that they had when the revision began; empty if the key is the row
            number (SQLite).
        others: the columns of the other unique keys. They identify a row to which REPLACE has given a new key (SQLite).
        columns: the columns with values, with the names that they had when the revision began.
        deleted: the number of rows that had been deleted before the keys were stored.
        taken: for each column, the numbers of values that had been removed before the keys were stored.
    """

    rows: str
    keys: Collection[str]
    others: Collection[Sequence[str]]
    columns: Collection[str]
    deleted: int
    taken: Sequence[Fullness]


class KeptValues:
    """The rows that had values in columns from which a revision may remove values.

    Call `before()` for each statement, then `remember()` for each table, and `lost()` for each table at the end.
    """

    def __init__(self, connection: Connection) -> None:
        """Begin to watch a revision. No keys are stored yet."""
        self._connection = connection
        self._remembered: dict[Hashable, list[_StoredKeys]] = {}
        self._seen: set[tuple[Hashable, str]] = set()
        self._can_hide = self._inserts = False
        self._went_back = 0

    @property
    def _temp(self) -> str:
        return "temp" if self._connection.dialect.name == "sqlite" else "pg_temp"

    def before(self, statement: str, went_back: int) -> None:
        """Note the statement that is about to run, and the number of rollbacks to a savepoint until now."""
        self.follow(went_back)
        self._can_hide = not _DEFINES.match(statement)
        self._inserts = bool(_INSERTS.search(statement))

    def follow(self, went_back: int) -> None:
        """Note the number of rollbacks to a savepoint until now."""
        if went_back != self._went_back:
            self._went_back = went_back
            self._forget_missing()

    def remember(
        self,
        table: CatalogTable,
        names: Mapping[str, str],
        counts: Mapping[str, tuple[Fullness, Fullness]],
        rows: int,
        deleted: Callable[[], int],
    ) -> None:
        """Store the keys of the rows with values, for each column in which new values could hide lost values.

        Args:
            table: the table before the statement.
            names: the name that each column had when the revision began. The key is the present name of the column.
            counts: two numbers for each column that the statement may empty: the number of values in the column, and
                the number of values that earlier statements have removed. The key is the present name of the column.
            rows: the number of rows of the table.
            deleted: returns the number of rows that the revision has deleted.
        """
        wanted = [
            name
            for name, (now, _) in counts.items()
            if now.values and (self._inserts or now.filled < rows) and (table.identity, names[name]) not in self._seen
        ]
        if not wanted or not self._can_hide:
            return
        self._seen |= {(table.identity, names[name]) for name in wanted}
        found = inspect(self._connection).get_pk_constraint(table.bare_name, schema=table.schema or None)
        keys = found["constrained_columns"]
        is_known = {*keys} <= names.keys()  # Perhaps the revision added the key.
        if is_known and (keys or self._has_numbers(table)):
            others = self._other_keys(table, names, keys)
            query, taken = self._query(table, keys, others, wanted), [counts[name][1] for name in wanted]
            kept = self._store(query) or (self._read(query, table, keys, wanted) if rows <= _MOST else "")
            old = [[names[column] for column in columns] for columns in (keys, wanted, *others)]
            each = _StoredKeys(kept, old[0], old[2:], old[1], deleted(), taken)
            self._remembered.setdefault(table.identity, []).append(each)

    def lost(
        self, before: CatalogTable, now: CatalogTable, names: Mapping[str, str], deleted: int
    ) -> dict[str, int | None]:
        """Return how many of the remembered values are gone from rows that are still there.

        Args:
            before: the table when the revision began.
            now: the present table: the same table, or the table that has replaced it.
            names: a mapping from the names of the columns of `before` to those of `now`.
            deleted: the number of deleted rows. If a deleted row came back with the same key, its values do not count.

        Returns:
            For each column of `before`, the number; None if the number is unknown. Columns whose values did not have to
            be remembered are left out.
        """
        found: dict[str, int | None] = {}
        for each in self._remembered.get(before.identity, ()):
            has_keys = names.keys() >= {*each.keys} and (each.keys or now.identity == before.identity)
            columns = [name for name in each.columns if name in names]
            row = self._compare(each, now, names, columns) if each.rows and has_keys and columns else None
            gone = max(deleted - each.deleted, 0)
            if row is None or row[0] - row[1] > gone:  # Rows have new keys, so they cannot be found.
                found |= dict.fromkeys(columns)
            else:
                back = max(gone - (row[0] - row[1]), 0)
                for at, name in enumerate(columns):
                    # A value that was removed before belongs to a row in which the column is still empty.
                    taken = each.taken[[*each.columns].index(name)]
                    null, empty, still_null, still_empty = row[2 + 4 * at : 6 + 4 * at]
                    lost = max(null + min(taken.values, still_null), empty + min(taken.filled, still_empty))
                    found[name] = max(lost - back, 0)
        return found

    def forget(self) -> None:
        """Drop the temporary tables."""
        for each in [each for all_of_table in self._remembered.values() for each in all_of_table]:
            if each.rows.startswith(self._temp):
                self._run(f"DROP TABLE IF EXISTS {each.rows}")
        self._remembered = {}

    def _forget_missing(self) -> None:
        """Forget the temporary tables that a rollback to a savepoint removed. Keys are stored again later."""
        for identity, tables in self._remembered.items():
            stored = [each for each in tables if each.rows.startswith(self._temp)]
            for each in [each for each in stored if not self._run(f"SELECT 1 FROM {each.rows} LIMIT 1")]:
                tables.remove(each)
                self._seen -= {(identity, name) for name in each.columns}

    def _other_keys(self, table: CatalogTable, names: Collection[str], keys: Sequence[str]) -> list[Sequence[str]]:
        if self._temp != "temp":
            return []
        found = whole_keys(self._connection.connection.dbapi_connection, table)
        return [key for key in found if {*key} <= {*names} and key != [*keys]]

    def _query(
        self, table: CatalogTable, keys: Iterable[str], others: Iterable[Sequence[str]], columns: Iterable[str]
    ) -> str:
        stored = [f"{key} AS k{at}" for at, key in enumerate(map(quote, keys))] or ["rowid AS k0"]
        stored += [f"{quote(name)} AS o{key}_{at}" for key, each in enumerate(others) for at, name in enumerate(each)]
        weights = [
            f"CASE WHEN {self._is_null(quote(name))} THEN 0 WHEN {self._is_null(self._filled(table, name))} THEN 1"
            " ELSE 2 END"
            for name in columns
        ]
        stored += [f"{weight} AS w{at}" for at, weight in enumerate(weights)]
        return f"SELECT {', '.join(stored)} FROM {table.sql}"

    def _store(self, query: str) -> str:
        """Return the name of a new temporary table with the rows of a query; an empty text if this fails."""
        name = f"antarest_kept_{next(_NUMBERS)}"
        return f"{self._temp}.{name}" if self._run(f"CREATE TEMP TABLE {name} AS {query}") else ""

    def _read(self, query: str, table: CatalogTable, keys: Sequence[str], columns: Sequence[str]) -> str:
        """Return an SQL expression, for use after FROM, with the rows of a query; an empty text if the query fails."""
        types = [f"k{at} {table.types[key]}" for at, key in enumerate(keys)]
        types += [f"w{at} integer" for at in range(len(columns))]
        rows: list[Any] = []
        is_read = self._run(f"SELECT quote_literal(json_agg(each)::text) FROM ({query}) AS each", rows)
        return f"json_to_recordset({rows[0][0]}) AS each ({', '.join(types)})" if is_read else ""

    def _compare(
        self, each: _StoredKeys, now: CatalogTable, names: Mapping[str, str], columns: Iterable[str]
    ) -> list[int] | None:
        """Return the number of remembered rows, the number of these that still exist, and four numbers for each column.

        The first two of the four numbers count lost values: values that are NULL now, and non-empty values that are
        NULL or an empty text now. The other two numbers count what has not changed: NULLs that are still NULL, and
        NULLs or empty texts that are still NULL or empty.
        """
        keys = [quote(names[key]) for key in each.keys] or ["rowid"]
        ways = [" AND ".join(f"t.{key} = s.k{at}" for at, key in enumerate(keys))]
        for key, other in enumerate(each.others):
            if {*other} <= names.keys():
                ways.append(" AND ".join(f"t.{quote(names[name])} = s.o{key}_{at}" for at, name in enumerate(other)))
        counts = ["(SELECT count(*) FROM kept)", "count(*)"]
        for name in columns:
            at, value = [*each.columns].index(name), f"t.{quote(names[name])}"
            is_null, is_empty = self._is_null(value), self._is_null(self._filled(now, names[name], "t."))
            conditions = (f"> 0 AND {is_null}", f"> 1 AND {is_empty}", f"= 0 AND {is_null}", f"< 2 AND {is_empty}")
            counts += [f"count(CASE WHEN s.w{at} {condition} THEN 1 END)" for condition in conditions]
        found = [0] * len(counts)
        for number, on in enumerate(ways):
            rows: list[Any] = []
            missing = [f"NOT EXISTS (SELECT 1 FROM {now.whole.sql} AS t WHERE {way})" for way in ways[:number]]
            query = f"SELECT {', '.join(counts)} FROM kept AS s JOIN {now.whole.sql} AS t ON {on}"
            chosen = " AND ".join(["1 = 1", *missing])
            if not self._run(f"WITH kept AS (SELECT * FROM {each.rows}) {query} WHERE {chosen}", rows):
                return None
            found = [rows[0][0], *(one + int(more) for one, more in zip(found[1:], rows[0][1:], strict=True))]
            if found[0] == found[1]:
                break
        return found

    def _filled(self, table: CatalogTable, column: str, prefix: str = "") -> str:
        return filled_value(self._connection.dialect.name, table, column, prefix)

    def _is_null(self, value: str) -> str:
        return is_null(self._connection.dialect.name, value)

    def _has_numbers(self, table: CatalogTable) -> bool:
        """Return whether the rows of a table without a primary key have row numbers, as on SQLite."""
        return self._temp == "temp" and not {name.lower() for name in table.columns} & {"rowid"}

    def _run(self, query: str, rows: list[Any] | None = None) -> bool:
        """Run a query, and add its rows to `rows`. Return False if it failed, perhaps because a right is missing."""
        cursor = self._connection.connection.cursor()
        is_postgresql = self._temp == "pg_temp"
        try:
            if is_postgresql:
                cursor.execute("SAVEPOINT antarest_kept")
            try:
                cursor.execute(query)
                if rows is not None:
                    rows += cursor.fetchall()
            except self._connection.dialect.loaded_dbapi.Error:
                if is_postgresql:
                    cursor.execute("ROLLBACK TO SAVEPOINT antarest_kept")
                return False
            if is_postgresql:
                cursor.execute("RELEASE SAVEPOINT antarest_kept")
            return True
        finally:
            with suppress(self._connection.dialect.loaded_dbapi.Error):
                cursor.close()
