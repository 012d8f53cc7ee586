"""Checks of a database beyond its schema: foreign keys, sequences, and names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ...database.catalog import foreign_key_violations
from ...errors.revision import Revision
from ...project.history import History
from ...schema.inventory import Inventory
from ..rows.snapshots import RowSnapshot, TableRows

_UNCHECKED = text("""
    SELECT conrelid::regclass::text, conname::text FROM pg_catalog.pg_constraint
    WHERE NOT convalidated AND connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1
""")
_VALIDATE = re.compile(r"\bVALIDATE\s+CONSTRAINT\s+\W*(\w+)", re.IGNORECASE)
_NOT_VALID = re.compile(r"NOT\s+VALID|not_valid", re.IGNORECASE)
# Columns that a check limits to one number are left out: the sequence never gives a second row of the table its number.
_OWNED = text(r"""
    SELECT s.oid::regclass::text, t.oid::regclass::text, a.attname FROM pg_catalog.pg_class AS s
    JOIN pg_catalog.pg_depend AS d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
        AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid AND y.typcategory = 'N'  -- a number can also become a text
    WHERE s.relkind = 'S' AND s.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS o WHERE o.conrelid = t.oid AND o.contype = 'c'
        AND o.conkey = ARRAY[a.attnum] AND pg_get_expr(o.conbin, o.conrelid) ~ '^\(\S+ = \d+\)$') ORDER BY 1
""")


def violations(connection: Connection) -> Counter[tuple[str, str]]:
    """Return the number of rows that refer to a missing row (SQLite).

    The key is the referencing and the referenced table.
    """
    try:
        return Counter((row[0], row[2]) for row in foreign_key_violations(connection))
    except OperationalError as error:
        if _mismatch(error):
            return Counter()
        raise


def validated_later(history: History, revision: str) -> set[str]:
    """Return the names, in lower case, of constraints that a revision makes NOT VALID and a later one validates."""
    own = history[revision].text
    if not _NOT_VALID.search(own):
        return set()
    following = history.order[history.order.index(revision) + 1 :]
    found = {name for id_ in following for name in _VALIDATE.findall(history[id_].text)}
    return {name.lower() for name in found if name in own}


def unchecked(connection: Connection, validated: Collection[str]) -> set[str]:
    """Return descriptions of the constraints that were never checked against the rows, or cannot be checked.

    SQLite accepts a foreign key to columns that are not unique, but refuses each statement that has to check this key.

    Args:
        connection: a connection to the database.
        validated: the names, in lower case, of the constraints that a later revision validates. They are left out.
    """
    if connection.dialect.name != "sqlite":
        found = connection.execute(_UNCHECKED).all()
        return {f"{table}.{name} is NOT VALID" for table, name in found if name.lower() not in validated}
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
    """Return the name and a description of each sequence whose next value is already in its column (PostgreSQL)."""
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
            found[name] = f"{name} is behind {table}.{column}"
    return found


def misdirected_keys(
    schemas: tuple[Inventory, Inventory], rows: tuple[RowSnapshot, RowSnapshot], is_copied: Callable[[str, str], bool]
) -> Iterator[tuple[str, str]]:
    """Yield each table with a new foreign key to a wrong table, and a description of this key.

    The table is wrong if the values of the new key are those of an old key to another table. The rows of unrelated
    tables often have the same numbers, so the database accepts such a key.

    Args:
        schemas: the schemas before and after an upgrade.
        rows: the rows before and after the upgrade.
        is_copied: a function that takes the names of two tables, and returns whether a revision copies rows from the
            first table to the second table. If so, a key to the second table is right.
    """
    (before, after), (then, now) = schemas, rows
    for name in sorted(before.tables.keys() & after.tables.keys() & then.tables.keys() & now.tables.keys()):
        known = before.tables[name].foreign_keys
        old = {(key.columns, key.referred_table) for key in known}
        for key in after.tables[name].foreign_keys:
            to = key.referred_table
            is_right = (key.columns, to) in old or to == name or to not in before.tables
            if is_right or then.tables.get(to) != now.tables.get(to):
                continue
            for other in known:
                owner = other.referred_table
                if owner == to or _refer(before, to, owner) or is_copied(owner, to):
                    continue
                if _same_values(then.tables[name], other.columns, now.tables[name], key.columns):
                    own = f"{name}({', '.join(key.columns)})"
                    yield name, f"{own} refers to {to}, but its values are the keys of {owner}"


def _refer(schema: Inventory, one: str, other: str) -> bool:
    """Return whether one of two tables refers to the other table. If so, the keys of both tables can be equal."""
    return any(
        {name, key.referred_table} == {one, other}
        for name in (one, other)
        if name in schema.tables
        for key in schema.tables[name].foreign_keys
    )


def _same_values(then: TableRows, columns: tuple[str, ...], now: TableRows, others: tuple[str, ...]) -> bool:
    """Return whether `columns` before an upgrade and `others` after the upgrade have the same values in each row."""
    if not then.key or not {*then.key} <= {*now.columns} or not {*columns} <= {*then.columns}:
        return False
    old = dict(zip(then.pick(then.key), then.pick(columns), strict=True))
    new = dict(zip(now.pick(then.key), now.pick(others), strict=True))
    return old == new and len({value for value in old.values() if None not in value}) > 1


def names(schema: Inventory) -> set[str]:
    """Return the names of all objects in a schema."""
    found = {*schema.tables, *schema.enums, *schema.sequences, *schema.views}
    for table in schema.tables.values():
        found |= {column.name for column in table.columns} | {index.name for index in table.indexes}
        found |= {key.name for key in table.foreign_keys if key.name} | {key.name for key in table.uniques if key.name}
        found |= {check.name for check in table.checks if check.name}
    return found


def dropped_attributes(before: Inventory, after: Inventory, revision: Revision) -> Iterator[tuple[str, str, str]]:
    """Yield the columns of a composite type of PostgreSQL of which an upgrade drops an attribute.

    No rows are generated for such columns, so a comparison of rows does not find the loss.

    Args:
        before: the schema before the upgrade.
        after: the schema after the upgrade.
        revision: the revision. A loss that it declares is left out.

    Returns:
        The table, the "table.column", and a description, for each column that still exists.
    """
    declared = revision.losses("upgrade")
    gone = [each.name.rpartition(".")[::2] for each in {*before.others} - {*after.others} if each.kind == "attribute"]
    for type_, attribute in sorted(gone):
        for name, table in before.tables.items():
            for column in table.columns:
                item, now = f"{name}.{column.name}", after.tables.get(name)
                if column.type.removesuffix("[]") == type_ and now and now.column(column.name) and item not in declared:
                    yield name, item, f"the attribute {attribute} of each value of {item}"
