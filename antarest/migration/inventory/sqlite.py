"""Reflection of SQLite: its PRAGMAs, and the text in `sqlite_master` for what they do not tell.

Not SQLAlchemy's inspector: it asks for each table by itself, and reads less of the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Connection

from antarest.migration.inventory.schema import (
    Check,
    Column,
    Definition,
    ForeignKey,
    Index,
    Inventory,
    PrimaryKey,
    Table,
    Unique,
)
from antarest.migration.inventory.sql import closing, join, name_of, normalise, parse_index, split, tokenise

_MASTER = r"""
    SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name
"""
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS x
    WHERE m.type = 'table' AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
_GENERATED = {2: "virtual", 3: "stored"}  # what `hidden` says
# The last one in the text comes first.
_FOREIGN_KEYS = """
    SELECT m.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f
    WHERE m.type = 'table' ORDER BY m.name, f.id DESC, f.seq
"""
_UNIQUE_COLUMNS = """
    SELECT m.name, l.name, i.name FROM sqlite_master AS m
    JOIN pragma_index_list(m.name) AS l JOIN pragma_index_info(l.name) AS i
    WHERE m.type = 'table' AND l.origin = 'u' ORDER BY m.name, l.seq, i.seqno
"""


class _KeyText(NamedTuple):
    """What only the text tells of a foreign key."""

    name: str | None
    deferral: str


class _TableText(NamedTuple):
    """What only the text of a `CREATE TABLE` tells; columns in lower case, since SQLite does not tell them apart."""

    collations: Mapping[str, str] = {}
    generated: Mapping[str, str] = {}
    autoincrement: str | None = None
    primary_key: str | None = None  # its name
    foreign_keys: Mapping[tuple[str, ...], list[_KeyText]] = {}
    uniques: Mapping[tuple[str, ...], Unique] = {}
    checks: tuple[Check, ...] = ()
    options: str = ""


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
    columns: dict[str, list[Any]] = defaultdict(list)
    for table, *row in connection.exec_driver_sql(_COLUMNS):
        columns[table].append(row)
    keys = {table: _key_columns(rows) for table, rows in columns.items()}
    foreign_keys = _foreign_keys(connection, texts, {table.lower(): key for table, key in keys.items()})
    uniques = _unique_columns(_rows(connection, _UNIQUE_COLUMNS))
    return {
        name: Table(
            name=name,
            columns=tuple(_column(row, text) for row in columns[name]),
            primary_key=PrimaryKey(keys[name], text.primary_key) if keys.get(name) else None,
            foreign_keys=tuple(sorted(foreign_keys[name], key=repr)),
            uniques=tuple(sorted((text.uniques.get(each, Unique(each)) for each in uniques[name]), key=repr)),
            checks=text.checks,
            indexes=tuple(indexes.get(name, ())),
            options=text.options,
        )
        for name, text in texts.items()
    }


def _column(row: Any, text: _TableText) -> Column:
    name, declared, not_null, default, _, hidden = row
    known = name.lower()
    return Column(
        name=name,
        type=normalise(declared.upper().removesuffix(" GENERATED ALWAYS")).upper(),
        nullable=not not_null,
        default=default,
        computed=f"{text.generated.get(known, '')} {_GENERATED[hidden]}" if hidden in _GENERATED else None,
        autoincrement=known == text.autoincrement,
        collation=text.collations.get(known),
    )


def _key_columns(rows: Iterable[Any]) -> tuple[str, ...]:
    """The columns of the primary key, in its order."""
    return tuple(name for position, name in sorted((row[4], row[0]) for row in rows) if position)


def _foreign_keys(
    connection: Connection, texts: Mapping[str, _TableText], keys: Mapping[str, tuple[str, ...]]
) -> dict[str, list[ForeignKey]]:
    """The foreign keys of each table.

    Args:
        connection: to the database.
        texts: the text of each table.
        keys: the primary keys, by table in lower case: what is referred to where no columns are named.
    """
    pairs: dict[tuple[Any, ...], list[tuple[str, str | None]]] = defaultdict(list)
    for table, number, referred, column, to, on_update, on_delete in connection.exec_driver_sql(_FOREIGN_KEYS):
        pairs[table, number, referred, on_update, on_delete].append((column, to))
    said = {name: {columns: [*each] for columns, each in text.foreign_keys.items()} for name, text in texts.items()}
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, _, referred, on_update, on_delete), each in pairs.items():
        if table not in said:
            continue
        columns, to = zip(*each, strict=True)
        named = to if None not in to else keys.get(referred.lower(), ())
        both = sorted(zip(columns, named, strict=True)) if len(columns) == len(named) else [(c, "") for c in columns]
        written = said[table].get(tuple(column.lower() for column in columns))
        name, deferral = written.pop(0) if written else _KeyText(None, "")
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


@lru_cache(maxsize=1024)  # Most tables are the same on both sides of a comparison.
def _table_text(sql: str) -> _TableText:
    tokens = tokenise(sql)
    if tokens[1:2] == ["virtual"]:
        return _TableText(options=join(tokens[tokens.index("using") :]))
    start = tokens.index("(")
    end = closing(tokens, start)
    collations: dict[str, str] = {}
    generated: dict[str, str] = {}
    foreign_keys: dict[tuple[str, ...], list[_KeyText]] = defaultdict(list)
    uniques: dict[tuple[str, ...], Unique] = {}
    checks: list[Check] = []
    autoincrement = primary_key = None
    for definition in split(tokens[start + 1 : end]):
        column = name_of(definition[0]).lower()
        if "collate" in definition:
            collations[column] = definition[definition.index("collate") + 1].upper()
        for at, pair in enumerate(pairwise(definition)):
            if pair == ("as", "("):
                generated[column] = join(definition[at + 2 : closing(definition, at + 1)])
            elif pair == ("primary", "key"):
                primary_key = _name_before(definition, at)
        for columns, key in _references(definition):
            foreign_keys[columns].append(key)
        checks += _checks(definition)
        if "autoincrement" in definition:
            autoincrement = column
        if "unique" in definition:
            unique = _unique(definition, definition.index("unique"))
            uniques[unique.columns] = unique
    options = join(tokens[end + 1 :]).upper()
    return _TableText(
        collations,
        generated,
        autoincrement,
        primary_key,
        foreign_keys,
        uniques,
        tuple(sorted(checks, key=repr)),
        options,
    )


def _references(definition: Sequence[str]) -> Iterator[tuple[tuple[str, ...], _KeyText]]:
    """The foreign keys in the definition of a column, or the one that stands on its own, by their columns."""
    depth = 0
    for at, word in enumerate(definition):
        depth += (word == "(") - (word == ")")
        if word != "references" or depth or not at:
            continue
        columns, begins = [definition[0]], at
        if "foreign" in definition[:at] and definition[at - 1] == ")":
            begins = definition.index("foreign")
            columns = [part[0] for part in split(definition[begins + 3 : at - 1])]
        rest = definition[at + 1 :]
        rest = rest[: rest.index("references")] if "references" in rest else rest
        deferral = ""
        if "deferrable" in rest and rest[rest.index("deferrable") - 1] != "not":
            is_late = rest[rest.index("deferrable") + 1 :][:2] == ["initially", "deferred"]
            deferral = "DEFERRABLE INITIALLY DEFERRED" if is_late else "DEFERRABLE"
        yield tuple(name_of(column).lower() for column in columns), _KeyText(_name_before(definition, begins), deferral)


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
