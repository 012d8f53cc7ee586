"""Checks of a database beyond its schema: foreign keys, sequences, and names."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ...database.catalog import foreign_key_violations
from ...schema.inventory import Inventory

_UNCHECKED = text("""
    SELECT conrelid::regclass || '.' || conname FROM pg_catalog.pg_constraint
    WHERE NOT convalidated AND connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1
""")
_OWNED = text("""
    SELECT s.oid::regclass::text, t.oid::regclass::text, a.attname FROM pg_catalog.pg_class AS s
    JOIN pg_catalog.pg_depend AS d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
        AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND s.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1
""")


def violations(connection: Connection) -> Counter[tuple[str, str]]:
    """Return the number of rows that refer to a missing row, by table and referred table (SQLite only)."""
    try:
        return Counter((row[0], row[2]) for row in foreign_key_violations(connection))
    except OperationalError as error:
        if _mismatch(error):
            return Counter()
        raise


def unchecked(connection: Connection) -> set[str]:
    """Return descriptions of the constraints that were never checked against the rows, or cannot be checked.

    SQLite accepts a foreign key to columns that are not unique, but refuses each statement that has to check this key.
    """
    if connection.dialect.name != "sqlite":
        return {f"{name} is NOT VALID" for name in connection.execute(_UNCHECKED).scalars()}
    try:
        foreign_key_violations(connection)
    except OperationalError as error:
        if _mismatch(error):
            return {_mismatch(error)}
        raise
    return set()


def _mismatch(error: OperationalError) -> str:
    text_ = str(error.orig)
    return text_ if text_.startswith("foreign key mismatch") else ""


def late_sequences(connection: Connection) -> dict[str, str]:
    """Return a description of each sequence whose next value is already in its column, by name (PostgreSQL)."""
    found: dict[str, str] = {}
    if connection.dialect.name == "sqlite":
        return found
    quote = connection.dialect.identifier_preparer.quote
    owned = connection.execute(_OWNED).all()
    # The driver reads a percent sign in a name as the beginning of a parameter.
    relations = [(name.replace("%", "%%"), table.replace("%", "%%"), column) for name, table, column in owned]
    questions = [
        f"SELECT {number}, max({quote(column)})::text FROM {table} WHERE {quote(column)} >= "
        f"(SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {name})"
        for number, (name, table, column) in enumerate(relations)
    ]
    for number, largest in connection.exec_driver_sql(" UNION ALL ".join(questions)) if questions else ():
        if largest is not None:
            name, table, column = owned[number]
            found[name] = f"{name}, with {largest} in {table}.{column}"
    return found


def names(schema: Inventory) -> set[str]:
    """Return the names of all objects in a schema."""
    found = {*schema.tables, *schema.enums, *schema.sequences, *schema.views}
    for table in schema.tables.values():
        found |= {column.name for column in table.columns} | {index.name for index in table.indexes}
        found |= {key.name for key in table.foreign_keys if key.name} | {key.name for key in table.uniques if key.name}
        found |= {check.name for check in table.checks if check.name}
    return found
