"""Finds faults of the schema that a comparison with the models does not show, as the models have the same faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...schema.inventory import ForeignKey, Inventory, Table
from .finding import Finding

_NONE = "NO ACTION"
_Lint = tuple[str, Table, tuple[str, ...], str]
"""The id of the kind of a finding, the table, the columns, and the text of the finding."""


def lints(schema: Inventory, start: Inventory | None, made_by: Mapping[str, str], engine: str) -> Iterator[Finding]:
    """Yield the findings about foreign keys, and about columns that should have a foreign key.

    Args:
        schema: the schema at head.
        start: the schema before the revisions that are proved; None if no revision is proved. Faults that this schema
            already has are not reported.
        made_by: a mapping from the name of each table and column to the revision that has created it.
        engine: the engine that the findings name.
    """
    older = {(id_, text) for id_, _, _, text in _lints(start)} if start else set()
    for id_, table, columns, text in _lints(schema):
        if (id_, text) not in older:
            item = f"{table.name}.{columns[0]}"
            revision = next((made_by[name] for name in (item, table.name) if name in made_by), "")
            yield Finding.of(id_, text, revision, engine, item=item, table=table.name)


def _lints(schema: Inventory) -> Iterator[_Lint]:
    keys = [(table, key) for table in schema.tables.values() for key in table.foreign_keys]
    for table in schema.tables.values():
        yield from _columns_without_key(schema, table)
    for table, key in keys:
        name = f"{table.name}({', '.join(key.columns)})"
        if not any(set(start) == {*key.columns} for start in _starts(table, len(key.columns))):
            yield "V707", table, key.columns, f"{name} refers to {key.referred_table}, and no index begins with it"
        if key.on_delete == _NONE and (siblings := _with_action(table, key, keys)):
            yield "V708", table, key.columns, f"{name} has no ON DELETE, and {', '.join(siblings)} has one"
        yield from _other_types(schema, table, key, name)


def _columns_without_key(schema: Inventory, table: Table) -> Iterator[_Lint]:
    in_keys = {name for key in table.foreign_keys for name in key.columns}
    for other in schema.tables.values():
        own = other.primary_key.columns if other.primary_key else ()
        if other.name == table.name or len(own) != 1:
            continue
        names = {f"{each}_{own[0]}" for each in _singulars(other.name)}
        names |= {own[0]} if own[0] in {f"{each}_id" for each in _singulars(other.name)} else set()
        for column in table.columns:
            key = other.column(own[0])
            if column.name in names - in_keys and key and key.type == column.type:
                place, to = f"{table.name}.{column.name}", f"{other.name}.{own[0]}"
                text = f"{place} has the name and type of a foreign key to {to}, but there is no such key"
                yield "V706", table, (column.name,), text


def _singulars(name: str) -> set[str]:
    """Return the name of a table, and its possible singular forms."""
    found = {name, name.removesuffix("s"), name.removesuffix("es")}
    return found | ({f"{name[:-3]}y"} if name.endswith("ies") else set())


def _starts(table: Table, length: int) -> Iterator[tuple[str, ...]]:
    """Yield the first `length` columns of each unique constraint, of the primary key and of each index."""
    for unique in table.uniques:
        yield unique.columns[:length]
    if table.primary_key:
        yield table.primary_key.columns[:length]
    for index in table.indexes:
        if index.where is None:
            yield tuple(key.split(" ")[0].strip('"') for key in index.keys[:length])


def _with_action(table: Table, key: ForeignKey, keys: list[tuple[Table, ForeignKey]]) -> list[str]:
    """Return an example of the similar foreign keys, if all of them have an ON DELETE; otherwise an empty list.

    Similar keys are the other foreign keys of the table. If they do not all have an ON DELETE, the other foreign keys
    to the same referenced table count as similar.
    """
    beside = [(table, other) for other in table.foreign_keys if other != key]
    same = [(one, other) for one, other in keys if other.referred_table == key.referred_table and other != key]
    for others in (beside, same):
        if others and all(other.on_delete != _NONE for _, other in others):
            return [f"{one.name}({', '.join(other.columns)})" for one, other in others[:1]]
    return []


def _other_types(schema: Inventory, table: Table, key: ForeignKey, name: str) -> Iterator[_Lint]:
    referred = schema.tables.get(key.referred_table)
    for own, theirs in zip(key.columns, key.referred_columns, strict=False):
        one, other = table.column(own), referred.column(theirs) if referred else None
        if one and other and one.type != other.type:
            to = f"{key.referred_table}.{theirs} is {other.type}"
            yield "V709", table, key.columns, f"{name} is {one.type}, and {to}"
