"""Finds lost and changed rows. It compares the rows before a run in one direction, after it, and after the run back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ...errors.loss import Loss
from ...errors.revision import Direction, Revision
from ...errors.text import count
from ..rows.snapshots import RowSnapshot, TableRows
from .kinds import Severity
from .row_values import column_origins, is_lost_by_cast, is_renamed, replaced, shown, spelled

Moments = tuple[RowSnapshot, RowSnapshot, RowSnapshot | None]
"""The rows before a run in one direction, after it, and after the run back (None if the run back did not succeed)."""


@dataclass
class RowDifferences:
    """The differences between the rows of two snapshots.

    Attributes:
        lost: under the key "table", the number of lost rows; under the key "table.column", the number of lost values.
        changed: under the key "table", the number of new rows; under "table.column", the number of changed values.
    """

    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


class RowFinding(NamedTuple):
    """A finding about rows. The attribute `item` is the name of a table, or a "table.column"."""

    id: str
    item: str
    table: str
    found: str
    severity: Severity = "error"


def only_fills_gaps(before: RowSnapshot, after: RowSnapshot, item: str) -> bool:
    """Return whether a run has replaced only NULLs in a "table.column"."""
    name, column = before.find(item) or ("", None)
    values = replaced(before.tables[name], after.tables[name], column) if column and name in after.tables else []
    return bool(values) and all(value is None for value in values)


def compare_rows(before: RowSnapshot, after: RowSnapshot) -> RowDifferences:
    """Return the differences between the rows of two snapshots."""
    found = RowDifferences()
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None:
            found.lost[name] += len(table.rows)
        elif now is not table:  # Two snapshots share the object of an unchanged table.
            _compare_table(name, table, now, found)
    found.lost, found.changed = +found.lost, +found.changed
    return found


def _compare_table(name: str, table: TableRows, now: TableRows, found: RowDifferences) -> None:
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
    if number := _other_keys(table, now, key):
        found.changed.update({f"{name}.{column}": number for column in key})
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


def _other_keys(table: TableRows, now: TableRows, key: Sequence[str]) -> int:
    """Return the number of rows whose key has changed, if no other column of the table has changed; otherwise 0."""
    others = [column for column in table.columns if column not in key]
    if not others or table.columns != now.columns:
        return 0
    then, after = (
        [(repr(rest), repr(own)) for rest, own in zip(side.pick(others), side.pick(key), strict=True)]
        for side in (table, now)
    )
    if Counter(rest for rest, _ in then) != Counter(rest for rest, _ in after):
        return 0
    return (Counter(then) - Counter(after)).total()


def written_texts(before: RowSnapshot, after: RowSnapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield each text that a run has written, with its table and column. Texts that the run only moved are left out."""
    known = {repr(value) for table in before.tables.values() for row in table.rows for value in row}
    for name, table in after.tables.items():
        old = before.tables.get(name)
        has_key = old is not None and bool(table.key) and {*table.key} <= {*old.columns}
        rows = dict(zip(old.pick(table.key), old.rows, strict=True)) if old and has_key else {}
        for key, row in zip(table.pick(table.key), table.rows, strict=True) if table != old else ():
            others = {repr(value) for value in rows[key]} if key in rows else known
            for column, value in zip(table.columns, row, strict=True):
                if isinstance(value, str) and repr(value) not in others:
                    yield (name, column), value


def unfounded_declarations(
    before: RowSnapshot, after: RowSnapshot, declared: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Find the declared losses that did not happen.

    Returns:
        Two lists. The first has the losses that cannot happen, because the table or column does not exist. The second
        has the losses that did not happen to the generated rows.
    """
    found = compare_rows(before, after)
    impossible, unseen = [], []
    for item in declared:
        place = before.find(item)
        if place is None:
            impossible.append(f"there is no {'column' if '.' in item else 'table'} {item}")
            continue
        table, column = place
        rows = before.tables[table]
        touched = {each if column else _table_of(before, each) for each in (*found.lost, *found.changed)}
        has_values = any(value is not None for (value,) in rows.pick([column])) if column else bool(rows.rows)
        if has_values and item not in touched and table not in found.lost:
            unseen.append(f"{item} did not change, with the generated rows")
    return impossible, unseen


def row_findings(
    revision: Revision, direction: Direction, moments: Moments, *, declares: bool, momentary: Collection[str] = ()
) -> list[RowFinding]:
    """Return findings about losses and changes that a revision does not declare, in a run in one direction and back.

    Args:
        revision: the revision.
        direction: the first direction.
        moments: the rows before the run, after the first direction, and after the second direction, if it was run.
        declares: whether the project declares losses. If not, a downgrade that drops a table or column is only a note.
        momentary: the columns whose default depends on the time. If a row was deleted and written again, a new value in
            such a column is not a finding.
    """
    before, between, after = moments
    other: Direction = "downgrade" if direction == "upgrade" else "upgrade"
    declared = [*revision.losses(direction), *revision.losses(other)]
    on_the_way = compare_rows(before, between).lost
    final = compare_rows(before, after) if after else RowDifferences(lost=on_the_way)
    lost = _lost_in_all(before, between, on_the_way, final)
    round_trip = f"after {direction} and {other}"
    found: list[RowFinding] = []
    for item, number in sorted(lost.items()):
        table = _table_of(before, item)
        renamed = is_renamed(before, between, item)
        arrives = not after and (renamed or _arrives(before, between, revision, direction, item))
        if arrives or _is_declared(declared, item, table, before, on_the_way):
            continue
        amount = f"{count(number, 'row' if item == table else 'value')} of {item}"
        if not renamed and not on_the_way.keys().isdisjoint({item, table}):
            is_dropped = direction == "downgrade" and between.find(item) is None
            severity: Severity = "note" if is_dropped and not declares else "error"
            found.append(RowFinding("V501" if direction == "upgrade" else "V502", item, table, amount, severity))
        else:
            found.append(RowFinding("V504", item, table, f"{amount} lost {round_trip}"))
    for item, number in sorted(_without_momentary(final.changed, moments, momentary).items()):
        table = _table_of(before, item)
        if item not in lost and not {item, table} & {*declared}:
            what = count(number, "new row" if item == table else "other value")
            found.append(RowFinding("V504", item, table, f"{what} in {item} {round_trip}"))
    return found


def _lost_in_all(
    before: RowSnapshot, between: RowSnapshot, on_the_way: Counter[str], final: RowDifferences
) -> Counter[str]:
    """Return, for each table and column, the number of rows or values that are missing after both directions.

    A table or column that was dropped and created again counts as lost, and is removed from the changes in `final`.
    """
    # A column that was dropped and added again has lost its values.
    lost = final.lost + Counter({item: number for item, number in final.changed.items() if item in on_the_way})
    for table in before.tables.keys() - between.tables.keys():  # The first direction has dropped these tables.
        if again := [item for item in final.changed if _table_of(before, item) == table]:
            lost[table] = on_the_way[table]
            final.changed -= Counter({item: final.changed[item] for item in again})
    return lost


def cast_findings(before: RowSnapshot, after: RowSnapshot, columns: Collection[str]) -> Iterator[RowFinding]:
    """Return findings about the values that a cast to another type has damaged.

    Args:
        before: the rows before the upgrade.
        after: the rows after the upgrade.
        columns: each "table.column" whose type the upgrade has changed.
    """
    for item in sorted(columns):
        name, _, column = item.rpartition(".")
        table, now = before.tables.get(name), after.tables.get(name)
        if not (table and now and table.key and {*table.key, column} <= {*table.columns} & {*now.columns}):
            continue
        rows = dict(zip(map(spelled, now.pick(table.key)), now.pick([column]), strict=True))
        pairs = [
            (value, rows[spelled(key)][0])
            for key, (value,) in zip(table.pick(table.key), table.pick([column]), strict=True)
            if spelled(key) in rows
        ]
        if lost := [(one, other) for one, other in pairs if is_lost_by_cast(one, other)]:
            example = " became ".join(shown(each) for each in lost[0])
            yield RowFinding("V511", item, name, f"{count(len(lost), 'value')} of {item}: {example}")


def refused_losses(losses: Iterable[Loss], found: Iterable[RowFinding]) -> list[RowFinding]:
    """Return a finding for each undeclared loss, except the losses that a finding in `found` names already.

    Args:
        losses: the losses that the guard of a run has measured.
        found: the other findings about the rows.
    """
    named = {each.item for each in found if each.id != "V504"}
    return [
        RowFinding("V501", each.item, each.item.rpartition(".")[0] or each.item, f"{each.amount} of {each.item}")
        for each in losses
        if not each.declared and named.isdisjoint({each.item, each.item.rpartition(".")[0]})
    ]


def exchanged_columns(before: RowSnapshot, after: RowSnapshot, revision: Revision, source: str) -> list[RowFinding]:
    """Return findings about columns that got another column's values, unless the revision shows that this is meant.

    Args:
        before: the rows before the upgrade.
        after: the rows after the upgrade.
        revision: the revision, which may declare moves.
        source: the source of the revision, which may assign one of the columns to another, or rename a column.
    """
    found = []
    for name, table in before.tables.items() if "new_column_name" not in source else ():
        now = after.tables.get(name)
        if now is None or now is table or not table.key or not {*table.key} <= {*now.columns}:
            continue
        origins = column_origins(table, now)
        for column, origin in sorted(origins.items()):
            is_moved = f"{name}.{column}" in revision.destinations("upgrade").get(f"{name}.{origin}", ())
            assigned = rf"\b{re.escape(column)}\b\W*[=:]\W*(?:\w+\W+){{0,3}}{re.escape(origin)}\b"
            is_assigned = re.search(assigned, source)
            if not is_moved and not is_assigned:
                what = f"{name}.{column} has the values of {name}.{origin}"
                found.append(RowFinding("V512", f"{name}.{column}", name, what))
    return found


def without_consequences(findings: Iterable[RowFinding]) -> list[RowFinding]:
    """Return the findings, except those of kind V504 that another finding about the same table or column explains."""
    found = list(findings)
    lost = {each.item for each in found if each.id != "V504"}
    return [
        each
        for each in found
        if each.id != "V504" or not any(item == each.item or each.item.startswith(f"{item}.") for item in lost)
    ]


def _is_declared(
    declared: Collection[str], item: str, table: str, before: RowSnapshot, lost: Mapping[str, int]
) -> bool:
    """Return whether the loss of an item is declared.

    The declared loss of a table covers the loss of its rows. If no row is left, it also covers the loss of the
    values in each column.
    """
    is_empty = table in before.tables and lost.get(table) == len(before.tables[table].rows)
    return item in declared or (table in declared and (is_empty or item not in lost))


def _table_of(rows: RowSnapshot, item: str) -> str:
    """Return the table that "table" or "table.column" names, even if no such table or column exists."""
    place = rows.find(item)
    return place[0] if place else item.partition(".")[0]


def _arrives(before: RowSnapshot, after: RowSnapshot, revision: Revision, direction: Direction, item: str) -> bool:
    """Return whether the destinations that `moves` declares have the values of a dropped table or column.

    For a dropped table, it is enough that one of the destinations exists.
    """
    places = revision.destinations(direction).get(item, [])
    if item in before.tables:
        return any(place in after.tables for place in places)
    values = set(_values(before, item)) - {repr(None)}
    return bool(places) and values.issubset(value for place in places for value in _values(after, place))


def _values(rows: RowSnapshot, item: str) -> Iterator[str]:
    """Yield the values of a "table.column" as text. Yield nothing if there is no such column."""
    table, column = rows.find(item) or ("", None)
    if column:
        yield from (repr(value) for (value,) in rows.tables[table].pick([column]))


def _without_momentary(changed: Counter[str], moments: Moments, momentary: Collection[str]) -> Counter[str]:
    """Return the changes, without the values in the columns `momentary` of rows that were deleted and written again."""
    before, between, after = moments
    items = changed.keys() & {*momentary}
    if not (after and items):
        return changed
    stayed = compare_rows(_rows_that_stayed(before, between), after).changed
    return +Counter({item: stayed[item] if item in items else number for item, number in changed.items()})


def _rows_that_stayed(before: RowSnapshot, between: RowSnapshot) -> RowSnapshot:
    """Return the rows of `before` whose primary key also exists in `between`."""
    kept = {}
    for name, table in before.tables.items():
        now = between.tables.get(name)
        known = now is not None and bool(table.key) and set(table.key) <= set(now.columns)
        keys = set(map(repr, now.pick(table.key))) if now and known else set()
        rows = zip(table.pick(table.key), table.rows, strict=True)
        kept[name] = replace(table, rows=tuple(row for key, row in rows if repr(key) in keys))
    return RowSnapshot(kept)
