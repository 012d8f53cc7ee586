"""What became of rows: which are the same after the way there and back, and which are gone on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from antarest.migration.history import Direction, Revision
from antarest.migration.rows import Snapshot, TableRows


@dataclass
class Damage:
    """What is not as it was.

    Attributes:
        lost: by "table", the rows that are gone; by "table.column", the values that are not NULL and gone.
        changed: by "table.column", the values that are other ones; by "table", the rows that were added.
    """

    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


def damage(before: Snapshot, after: Snapshot) -> Damage:
    """Compare the rows of two moments."""
    found = Damage()
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None:
            found.lost[name] += len(table.rows)
        else:
            _compare(name, table, now, found)
    found.lost, found.changed = +found.lost, +found.changed
    return found


def _compare(name: str, table: TableRows, now: TableRows, found: Damage) -> None:
    shared = [column for column in table.columns if column in now.columns]
    for column in table.columns:
        if column not in now.columns:
            found.lost[f"{name}.{column}"] += sum(value is not None for (value,) in table.pick([column]))
    key = [column for column in table.key if column in shared]
    old, new = table.pick(shared), now.pick(shared)
    old_keys, new_keys = table.pick(key), now.pick(key)
    if not key or len(set(old_keys)) < len(old) or len(set(new_keys)) < len(new):
        olds, news = Counter(map(repr, old)), Counter(map(repr, new))
        found.lost[name] += (olds - news).total()
        found.changed[name] += (news - olds).total()
        return
    rows = dict(zip(new_keys, new, strict=True))
    found.changed[name] += len(rows.keys() - set(old_keys))
    for values, row in zip(old_keys, old, strict=True):
        if values not in rows:
            found.lost[name] += 1
            continue
        for column, one, other in zip(shared, row, rows[values], strict=True):
            if repr(one) != repr(other):
                found.changed[f"{name}.{column}"] += 1


def covers(items: Iterable[str], item: str) -> bool:
    """Whether one of these, a "table" or a "table.column", is the item or its whole table."""
    return any(item == each or item.partition(".")[0] == each for each in items)


def is_there(rows: Snapshot, item: str) -> bool:
    """Whether the table, or the column, still is there."""
    table, _, column = item.partition(".")
    return table in rows.tables and (not column or column in rows.tables[table].columns)


def arrives(before: Snapshot, after: Snapshot, revision: Revision, direction: Direction, item: str) -> bool:
    """Whether the values of an item that is gone are where the revision says that it moves them."""
    places = revision.destinations(direction).get(item, [])
    if "." not in item:
        return any(place in after.tables for place in places)
    table, _, column = item.partition(".")
    values = {value for (value,) in before.tables[table].pick([column]) if value is not None}
    found: set[object] = set()
    for place in places:
        there, _, name = place.partition(".")
        if there in after.tables and name in after.tables[there].columns:
            found |= {value for (value,) in after.tables[there].pick([name])}
    return bool(places) and {*map(repr, values)} <= {*map(repr, found)}


def happened(before: Snapshot, after: Snapshot, declared: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The declared losses that did not happen.

    Returns:
        Those that cannot happen, since there is no such table or column; and those that these rows did not show.
    """
    found = damage(before, after)
    impossible, unseen = [], []
    for item in declared:
        table, _, column = item.partition(".")
        rows = before.tables.get(table)
        if rows is None or (column and column not in rows.columns):
            impossible.append(f"there is no {'column' if column else 'table'} {item}")
            continue
        touched = {each if column else each.partition(".")[0] for each in (*found.lost, *found.changed)}
        has_values = any(value is not None for (value,) in rows.pick([column])) if column else bool(rows.rows)
        if has_values and item not in touched and table not in found.lost:
            unseen.append(f"{item} is as it was, with the generated rows")
    return impossible, unseen
