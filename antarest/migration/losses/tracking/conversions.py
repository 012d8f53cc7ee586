"""The SQL that counts the values that a change of type alters.

A value is altered if it differs from the old value after a cast back to the old type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...database.catalog import CatalogTable, affinity, filled, is_null, quote


class Conversion(NamedTuple):
    """A change of the type of a column.

    Attributes:
        old: the SQL expression for the old value.
        new: the SQL expression for the new value, before it is stored.
        old_type: the type of the old value, in lower case.
        new_type: the type of the column that stores the new value.
    """

    old: str
    new: str
    old_type: str
    new_type: str


def can_convert(engine: str, old: str, new: str) -> bool:
    """Return whether a value can change when it is stored in a column of another type."""
    if engine == "sqlite":
        return affinity(old) != affinity(new)
    (kind, sizes), (wider, room) = _parsed(old), _parsed(new)
    if wider != kind and wider not in _WIDER.get(kind, ()):
        return True
    return bool(room) and (len(sizes) != len(room) or any(one > other for one, other in zip(sizes, room, strict=True)))


def count_changed(connection: Connection, reads: str, conversions: Sequence[Conversion]) -> list[int | None]:
    """Count the values that each conversion changes, with one statement. Values that become NULL are not counted.

    Args:
        connection: a connection to the database, which still has the old values.
        reads: the part of a query that begins with FROM; the conversions apply to its rows.
        conversions: the changes of type, one for each column.

    Returns:
        For each conversion, the number of changed values; None if they cannot be counted.
    """
    if not conversions:
        return []
    if connection.dialect.name == "sqlite":
        try:
            return [*connection.exec_driver_sql(_sqlite(reads, conversions)).one()]
        except DBAPIError:  # For example, its parameters are missing.
            return [None] * len(conversions)
    found = _in_savepoint(connection, _postgresql(reads, conversions))
    if found is None:  # A type may lack "=" or the cast back. If so, compare its values as text.
        for each in conversions:
            one = [each]
            counts = _in_savepoint(connection, _postgresql(reads, one)) or _in_savepoint(
                connection, _postgresql(reads, one, as_text=True)
            )
            found = [*(found or []), *(counts or [None])]
    return found or []


def count_emptied(connection: Connection, reads: str, conversions: Sequence[Conversion]) -> list[int]:
    """Count the values that become NULL or an empty text when they are copied, for each conversion.

    Args:
        connection: a connection to the database, which still has the old values.
        reads: the part of a query that begins with FROM; the conversions apply to its rows.
        conversions: the changes of type, one for each column.

    Returns:
        For each conversion, the number of such values; 0 if they cannot be counted.
    """
    full = (
        (filled(f"CAST(({each.old}) AS TEXT)", each.old_type), filled(f"CAST(({each.new}) AS TEXT)", each.new_type))
        for each in conversions
    )
    counts = (f"count(CASE WHEN {old} IS NOT NULL AND {new} IS NULL THEN 1 END)" for old, new in full)
    query = f"SELECT {', '.join(counts)} {reads}"
    if not conversions:
        return []
    if connection.dialect.name == "sqlite":
        try:
            return [*connection.exec_driver_sql(query).one()]
        except DBAPIError:
            return [0] * len(conversions)
    return [int(each or 0) for each in _in_savepoint(connection, query) or [0] * len(conversions)]


def count_common(
    connection: Connection, one: CatalogTable, other: CatalogTable, columns: Sequence[tuple[str, str]], *, values: bool
) -> int | None:
    """Count the rows that two tables have in common. A row that both tables have several times counts several times.

    Args:
        connection: a connection to the database.
        one: the first table.
        other: the second table.
        columns: the pairs of columns to compare: a column of the first table, and a column of the second table.
        values: whether to leave out the rows of each table that have NULL in the table's column of the first pair.

    Returns:
        The number; None if it cannot be counted.
    """
    for as_text in ("", "::text"):  # Some types of PostgreSQL have no "=".
        parts = []
        for weight, table in enumerate((other, one)):
            names = [quote(pair[1 - weight]) for pair in columns]
            chosen = ", ".join(f"{name}{as_text} AS c{at}" for at, name in enumerate(names))
            where = f" WHERE NOT ({is_null(connection.dialect.name, names[0])})" if values else ""
            parts.append(f"SELECT {chosen}, {weight} AS w FROM {table.sql}{where}")
        group = ", ".join(f"c{at}" for at in range(len(columns)))
        query = (
            "SELECT coalesce(sum(CASE WHEN a < b THEN a ELSE b END), 0) FROM (SELECT sum(w) AS a, sum(1 - w) AS b"
            f" FROM ({' UNION ALL '.join(parts)}) AS both_of_them GROUP BY {group}) AS counted"
        )
        if connection.dialect.name == "sqlite":
            return int(connection.exec_driver_sql(query).scalar_one())
        if found := _in_savepoint(connection, query):
            return int(found[0] or 0)
    return None


# ---- SQLite

_MIDNIGHT = "' 00:00:00.000000'"


def _sqlite(reads: str, conversions: Sequence[Conversion]) -> str:
    raw = ", ".join(f"{each.old} AS o{at}, ({each.new}) AS e{at}" for at, each in enumerate(conversions))
    stored = ", ".join(f"o{at}, {_stored(f'e{at}', each.new_type)} AS v{at}" for at, each in enumerate(conversions))
    counts = ", ".join(
        f"coalesce(sum(coalesce(NOT ({_same(f'v{at}', f'o{at}', each)}), 0)), 0)" for at, each in enumerate(conversions)
    )
    # With a LIMIT, SQLite computes each value once, and not again for each use.
    return f"SELECT {counts} FROM (SELECT {stored} FROM (SELECT {raw} {reads} LIMIT -1) LIMIT -1)"


def _stored(value: str, declared: str) -> str:
    """Return the SQL for a value in the form in which a column of this type stores it."""
    kind = affinity(declared)
    if kind == "blob":
        return value
    if kind == "text":
        return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
    number = f"CAST({value} AS {'REAL' if kind == 'real' else 'NUMERIC'})"
    is_number = f"typeof({value}) = 'text' AND CAST({value} AS NUMERIC) = {value}"
    return f"CASE WHEN typeof({value}) IN ('integer', 'real') OR {is_number} THEN {number} ELSE {value} END"


def _same(new: str, old: str, conversion: Conversion) -> str:
    """Return the SQL condition that the new value equals the old value. With NULL, the condition is NULL."""
    kinds = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "blob": "BLOB"}
    back = " ".join(f"WHEN '{kind}' THEN CAST({new} AS {name})" for kind, name in kinds.items())
    same = f"+{old} = +{new} COLLATE BINARY"
    if any("date" in each or "time" in each for each in (conversion.old_type, conversion.new_type)):
        # A date is the same as the midnight with which it begins.
        same += f" OR {old} || {_MIDNIGHT} = {new} OR {new} || {_MIDNIGHT} = {old}"
    same += f" OR +{old} = +(CASE typeof({old}) {back} END) COLLATE BINARY"
    if affinity(conversion.new_type) == "real":
        # SQLite writes a whole number with a point, and PostgreSQL does not.
        same += f" OR ({new} = CAST({new} AS INTEGER) AND {old} = CAST(CAST({new} AS INTEGER) AS TEXT))"
    if affinity(conversion.new_type) not in {"integer", "real"}:
        same += f" OR {new} = ''"  # `count_emptied` counts these values.
    return same


# ---- PostgreSQL

_WIDER = {
    "smallint": {"integer", "bigint", "numeric"},
    "integer": {"bigint", "numeric", "double precision"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "character": {"character varying", "text"},
    "character varying": {"text"},
    "text": {"character varying"},
    "date": {"timestamp without time zone"},
}
_SAME = {
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "decimal": "numeric",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_JSON = {"json", "jsonb"}
_TIMESTAMPS = {"timestamp without time zone", "timestamp with time zone"}
_AT_ZONE = re.compile(r'\(?\s*(?:\w+|"[^"]+")\s+AT\s+TIME\s+ZONE\s+(\'[^\']*\')\s*\)?', re.IGNORECASE)
_SIZES = re.compile(r"\s*\(([\d, -]+)\)")


def _parsed(type_: str) -> tuple[str, list[int]]:
    """Return the name of a type, and its sizes. NUMERIC has two sizes: the digits before and after the point."""
    sizes = [int(size) for found in _SIZES.finditer(type_) for size in found[1].split(",")]
    if len(sizes) == 2:  # noqa: PLR2004 - precision and scale
        sizes[0] -= sizes[1]
    name = " ".join(_SIZES.sub("", type_).split())
    return _SAME.get(name, name), sizes


def _postgresql(reads: str, conversions: Sequence[Conversion], *, as_text: bool = False) -> str:
    raw = ", ".join(
        f"{each.old} AS o{at}, CAST(({each.new}) AS {each.new_type}) AS v{at}" for at, each in enumerate(conversions)
    )
    counts = []
    for at, each in enumerate(conversions):
        old, new = (f"o{at}::text", f"v{at}::text") if as_text else _way_back(f"o{at}", f"v{at}", each)
        counts.append(
            f"count(CASE WHEN o{at} IS DISTINCT FROM NULL AND v{at}::text <> '' THEN 1 END)"
            f" - count(CASE WHEN v{at}::text <> '' AND {new} = {old} THEN 1 END)"
        )
    return f"SELECT {', '.join(counts)} FROM (SELECT {raw} {reads}) AS converted"


def _way_back(old: str, new: str, conversion: Conversion) -> tuple[str, str]:
    """Return the SQL for the old value, and for the new value as a value of the old type."""
    kinds = {_parsed(conversion.old_type)[0], _parsed(conversion.new_type)[0]}
    if kinds & _JSON:  # Spaces and the order of keys have no meaning.
        return f"{old}::jsonb", f"{new}::jsonb"
    if kinds == _TIMESTAMPS and (zone := _AT_ZONE.fullmatch(conversion.new)):
        return old, f"{new} AT TIME ZONE {zone[1]}"  # A cast would use the session's time zone.
    return old, f"CAST({new} AS {conversion.old_type})"


def _in_savepoint(connection: Connection, query: str) -> list[int | None] | None:
    """Run a query in a savepoint, and roll back to the savepoint. Return the only row; None if the query fails."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SAVEPOINT antarest_conversions")
        try:
            cursor.execute(query)
            return [*(cursor.fetchone() or ())]
        except connection.dialect.loaded_dbapi.Error:
            return None
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT antarest_conversions")
            cursor.execute("RELEASE SAVEPOINT antarest_conversions")
    finally:
        cursor.close()
