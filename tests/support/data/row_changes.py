"""Describes the changes of rows between two snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from reprlib import Repr

from antarest.migration.verify.rows.snapshots import Row, RowSnapshot, TableRows

_short = Repr()
_short.maxstring = _short.maxother = 60


def changes(before: RowSnapshot, after: RowSnapshot, *, renamed: Mapping[str, str] | None = None) -> list[str]:
    """Describe the changes of the rows, in the tables and columns that both snapshots have.

    Args:
        before: the first snapshot.
        after: the second snapshot.
        renamed: tables ("old": "new") and columns ("table.old": "new") that were renamed in between.

    Returns:
        One line for each lost row, added row and changed value.
    """
    names = renamed or {}
    before = RowSnapshot({names.get(name, name): _renamed(name, table, names) for name, table in before.tables.items()})
    return [
        line
        for name in sorted(before.tables.keys() & after.tables.keys())
        for line in _table_changes(name, before.tables[name], after.tables[name])
    ]


def _renamed(name: str, table: TableRows, names: Mapping[str, str]) -> TableRows:
    def new(column: str) -> str:
        return names.get(f"{name}.{column}", column)

    return replace(table, columns=tuple(map(new, table.columns)), key=tuple(map(new, table.key)))


def _table_changes(name: str, before: TableRows, after: TableRows) -> Iterator[str]:
    shared = [column for column in before.columns if column in after.columns]
    key = [column for column in before.key if column in shared]
    old, new = before.pick(shared), after.pick(shared)
    old_keys, new_keys = before.pick(key), after.pick(key)
    if not key or len(set(old_keys)) < len(old) or len(set(new_keys)) < len(new):
        yield from _unkeyed_changes(name, shared, old, new)
        return
    olds, news = dict(zip(old_keys, old, strict=True)), dict(zip(new_keys, new, strict=True))
    for values, row in olds.items():
        where = f"{name} {_named(key, values)}"
        if values not in news:
            yield f"{where}: row lost"
            continue
        for column, one, other in zip(shared, row, news[values], strict=True):
            if one != other:
                yield f"{where}: {column}: {_short.repr(one)} -> {_short.repr(other)}"
    for values in news:
        if values not in olds:
            yield f"{name} {_named(key, values)}: row added"


def _unkeyed_changes(name: str, columns: Sequence[str], old: Sequence[Row], new: Sequence[Row]) -> Iterator[str]:
    """Compare rows without a key: a row that has disappeared is lost, and a row that has appeared is added."""
    texts = {repr(row): row for row in (*old, *new)}
    olds, news = Counter(map(repr, old)), Counter(map(repr, new))
    for rows, word in ((olds - news, "lost"), (news - olds, "added")):
        for text, number in rows.items():
            yield f"{name} {_named(columns, texts[text])}: {'row' if number == 1 else f'{number} rows'} {word}"


def _named(columns: Sequence[str], values: Row) -> str:
    return ", ".join(f"{column}={_short.repr(value)}" for column, value in zip(columns, values, strict=True))
