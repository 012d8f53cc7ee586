"""Reflection of SQLite: its PRAGMAs, and the text in `sqlite_master` for what they do not tell.

Not SQLAlchemy's inspector: it asks for each table by itself, and reads less of the text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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
from antarest.migration.inventory.sql import as_written, closing, join, normalise, parse_index, split, tokenise

_MASTER = r"""
    SELECT type, name, tbl_name, sql FROM main.sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name
"""
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM main.sqlite_master AS m JOIN pragma_table_xinfo(m.name, 'main') AS x
    WHERE m.type = 'table' AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
_GENERATED = {2: "virtual", 3: "stored"}  # what `hidden` says
# In the order of the text: the last one has the number 0.
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


class _KeyText(NamedTuple):
    """What only the text tells of a foreign key."""

    name: str | None = None
    deferral: str = ""


class _UniqueText(NamedTuple):
    """What only the text tells of a unique constraint."""

    name: str | None = None
    conflict: str = ""


class _TableText(NamedTuple):
    """What only the text of a `CREATE TABLE` tells; the names of columns are folded."""

    collations: Mapping[str, str] = {}
    generated: Mapping[str, str] = {}
    autoincrement: str | None = None
    primary_key: str | None = None  # its name
    foreign_keys: tuple[_KeyText, ...] = ()  # in their order
    uniques: Mapping[tuple[str, ...], _UniqueText] = {}
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
    foreign_keys = _foreign_keys(connection, texts, {_fold(table): key for table, key in keys.items()})
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


def _column(row: Any, text: _TableText) -> Column:
    name, declared, not_null, default, _, hidden = row
    known = _fold(name)
    return Column(
        name=name,
        type=normalise(declared.upper().removesuffix(" GENERATED ALWAYS")).upper(),
        nullable=not not_null,
        default=default,
        computed=f"{text.generated.get(known, '')} {_GENERATED[hidden]}" if hidden in _GENERATED else None,
        autoincrement=known == text.autoincrement,
        collation=text.collations.get(known),
    )


def _unique(columns: tuple[str, ...], text: _TableText) -> Unique:
    return Unique(columns, *text.uniques.get(tuple(map(_fold, columns)), _UniqueText()))


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
        keys: the primary keys, by the folded name of the table: what is referred to where no columns are named.
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
        named = to if None not in to else keys.get(_fold(referred), ())
        both = sorted(zip(columns, named, strict=True)) if len(columns) == len(named) else [(c, "") for c in columns]
        said = texts[table].foreign_keys
        name, deferral = said[len(found[table])] if len(said) == count[table] else _KeyText()
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


# ---- the text of a table


class _Definition(NamedTuple):
    """The definition of a column or a constraint, three times: a token of each stands for the same piece of text.

    Attributes:
        words: in lower case, names in quotes with them: what looks like a word of SQL is one.
        tokens: as they are compared.
        written: as they are written.
    """

    words: Sequence[str]
    tokens: Sequence[str]
    written: Sequence[str]

    def names(self, start: int, end: int) -> tuple[str, ...]:
        """The names in a list, folded."""
        return tuple(_fold(_plain(part[0])) for part in split(self.written[start:end]))

    def name_before(self, at: int) -> str | None:
        """The name that a constraint gets: `CONSTRAINT name` before what it is."""
        return _plain(self.written[at - 1]) if self.words[at - 2 : at - 1] == ["constraint"] else None


@lru_cache(maxsize=1024)  # Most tables are the same on both sides of a comparison.
def _table_text(sql: str) -> _TableText:
    tokens, written = tokenise(sql), as_written(sql)
    words = [word.lower() for word in written]
    if words[1:2] == ["virtual"]:
        return _TableText(options=join(tokens[words.index("using") :]))
    start = words.index("(")
    end = closing(words, start)
    definitions, at = [], start + 1
    for part in split(words[start + 1 : end]):
        stop = at + len(part)
        definitions.append(_Definition(part, tokens[at:stop], written[at:stop]))
        at = stop + 1
    collations: dict[str, str] = {}
    generated: dict[str, str] = {}
    autoincrement = primary_key = None
    for each in definitions:
        column = _fold(_plain(each.written[0]))
        if "collate" in each.words:
            collations[column] = each.tokens[each.words.index("collate") + 1].upper()
        for at, pair in enumerate(pairwise(each.words)):
            if pair == ("as", "("):
                generated[column] = join(each.tokens[at + 2 : closing(each.words, at + 1)])
            elif pair == ("primary", "key"):
                primary_key = each.name_before(at)
        if "autoincrement" in each.words:
            autoincrement = column
    return _TableText(
        collations=collations,
        generated=generated,
        autoincrement=autoincrement,
        primary_key=primary_key,
        foreign_keys=tuple(key for each in definitions for key in _references(each)),
        uniques={columns: unique for each in definitions for columns, unique in _uniques(each)},
        checks=tuple(sorted((check for each in definitions for check in _checks(each)), key=repr)),
        options=join(tokens[end + 1 :]).upper(),
    )


def _references(definition: _Definition) -> Iterator[_KeyText]:
    """The foreign keys in the definition of a column, or the one that stands on its own."""
    words, name = definition.words, None
    for at, word in enumerate(words):
        if word == "foreign":
            name = definition.name_before(at)
        elif word == "references":
            rest = words[at + 1 :]
            rest = rest[: rest.index("references")] if "references" in rest else rest
            yield _KeyText(name or definition.name_before(at), _deferral(rest))
            name = None


def _deferral(words: Sequence[str]) -> str:
    if "deferrable" not in words or words[words.index("deferrable") - 1] == "not":
        return ""
    is_late = words[words.index("deferrable") + 1 :][:2] == ["initially", "deferred"]
    return "DEFERRABLE INITIALLY DEFERRED" if is_late else "DEFERRABLE"


def _checks(definition: _Definition) -> Iterator[Check]:
    """The check constraints in the definition of a column, or the one that stands on its own."""
    words = definition.words
    for at, pair in enumerate(pairwise(words)):
        if pair == ("check", "("):
            expression = join(definition.tokens[at + 2 : closing(words, at + 1)])
            yield Check(expression, definition.name_before(at))


def _uniques(definition: _Definition) -> Iterator[tuple[tuple[str, ...], _UniqueText]]:
    """The unique constraint within the definition of a column, or on its own with a list of columns."""
    if "unique" not in definition.words:
        return
    at = definition.words.index("unique")
    start, end = at + 1, at + 1
    columns = definition.names(0, 1)
    if definition.words[start : start + 1] == ["("]:
        end = closing(definition.words, start) + 1
        columns = definition.names(start + 1, end - 1)
    is_conflict = definition.words[end : end + 2] == ["on", "conflict"]
    conflict = join(definition.tokens[end : end + 3]).upper() if is_conflict else ""
    yield columns, _UniqueText(definition.name_before(at), conflict)


def _plain(written: str) -> str:
    """The name that is written so."""
    quote = written[0]
    return written[1:-1].replace(quote * 2, quote) if quote in "\"`'" else written


def _fold(name: str) -> str:
    """What SQLite compares of a name: it knows upper and lower case of ASCII alone."""
    return name.encode().lower().decode()
