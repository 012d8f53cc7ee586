"""Reads the schema of SQLite from its PRAGMAs, and the other properties from the texts in `sqlite_master`.

SQLAlchemy's inspector is not used, because it needs several queries for each table and reads less of the text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ..database.catalog import shadow_tables
from .inventory import Column, Definition, ForeignKey, Index, Inventory, PrimaryKey, Table, Unique
from .sql import normalise, parse_index
from .sqlite_text import KeyText, TableText, UniqueText, fold, read_table, with_quotes_for_brackets

MASTER = r"""
    SELECT type, name, tbl_name, sql FROM main.sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name
"""
"""The query for the objects of a schema, without those that SQLite makes itself, such as the index of a key."""
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM main.sqlite_master AS m JOIN pragma_table_xinfo(m.name, 'main') AS x
    WHERE m.type = 'table' AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
_GENERATED = {2: "virtual", 3: "stored"}  # by the value of `hidden`
# The foreign keys of a table in the order of its text: SQLite gives the last one the id 0.
_FOREIGN_KEYS = """
    SELECT m.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM main.sqlite_master AS m JOIN pragma_foreign_key_list(m.name, 'main') AS f
    WHERE m.type = 'table' ORDER BY m.name, f.id DESC, f.seq
"""
_UNIQUE_COLUMNS = """
    SELECT m.name, l.name, i.name FROM main.sqlite_master AS m
    JOIN pragma_index_list(m.name, 'main') AS l JOIN pragma_index_info(l.name, 'main') AS i
    WHERE m.type = 'table' AND l.origin = 'u' ORDER BY m.name, l.seq, i.seqno
"""


def reflect(connection: Connection, exclude: Collection[str]) -> Inventory:
    """Return the inventory of the main schema of an SQLite database."""
    found = connection.exec_driver_sql(MASTER).all()
    shadows = shadow_tables({name: sql for kind, name, _, sql in found if kind == "table"})
    master = [(*row[:3], with_quotes_for_brackets(row[3])) for row in found if row[2] not in shadows]
    indexes: dict[str, list[Index]] = defaultdict(list)
    for kind, name, table, sql in master:
        if kind == "index":
            indexes[table].append(Index(name, table, *parse_index(sql)))
    texts = {name: read_table(sql) for kind, name, _, sql in master if kind == "table" and name not in exclude}
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
    connection: Connection, texts: Mapping[str, TableText], indexes: Mapping[str, Sequence[Index]]
) -> dict[str, Table]:
    columns: dict[str, list[Any]] = defaultdict(list)
    for table, *row in connection.exec_driver_sql(_COLUMNS):
        columns[table].append(row)
    keys = {table: _key_columns(rows) for table, rows in columns.items()}
    foreign_keys = _foreign_keys(connection, texts, {fold(table): key for table, key in keys.items()})
    uniques = _unique_columns(connection)
    return {
        name: Table(
            name=name,
            columns=tuple(_column(row, text) for row in columns[name]),
            primary_key=PrimaryKey(keys[name], text.primary_key) if keys.get(name) else None,
            foreign_keys=tuple(sorted(foreign_keys[name], key=repr)),
            uniques=tuple(sorted((_unique(each, text) for each in uniques[name]), key=repr)),
            checks=text.checks,
            indexes=tuple(indexes.get(name, ())),
            options=text.options,
        )
        for name, text in texts.items()
    }


def _column(row: Any, text: TableText) -> Column:
    name, declared, not_null, default, _, hidden = row
    known = fold(name)
    return Column(
        name=name,
        type=normalise(declared.upper().removesuffix(" GENERATED ALWAYS")).upper(),
        nullable=not not_null,
        default=default,
        computed=f"{text.generated.get(known, '')} {_GENERATED[hidden]}" if hidden in _GENERATED else None,
        autoincrement=known == text.autoincrement,
        collation=text.collations.get(known),
    )


def _unique(columns: tuple[str, ...], text: TableText) -> Unique:
    return Unique(columns, *text.uniques.get(tuple(map(fold, columns)), UniqueText()))


def _key_columns(rows: Iterable[Any]) -> tuple[str, ...]:
    """Return the columns of the primary key, in the order of the key."""
    return tuple(name for position, name in sorted((row[4], row[0]) for row in rows) if position)


def _foreign_keys(
    connection: Connection, texts: Mapping[str, TableText], keys: Mapping[str, tuple[str, ...]]
) -> dict[str, list[ForeignKey]]:
    """Return the foreign keys of each table.

    `keys` has the primary keys, for foreign keys that name no referenced columns.
    """
    pairs: dict[tuple[Any, ...], list[tuple[str, str | None]]] = defaultdict(list)
    for table, number, referred, column, to, on_update, on_delete in connection.exec_driver_sql(_FOREIGN_KEYS):
        pairs[table, number, referred, on_update, on_delete].append((column, to))
    count = Counter(table for table, *_ in pairs)
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, _, referred, on_update, on_delete), each in pairs.items():
        if table not in texts:
            continue
        columns, to = zip(*each, strict=True)
        named = to if None not in to else keys.get(fold(referred), ())
        both = sorted(zip(columns, named, strict=True)) if len(columns) == len(named) else [(c, "") for c in columns]
        said = texts[table].foreign_keys
        name, deferral = said[len(found[table])] if len(said) == count[table] else KeyText()
        found[table].append(
            ForeignKey(
                columns=tuple(column for column, _ in both),
                referred_table=referred,
                referred_columns=tuple(referred_ for _, referred_ in both if referred_),
                name=name,
                on_update=on_update,
                on_delete=on_delete,
                options=deferral,
            )
        )
    return found


def _unique_columns(connection: Connection) -> dict[str, list[tuple[str, ...]]]:
    indexes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for table, index, column in connection.exec_driver_sql(_UNIQUE_COLUMNS):
        indexes[table, index].append(column)
    tables: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (table, _), columns in indexes.items():
        tables[table].append(tuple(columns))
    return tables
