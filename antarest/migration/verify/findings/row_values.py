"""The values of rows in one spelling for both engines, and the columns in which an upgrade leaves other values."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from ...errors.text import count
from ..rows.snapshots import RowSnapshot
from .proof import ColumnValues

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?")
_RECENT = dt.timedelta(days=2)
_NOW = "the present"
_SHOWN = 60  # characters of a value


def column_values(rows: RowSnapshot, momentary: Collection[str]) -> ColumnValues:
    """Return the values of each column, sorted, without what both engines merely spell in another way.

    Args:
        rows: the rows.
        momentary: each "table.column" whose default depends on the time. These are left out.
    """
    return {
        name: {
            column: tuple(sorted(_plain(value) for (value,) in table.pick([column])))
            for column in table.columns
            if f"{name}.{column}" not in momentary
        }
        for name, table in rows.tables.items()
    }


def differing_values(
    sqlite: tuple[ColumnValues, ColumnValues], postgresql: tuple[ColumnValues, ColumnValues], source: str
) -> Iterator[tuple[str, str]]:
    """Name and describe the columns that had the same values on both engines, and have other ones after the upgrade.

    Args:
        sqlite: the values before and after the upgrade.
        postgresql: the same on the other engine.
        source: the source of the revision. If a table that it names has other rows on the two engines already, the
            upgrade is not compared.
    """
    words = {*re.findall(r"\w+", source)}
    before, after = (sqlite[0], postgresql[0]), (sqlite[1], postgresql[1])
    shared = before[0].keys() & before[1].keys()
    if any(_differ(before[0][name], before[1][name]) for name in shared if name in words):
        return
    known = {value for side in before for table in side.values() for values in table.values() for value in values}
    for name in sorted(after[0].keys() & after[1].keys() & words):
        for column in sorted(after[0][name].keys() & after[1][name].keys()):
            one, other = (Counter(_made(value, known) for value in side[name][column]) for side in after)
            if one != other:
                number = count(max((one - other).total(), (other - one).total()), "other value")
                sides = f"SQLite {_example(one - other)}, PostgreSQL {_example(other - one)}"
                yield f"{name}.{column}", f"{number} in {name}.{column}: {sides}"


def _differ(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> bool:
    return any(one[column] != other[column] for column in one.keys() & other.keys())


def _made(value: str, known: set[str]) -> str:
    """Every UUID that the upgrade has drawn counts as the same."""
    return "a UUID" if value not in known and _UUID.fullmatch(value) else value


def _example(values: Counter[str]) -> str:
    text = min(values, default="no such value")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _plain(value: object) -> str:  # noqa: PLR0911 - one line for each type
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float, Decimal)):
        return format(float(value), ".12g")
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
    """A text as it is, except for what one engine stores as a text, and the other one as a type of its own."""
    if _UUID.fullmatch(text):
        return text.replace("-", "").lower()
    if _MOMENT.fullmatch(text):
        return _moment(dt.datetime.fromisoformat(text))
    return text


def _moment(value: dt.datetime) -> str:
    naive = value.replace(tzinfo=None)
    return _NOW if abs(naive - dt.datetime.now()) < _RECENT else naive.isoformat(" ")  # noqa: DTZ005 - naive as well
