"""Reflection of SQLite: the inspector, and the text in `sqlite_master` for what the inspector does not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import ReflectedColumn

from antarest.migration.inventory._common import computed, keys_of
from antarest.migration.inventory.schema import Check, Column, Definition, Index, Inventory, Table, Unique
from antarest.migration.inventory.sql import closing, join, name_of, normalise, parse_index, split, tokenise

_MASTER = r"""
    SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name
"""
# The inspector maps a declared type to the nearest it knows; a strict comparison needs what was declared.
_DECLARED_TYPES = """
    SELECT m.name, x.name, x.type FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS x WHERE m.type = 'table'
"""
# The inspector misses a UNIQUE beside a type that has a length, and warns of each index on an expression.
_UNIQUE_COLUMNS = """
    SELECT m.name, l.name, i.name FROM sqlite_master AS m
    JOIN pragma_index_list(m.name) AS l JOIN pragma_index_info(l.name) AS i
    WHERE m.type = 'table' AND l.origin = 'u' ORDER BY m.name, l.seq, i.seqno
"""


class _TableText(NamedTuple):
    """What only the text of a `CREATE TABLE` tells."""

    collations: Mapping[str, str]
    generated: Mapping[str, str]
    autoincrement: str | None
    uniques: Mapping[tuple[str, ...], Unique]
    checks: tuple[Check, ...]
    options: str


def reflect(connection: Connection, exclude: Collection[str]) -> Inventory:
    """The inventory of the main schema of a SQLite database."""
    master = connection.exec_driver_sql(_MASTER).all()
    indexes: dict[str, list[Index]] = defaultdict(list)
    for kind, name, table, sql in master:
        if kind == "index":
            indexes[table].append(Index(name, table, *parse_index(sql)))
    texts = {name: _table_text(sql) for kind, name, _, sql in master if kind == "table" and name not in exclude}
    return Inventory(
        engine="sqlite",
        tables=_tables(connection, texts, indexes),
        views={name: Definition(name, normalise(sql)) for kind, name, _, sql in master if kind == "view"},
        triggers={
            f"{table}.{name}": Definition(name, normalise(sql))
            for kind, name, table, sql in master
            if kind == "trigger" and table not in exclude
        },
    )


def _tables(
    connection: Connection, texts: Mapping[str, _TableText], indexes: Mapping[str, Sequence[Index]]
) -> dict[str, Table]:
    inspector = sa.inspect(connection)
    types = {
        (table, column): normalise(text.upper().removesuffix(" GENERATED ALWAYS")).upper()
        for table, column, text in _rows(connection, _DECLARED_TYPES)
    }
    uniques = _unique_columns(_rows(connection, _UNIQUE_COLUMNS))
    found = keys_of(inspector, {})
    columns = inspector.get_multi_columns()
    return {
        name: Table(
            name=name,
            columns=tuple(_column(each, types[name, each["name"]], text) for each in columns[None, name]),
            primary_key=found[name].primary_key,
            foreign_keys=found[name].foreign_keys,
            uniques=tuple(sorted((text.uniques.get(each, Unique(each)) for each in uniques[name]), key=repr)),
            checks=text.checks,
            indexes=tuple(indexes.get(name, ())),
            options=text.options,
        )
        for name, text in texts.items()
    }


def _column(column: ReflectedColumn, declared: str, text: _TableText) -> Column:
    return Column(
        name=column["name"],
        type=declared,
        nullable=column["nullable"],
        default=column["default"],
        computed=computed(column, text.generated.get(column["name"], "")),
        autoincrement=column["name"] == text.autoincrement,
        collation=text.collations.get(column["name"]),
    )


def _rows(connection: Connection, sql: str) -> Iterable[tuple[str, str, str]]:
    return [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(sql)]


def _unique_columns(rows: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[str, ...]]]:
    indexes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for table, index, column in rows:
        indexes[table, index].append(column)
    tables: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (table, _), columns in indexes.items():
        tables[table].append(tuple(columns))
    return tables


def _table_text(sql: str) -> _TableText:
    tokens = tokenise(sql)
    if tokens[1:2] == ["virtual"]:
        return _TableText({}, {}, None, {}, (), join(tokens[tokens.index("using") :]))
    start = tokens.index("(")
    end = closing(tokens, start)
    collations: dict[str, str] = {}
    generated: dict[str, str] = {}
    uniques: dict[tuple[str, ...], Unique] = {}
    checks: list[Check] = []
    autoincrement = None
    for definition in split(tokens[start + 1 : end]):
        column = name_of(definition[0])
        if "collate" in definition:
            collations[column] = definition[definition.index("collate") + 1].upper()
        for at, pair in enumerate(pairwise(definition)):
            # The inspector does not see the expression behind a type with a comma: NUMERIC(10, 2).
            if pair == ("as", "("):
                generated[column] = join(definition[at + 2 : closing(definition, at + 1)])
        checks += _checks(definition)
        if "autoincrement" in definition:
            autoincrement = column
        if "unique" in definition:
            unique = _unique(definition, definition.index("unique"))
            uniques[unique.columns] = unique
    options = join(tokens[end + 1 :]).upper()
    return _TableText(collations, generated, autoincrement, uniques, tuple(sorted(checks, key=repr)), options)


def _checks(definition: Sequence[str]) -> Iterator[Check]:
    """The check constraints in the definition of a column, or the one that stands on its own."""
    for at, pair in enumerate(pairwise(definition)):
        if pair == ("check", "(") and definition[at - 1 : at] != ["references"]:  # That is a table of this name.
            yield Check(join(definition[at + 2 : closing(definition, at + 1)]), _name_before(definition, at))


def _name_before(definition: Sequence[str], at: int) -> str | None:
    """The name that a constraint gets: `CONSTRAINT name` before what it is."""
    return name_of(definition[at - 1]) if definition[at - 2 : at - 1] == ["constraint"] else None


def _unique(definition: Sequence[str], at: int) -> Unique:
    """A unique constraint: within the definition of its column, or on its own with a list of columns."""
    name = _name_before(definition, at)
    rest = definition[at + 1 :]
    columns = [definition[0]]
    if rest[:1] == ["("]:
        end = closing(rest, 0)
        columns, rest = [part[0] for part in split(rest[1:end])], rest[end + 1 :]
    conflict = join(rest[:3]).upper() if rest[:2] == ["on", "conflict"] else ""
    return Unique(tuple(map(name_of, columns)), name, conflict)
