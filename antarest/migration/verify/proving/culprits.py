"""Finds the awkward value at which a revision fails, by repeatedly halving the set of columns and the set of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..rows.plain import Awkward
from ..rows.pools import pool_of
from ..rows.snapshots import RowSnapshot, reflect_tables
from .state import State

_SHOWN = 60  # characters of a value
_Item = TypeVar("_Item")


def culprit(state: State, source: str, fails: Callable[[Awkward], bool]) -> str:
    """Return a text that names the row and the value at which a revision fails.

    Args:
        state: the database before the revision runs.
        source: the source of the revision. Only the tables that the source names are tried.
        fails: a function that returns whether the revision fails on rows with the given awkward values.

    Returns:
        The text; empty if no single value makes the revision fail.
    """
    words = {*re.findall(r"\w+", source)}
    columns = [
        (name, each.name) for name, table in state.schema.tables.items() if name in words for each in table.columns
    ]
    column = _narrowed(columns, lambda some: fails(lambda table, name, _value: (table, name) in some))
    if column is None:
        return ""
    values = [repr(value) for value in _pool(state, *column)]

    def has_one(some: Sequence[str]) -> Awkward:
        return lambda table, name, value: (table, name) == column and repr(value) in some

    value = _narrowed(values, lambda some: fails(has_one(some)))
    if value is None:
        return f" ({'.'.join(column)})"
    filled = state.fill(has_one([value]))
    state.runs.clones.drop(filled.url)
    shown = next(each for each in _pool(state, *column) if repr(each) == value)
    text = _short(value if isinstance(shown, str) else str(shown))
    return f" ({'.'.join(column)} is {text}{_row(filled.rows, *column, value)})"


def _narrowed(items: Sequence[_Item], fails: Callable[[Sequence[_Item]], bool]) -> _Item | None:
    """Find the one item that makes the revision fail, by halving the items again and again.

    Returns:
        The item; None if the revision does not fail, or if it fails only with items of both halves.
    """
    if not items or not fails(items):
        return None
    while len(items) > 1:
        middle = len(items) // 2
        half = next((half for half in (items[:middle], items[middle:]) if fails(half)), None)
        if half is None:
            return None
        items = half
    return items[0]


def _pool(state: State, table: str, column: str) -> tuple[object, ...]:
    with state.runs.connected(state.bare) as connection:
        return pool_of(reflect_tables(connection, state.runs.exclude)[table].c[column].type).values


def _row(rows: RowSnapshot, table: str, column: str, value: str) -> str:
    """Return a text with the primary key of the row that contains a value; empty if the row or its key is not found."""
    found = rows.tables[table]
    for key, (one,) in zip(found.pick(found.key), found.pick([column]), strict=True):
        if found.key and repr(one) == value:
            return " in the row " + ", ".join(
                f"{name}={_short(repr(part))}" for name, part in zip(found.key, key, strict=True)
            )
    return ""


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
