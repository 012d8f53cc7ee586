"""Compares the values that an upgrade leaves on the two engines, after it has spelled the values alike."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

from ...errors.text import count
from ...schema.inventory import Inventory
from ..rows.snapshots import Row, RowSnapshot, TableRows
from .proof import ColumnValues

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_DIGITS = re.compile(r"\s*[+-]?\d+(?:\.\d+)?")
_TOLERANCE = 1e-6  # A REAL has about seven digits.
_RECENT = dt.timedelta(days=2)
_NOW = "the present"
_SHOWN = 60  # characters of a value


def column_values(rows: RowSnapshot, momentary: Collection[str], tables: Collection[str]) -> ColumnValues:
    """Return the values of each column, each with the key of its row. Values are spelled alike for both engines.

    Args:
        rows: the rows.
        momentary: the columns to leave out, as "table.column", because their default depends on the time.
        tables: the tables to read.
    """
    return {
        name: {
            column: tuple(sorted(zip(keys, (_plain(value) for (value,) in table.pick([column])), strict=True)))
            for column in table.columns
            if f"{name}.{column}" not in momentary
        }
        for name, table in rows.tables.items()
        if name in tables
        for keys in [[", ".join(spelled(key)) for key in table.pick(table.key)]]
    }


def differing_values(
    sqlite: tuple[ColumnValues, ColumnValues], postgresql: tuple[ColumnValues, ColumnValues]
) -> Iterator[tuple[str, str]]:
    """Yield the columns in which the upgrade leaves different values on the two engines, each with a description.

    If a table already has different values on the two engines before the upgrade, no column is yielded.

    Args:
        sqlite: the values before and after the upgrade, of the tables that the revision names.
        postgresql: the same values on the other engine.
    """
    before, after = (sqlite[0], postgresql[0]), (sqlite[1], postgresql[1])
    shared = before[0].keys() & before[1].keys()
    if any(_differ(_values(before[0][name]), _values(before[1][name])) for name in shared):
        return
    known = {value for side in before for table in side.values() for pairs in table.values() for _, value in pairs}
    # In tables that had the same keys and values on both engines, the keys are compared too.
    keys = {
        name: {key for pairs in before[0][name].values() for key, _ in pairs}
        for name in shared
        if not _differ(before[0][name], before[1][name])
    }
    for name in sorted(after[0].keys() & after[1].keys()):
        for column in sorted(after[0][name].keys() & after[1][name].keys()):
            one, other = (
                Counter((key if key in keys.get(name, ()) else "", _made(value, known)) for key, value in pairs)
                for pairs in (side[name][column] for side in after)
            )
            if one != other:
                number = count(max((one - other).total(), (other - one).total()), "other value")
                sides = f"SQLite {_example(one - other)}, PostgreSQL {_example(other - one)}"
                yield f"{name}.{column}", f"{number} in {name}.{column}: {sides}"


def with_another_type(before: Inventory, after: Inventory) -> set[str]:
    """Return each "table.column" that exists before and after a revision, with different types."""
    return {
        f"{name}.{column.name}"
        for name, table in after.tables.items()
        if name in before.tables
        for column in table.columns
        if (old := before.tables[name].column(column.name)) and old.type != column.type
    }


def _values(columns: Mapping[str, tuple[tuple[str, str], ...]]) -> dict[str, list[str]]:
    return {column: sorted(value for _, value in pairs) for column, pairs in columns.items()}


def other_columns(one: RowSnapshot, other: RowSnapshot) -> set[str]:
    """Return each "table.column" whose values differ between two snapshots."""
    return {
        f"{name}.{column}"
        for name, table in one.tables.items()
        if name in other.tables
        for column in {*table.columns} & {*other.tables[name].columns}
        if sorted(map(repr, table.pick([column]))) != sorted(map(repr, other.tables[name].pick([column])))
    }


def replaced(table: TableRows, now: TableRows, column: str) -> list[object]:
    """Return the values of a column that a run has replaced, in the rows whose primary keys have stayed."""
    if not table.key or not {*table.key, column} <= {*now.columns}:
        return []
    rows = dict(zip(now.pick(table.key), now.pick([column]), strict=True))
    old = zip(table.pick(table.key), table.pick([column]), strict=True)
    return [value for key, (value,) in old if key in rows and repr(rows[key]) != repr((value,))]


def replaced_values(before: RowSnapshot, after: RowSnapshot) -> dict[tuple[str, str], set[str]]:
    """Return a mapping from a table and column to the values, as `repr`, that a run has replaced in every row."""
    found: dict[tuple[str, str], set[str]] = {}
    for name in before.tables.keys() & after.tables.keys():
        table, now = before.tables[name], after.tables[name]
        for column in {*table.columns} & {*now.columns} - {*table.key}:
            old = {repr(value) for value in replaced(table, now, column)}
            if left := old - {repr(value) for (value,) in now.pick([column])}:
                found[name, column] = left
    return found


def spelled(key: Row) -> tuple[str, ...]:
    """Return a key as text. The text does not depend on the types of the columns."""
    return tuple(map(_plain, key))


def column_origins(table: TableRows, now: TableRows) -> dict[str, str]:
    """For each column that got the values of another column in every row, return the other column.

    An unchanged column is not in the result, even if another column has the same values.

    Args:
        table: the rows of a table before the upgrade.
        now: the rows of the table after the upgrade.
    """
    shared = [column for column in table.columns if column in now.columns and column not in table.key]
    keys = [*map(spelled, table.pick(table.key))]
    rows = dict(zip(map(spelled, now.pick(table.key)), map(spelled, now.pick(shared)), strict=True))
    if {*keys} != rows.keys() or not keys:
        return {}
    old = dict(zip(shared, zip(*map(spelled, table.pick(shared)), strict=True), strict=True))
    new = dict(zip(shared, zip(*(rows[key] for key in keys), strict=True), strict=True))
    changed = [column for column in shared if old[column] != new[column]]
    telling = [column for column in changed if len({*old[column]}) > 2]  # noqa: PLR2004 - one of them may be NULL
    return {
        column: origin for column in changed for origin in telling if origin != column and new[column] == old[origin]
    }


def is_renamed(before: RowSnapshot, after: RowSnapshot, item: str) -> bool:
    """Return whether a dropped table or column is there under a new name.

    A new column must have the values of the dropped column in every row. A new table must have all rows of the dropped
    table. The run may have added other rows.

    Args:
        before: the rows before a run.
        after: the rows after the run.
        item: the dropped table or column, as "table" or "table.column".
    """
    name, column = before.find(item) or (item, None)
    table, now = before.tables[name], after.tables.get(name)
    if now is None:
        made = [after.tables[each] for each in after.tables.keys() - before.tables.keys()]
        return any(each.columns == table.columns and _rows(each) >= _rows(table) for each in made)
    if column is None or column in now.columns or not {*table.key} <= {*now.columns}:
        return False
    old = _rows(table, [*table.key, column])
    return any(_rows(now, [*table.key, each]) >= old for each in {*now.columns} - {*table.columns})


def _rows(table: TableRows, columns: Sequence[str] | None = None) -> Counter[str]:
    return Counter(map(repr, table.pick(columns or table.columns)))


def shown(value: object) -> str:
    """Return a value as text for a message. A long text is cut."""
    return _short(_plain(value))


def is_lost_by_cast(value: object, after: object) -> bool:
    """Return whether a cast to another type has lost a part of a value. Another spelling of the value is not a loss.

    An unrelated new value is not a loss either, because a revision may translate values: for example, labels to
    numbers.
    """
    if value is None or _plain(value) == _plain(after):
        return False
    if after is None:
        return True
    numbers = _as_number(value), _as_number(after)
    if None not in numbers:
        return not math.isclose(*numbers, rel_tol=_TOLERANCE)  # type: ignore[arg-type]  # neither is None
    one, other = str(value), str(after)
    if isinstance(value, dt.datetime) and isinstance(after, dt.date | dt.time):
        return other in one and value != value.replace(hour=0, minute=0, second=0, microsecond=0)
    if numbers[1] is not None and not isinstance(after, bool):  # SQLite reads the digits at the beginning of a text.
        digits = _DIGITS.match(one)
        return numbers[1] == float(digits[0] if digits else 0)
    return one.rstrip() != other.rstrip() and one.startswith(other.rstrip())


def _as_number(value: object) -> float | None:
    if not isinstance(value, bool | int | float | Decimal | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _differ(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return any(one[column] != other[column] for column in one.keys() & other.keys())


def _made(value: str, known: set[str]) -> str:
    """Return a value; for a UUID that the upgrade has created, return a fixed text, because such UUIDs are random."""
    return "a UUID" if value not in known and _UUID.fullmatch(value) else value


def _example(values: Counter[tuple[str, str]]) -> str:
    return _short(min(values)[1] if values else "no such value")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _plain(value: object) -> str:  # noqa: PLR0911 - one line for each type
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float, Decimal)):
        return _number(float(value))
    if isinstance(value, dt.datetime):
        return _moment(value)
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, default=str)
    return _text(str(value))


def _text(text: str) -> str:
    """Return a text in one spelling, if it is a UUID, a time, or JSON. Return any other text unchanged."""
    if _UUID.fullmatch(text):
        return text.replace("-", "").lower()
    if _MOMENT.fullmatch(text):
        return _moment(dt.datetime.fromisoformat(text))
    if text[:1] in {"{", "["}:
        with suppress(ValueError):
            return json.dumps(json.loads(text), sort_keys=True)
    return text


def _number(value: float) -> str:
    """Return a number as text. A number near the present Unix time, in s, ms, µs or ns, becomes one fixed text."""
    now = dt.datetime.now().timestamp()  # noqa: DTZ005 - an instant
    is_now = any(abs(value / unit - now) < _RECENT.total_seconds() for unit in (1, 1e3, 1e6, 1e9))
    return _NOW if is_now else format(value, ".12g")


def _moment(value: dt.datetime) -> str:
    naive = value.replace(tzinfo=None)
    return _NOW if abs(naive - dt.datetime.now()) < _RECENT else naive.isoformat(" ")  # noqa: DTZ005 - naive as well
