"""What became of rows: which are the same after the way there and back, and which are gone on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ...errors.revision import Direction, Revision
from ...errors.text import count
from ..rows.snapshots import Snapshot, TableRows
from .kinds import Severity


@dataclass
class Damage:
    """What is not as it was.

    Attributes:
        lost: by "table", the rows that are gone; by "table.column", the values that are not NULL and gone.
        changed: by "table.column", the values that are other ones; by "table", the rows that were added.
    """

    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


class Verdict(NamedTuple):
    """What is wrong with an item, a "table" or a "table.column": the kind of finding, and what was found."""

    id: str
    item: str
    found: str
    severity: Severity = "error"


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


def judge(
    revision: Revision,
    direction: Direction,
    moments: tuple[Snapshot, Snapshot, Snapshot | None],
    *,
    declares: bool,
    momentary: Collection[str] = (),
) -> list[Verdict]:
    """Compare the rows before, there, and back again.

    Args:
        revision: which was run.
        direction: which way first.
        moments: the rows; None for those that could not come back.
        declares: whether the project says what it loses: else it is no error to drop what was created.
        momentary: the columns whose default is of the moment: a row that was away, and is written again, has another
            value there.
    """
    before, there, back = moments
    other: Direction = "downgrade" if direction == "upgrade" else "upgrade"
    declared = [*revision.losses(direction), *revision.losses(other)]
    away = damage(before, there).lost
    final = damage(before, back) if back else Damage(lost=away)
    # A column that was dropped on the way is there again, without the values: they were lost, not changed.
    lost = final.lost + Counter({item: number for item, number in final.changed.items() if item in away})
    round_trip = f"after the way there and back, {direction} first"
    found: list[Verdict] = []
    for item, number in sorted(lost.items()):
        if covers(declared, item) or (not back and arrives(before, there, revision, direction, item)):
            continue
        amount = f"{count(number, 'value' if '.' in item else 'row')} of {item}"
        if item in away or item.partition(".")[0] in away:
            is_plain = not is_there(there, item) and not declares
            id_ = "V501" if direction == "upgrade" else "V502"
            found.append(Verdict(id_, item, amount, "note" if is_plain else "error"))
        else:
            found.append(Verdict("V504", item, f"{amount} gone {round_trip}"))
    if back and momentary:
        stayed = damage(_that_stayed(before, there), back).changed
        for item in final.changed.keys() & set(momentary):
            final.changed[item] = stayed[item]
        final.changed = +final.changed
    for item, number in sorted(final.changed.items()):
        if item not in lost and not covers(declared, item):
            what = count(number, "other value" if "." in item else "new row")
            found.append(Verdict("V504", item, f"{what} in {item} {round_trip}"))
    return found


def _that_stayed(before: Snapshot, there: Snapshot) -> Snapshot:
    """The rows that were not away, as far as they have a key to tell."""
    kept = {}
    for name, table in before.tables.items():
        now = there.tables.get(name)
        known = now is not None and bool(table.key) and set(table.key) <= set(now.columns)
        keys = set(map(repr, now.pick(table.key))) if now and known else set()
        rows = zip(table.pick(table.key), table.rows, strict=True)
        kept[name] = replace(table, rows=tuple(row for key, row in rows if repr(key) in keys))
    return Snapshot(kept)


def settle(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Without what follows from another one: what one direction loses is missing after both round trips."""
    found = list(verdicts)
    lost = {each.item for each in found if each.id != "V504"}
    return [each for each in found if each.id != "V504" or not covers(lost, each.item)]
