"""Makes plain values, which an application could write, such as dates of this century, short texts, small numbers."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from .hints import Hints
from .pools import ValuePool, distinct, fixed, pool_of, without_wrapper

_TEXTS = ("alpha", "Beta 2", "Zürich", "a longer text, as somebody would write it")
Fresh = Callable[[int], object] | None

# The texts for a text column that a revision reads as another kind of value, such as "integer".
_READ_AS: dict[str, tuple[tuple[str, ...], Fresh]] = {
    "integer": (("1", "42", "100000"), str),
    "number": (("0.5", "2.25", "100"), str),
    "moment": (
        ("2026-01-01 09:30:15", "2026-04-04 12:30:15", "2026-09-09 17:30:15"),
        lambda n: str(dt.datetime(2010, 1, 1) + dt.timedelta(days=n)),  # noqa: DTZ001
    ),
    "truth": (("true", "false"), None),
}
_JSON: tuple[Any, ...] = ({"a": 1}, {"a": 2, "b": ["x"]})
_SPACE = uuid.UUID("5c0f6a52-6f3f-4d0a-9d3c-3a7c8a4f1f10")
_HEX, _DASHED = 32, 36  # characters of a UUID
_SHORTEST_JSON = 16
_LONGEST_FULL = 255  # Applications write texts of the full length only to short columns.
_MOMENTS = tuple(
    dt.datetime(2026, month, month, 8 + month, 30, 15, 1000 * month)  # noqa: DTZ001 - naive, as a column has it
    for month in (1, 4, 9)
)

Awkward = Callable[[str, str, object], bool]
"""A function that takes a table, a column and an awkward value, and returns whether the column gets this value."""


class PlainValues:
    """Makes pools of plain values for columns. Each pool can also get some awkward values.

    Args:
        hints: the values that the revisions expect.
        awkward: a function that says whether an awkward value is added to the pool of a column.
    """

    def __init__(self, hints: Hints, awkward: Awkward) -> None:
        self._hints = hints
        self._awkward = awkward

    def __call__(self, table: str, column: str, kind: sa.types.TypeEngine[Any]) -> ValuePool:
        """Return the pool of a column; empty if the type of the column is unknown."""
        pool, other = self._plain(table, column, without_wrapper(kind)), pool_of(kind)
        more = (value for value in other.values if self._awkward(table, column, value))
        gone = self._hints.gone.get((table, column), set())
        left = tuple(each for each in pool.values if repr(each) not in gone)
        # If an upgrade has replaced all of these values, the application writes values such as those of the upgrade.
        written = () if column in self._hints.shapes else tuple(self._hints.written.get((table, column), ()))
        more = (value for value in more if repr(value) not in gone and not self._hints.labels_of(table, column))
        values = distinct((*(left or written), *more)) or pool.values
        return ValuePool(values, pool.fresh or other.fresh, pool.repeats)

    def facts(self, table: str, columns: Sequence[str]) -> object:
        """Return everything that determines the values in the pools of some columns, except the types of the columns.

        The result is None if this is not known.
        """
        name = getattr(self._awkward, "__name__", "<lambda>")
        asked = [self._hints.about(table, each) for each in columns]
        return None if name.startswith("<") else (name, asked)

    def _plain(self, table: str, column: str, kind: sa.types.TypeEngine[Any]) -> ValuePool:
        if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum):
            return self._text(table, column, kind)
        if isinstance(kind, sa.JSON):
            return ValuePool(self._json(column))
        if isinstance(kind, sa.LargeBinary) and column in self._hints.shapes:
            return ValuePool(tuple(json.dumps(value).encode() for value in self._json(column)))
        if isinstance(kind, sa.Uuid):
            own = tuple(_uuid(table, number) for number in range(3))
            return ValuePool(own, lambda n: _uuid(table, 1000 + n), repeats=may_repeat(column, kind))
        if isinstance(kind, sa.ARRAY):
            item = self._plain(table, column, kind.item_type).values
            return ValuePool(distinct(([], list(item[:2]))))
        return next((make for known, make in _MAKERS if isinstance(kind, known)), pool_of)(kind)

    def _text(self, table: str, column: str, kind: Any) -> ValuePool:
        length: int | None = kind.length
        fresh: Fresh = _numbered(kind, table)
        if labels := self._hints.labels_of(table, column):
            return ValuePool(_that_fit(labels, length))
        read_as, fresh = self._read_as(table, column, kind, fresh)
        if asked := _that_fit(self._hints.literals.get(column, ()), length):
            return ValuePool(distinct((*asked, *(read_as or _that_fit(_TEXTS[:2], length)))), fresh)
        if read_as:
            return ValuePool(read_as, fresh)
        if length in (_HEX, _DASHED) or isinstance(kind, sa.CHAR):
            own = tuple(_identity(table, number, kind) for number in range(3))
            return ValuePool(own, fresh, repeats=may_repeat(column, kind))
        is_parsed = column in self._hints.shapes or "json" in column.lower()
        if is_parsed and (length is None or length >= _SHORTEST_JSON):
            texts = _that_fit([json.dumps(value) for value in self._json(column)], length)
            return ValuePool(texts or ("{}",), lambda n: json.dumps({"n": n}))
        full = ["x" * length] if length and length <= _LONGEST_FULL else []
        return ValuePool(distinct([*(text[:length] for text in _TEXTS), *full]), fresh)

    def _read_as(self, table: str, column: str, kind: Any, fresh: Fresh) -> tuple[tuple[str, ...], Fresh]:
        """Return the texts for a column that a revision reads as numbers or dates, and a function for more texts."""
        read_as = self._hints.casts.get(column, "")
        if read_as == "uuid":
            return tuple(str(_uuid(table, number)) for number in range(3)), lambda n: str(_uuid(table, 1000 + n))
        values, more = _READ_AS.get(read_as, ((), None))
        return (fitting, more) if (fitting := _that_fit(values, kind.length)) else ((), fresh)

    def _json(self, column: str) -> tuple[Any, ...]:
        shape = self._hints.shapes.get(column)
        return (shape,) if isinstance(shape, (dict, list)) else _JSON


def may_repeat(column: str, kind: sa.types.TypeEngine[Any]) -> bool:
    """Return whether two rows may have equal values in a column.

    Only UUIDs have to differ, unless the name of the column ends with `_id`, as that of a reference does.
    """
    length = getattr(kind, "length", None)
    has_uuids = isinstance(kind, sa.Uuid) or length == _DASHED or (isinstance(kind, sa.CHAR) and length == _HEX)
    return not has_uuids or column.lower().endswith("_id")


def _that_fit(texts: Iterable[str], length: int | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if length is None or len(text) <= length))


def _uuid(table: str, number: int) -> uuid.UUID:
    """Return a UUID that differs from all other generated UUIDs, also from those of other tables."""
    return uuid.uuid5(_SPACE, f"{table} {number}")


def _identity(table: str, number: int, kind: Any) -> str:
    own = _uuid(table, number)
    if kind.length == _DASHED:
        return str(own)
    length = kind.length or 1
    return (own.hex * (1 + length // _HEX))[:length]


def _numbered(kind: Any, table: str) -> Callable[[int], object]:
    if kind.length in (_HEX, _DASHED) or isinstance(kind, sa.CHAR):
        length = kind.length or 1
        if length < _HEX:
            return lambda n: f"{n:0{length}x}"[-length:]
        return lambda n: _identity(table, 1000 + n, kind)
    return pool_of(kind).fresh or str


def _numeric(kind: Any) -> ValuePool:
    scale, precision = kind.scale or 0, min(kind.precision or 10, 15)  # SQLite is exact up to 15 digits.
    step, full = Decimal(1).scaleb(-scale), Decimal(10**precision - 1).scaleb(-scale)
    return ValuePool(distinct((step, full, min(Decimal(12), full))), Decimal)


def _moment(kind: Any) -> ValuePool:
    values = tuple(each.replace(tzinfo=dt.UTC) for each in _MOMENTS) if kind.timezone else _MOMENTS
    return ValuePool(values, lambda n: values[0] + dt.timedelta(seconds=n))


# The first type that fits is used, so a subclass comes before its base.
_MAKERS: tuple[tuple[Any, Callable[[Any], ValuePool]], ...] = (
    (sa.SmallInteger, fixed((1, 2, 42), int)),
    (sa.BigInteger, fixed((1, 42, 3_000_000_000), int)),
    (sa.Integer, fixed((1, 42, 100_000), int)),
    (sa.Float, fixed((0.5, 2.25, 100.0), float)),
    (sa.Numeric, _numeric),
    (sa.DateTime, _moment),
    (sa.Date, fixed(tuple(each.date() for each in _MOMENTS), lambda n: dt.date(2010, 1, 1) + dt.timedelta(days=n))),
    (
        sa.Time,
        fixed(tuple(each.time() for each in _MOMENTS), lambda n: (_MOMENTS[0] + dt.timedelta(seconds=n)).time()),
    ),
    (sa.Interval, fixed((dt.timedelta(hours=1), dt.timedelta(days=2, minutes=30)))),
    (sa.LargeBinary, fixed((b"some bytes", b"\x89PNG\r\n"), lambda n: str(n).encode())),
)
