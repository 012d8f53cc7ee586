"""Makes awkward values of each type, such as the limits of its range, empty values, and long or non-ASCII texts."""

from __future__ import annotations

import datetime as dt
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOMAIN

from .snapshots import FloatAsDecimal

_LONG_TEXT = 2000
_IN_INDEX = 2704  # the most bytes of an entry in a B-tree index of PostgreSQL
_SHORT = 8
_TEXTS = (
    "",
    "a",
    "A",
    "Zürich — Ångström, ñ, ß",
    "日本語 Ελληνικά",
    "🙂 👩‍🔬 🇫🇷",
    'it\'s "quoted" 100% \\ ; --',
    " space around ",
    "two\nlines\tand a tab",
    "NULL",
)
_INCOMPRESSIBLE = b64encode(Random(8).randbytes(6 * 1024)).decode()  # noqa: S311 - 8 kB, the same in each run
_DATES = (dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31))
_MOMENTS = (
    dt.datetime(1, 1, 1),  # noqa: DTZ001 - times are naive UTC on both engines
    dt.datetime(1970, 1, 1),  # noqa: DTZ001
    dt.datetime(2024, 2, 29, 12, 30, 15, 123456),  # noqa: DTZ001
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
)
_ZONED = tuple(moment.replace(tzinfo=dt.UTC) for moment in _MOMENTS[1:3])
_TIMES = (dt.time(0, 0), dt.time(12, 30, 15, 123456), dt.time(23, 59, 59, 999999))
_JSON: tuple[object, ...] = ({}, [], {"clé": ["é🙂", 1, None, True, {"deep": -1.5}]}, "text", 0)


@dataclass(frozen=True)
class ValuePool:
    """The values for a column, and a function that makes more values.

    Attributes:
        values: the values.
        fresh: makes a value that differs from all others. It is called for a column with a unique key.
        repeats: whether two rows may have the same value if no unique key forbids it.
    """

    values: tuple[object, ...] = ()
    fresh: Callable[[int], object] | None = None
    repeats: bool = True

    def including(self, literals: Iterable[object]) -> ValuePool:
        """Return a copy of the pool that also has the literals of check constraints.

        Literals that do not suit the pool's type are left out.
        """
        sample = next(iter(self.values), None)
        suited: list[object] = []
        if isinstance(sample, str):
            suited = [text for each in literals for text in _as_text(each)]
        elif isinstance(sample, (int, float, Decimal)) and not isinstance(sample, bool):
            numbers = [each for each in literals if isinstance(each, int)]
            suited = [type(sample)(each + step) for each in numbers for step in (0, 1, -1)]
        return replace(self, values=distinct((*self.values, *suited)))


PoolMaker = Callable[[str, str, sa.types.TypeEngine[Any]], ValuePool]
"""A function that takes a table, a column and the type of the column, and returns the pool of values."""


def awkward(_table: str, _column: str, kind: sa.types.TypeEngine[Any]) -> ValuePool:
    """Return the pool of awkward values for a column."""
    return pool_of(kind)


def pool_of(kind: sa.types.TypeEngine[Any]) -> ValuePool:
    """Return the pool of awkward values for a type; empty if the type is unknown."""
    bare = without_wrapper(kind)
    return next((make(bare) for known, make in _MAKERS if isinstance(bare, known)), ValuePool())


def without_wrapper(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type that a domain or a `FloatAsDecimal` stands for; a type of another kind is returned unchanged."""
    if isinstance(kind, DOMAIN):
        return without_wrapper(kind.data_type)
    return kind.numeric if isinstance(kind, FloatAsDecimal) else kind


def _as_text(literal: object) -> Iterator[str]:
    """Yield a text for a literal; for a number, a text of this length, because a check may compare lengths."""
    if isinstance(literal, str):
        yield literal
    elif isinstance(literal, int) and 0 < literal <= _LONG_TEXT:
        yield "x" * literal


def distinct(values: Iterable[object]) -> tuple[object, ...]:
    """Return the values without duplicates, in order.

    The values are compared by `repr`, because True equals 1, and lists have no hash.
    """
    return tuple({repr(value): value for value in values}.values())


def _text(kind: Any) -> ValuePool:
    length = kind.length or _LONG_TEXT
    longest = ("é🙂z" * length)[:length]
    others = [_INCOMPRESSIBLE[: kind.length]] if not kind.length or length > _IN_INDEX else []
    values = distinct([*(text[:length] for text in (*_TEXTS, longest)), *others])
    return ValuePool(values, lambda n: f"row {n}" if length >= _SHORT else f"{n:x}"[-length:])


def _padded_text(kind: Any) -> ValuePool:
    """Return texts of the full length of a CHAR(n), because only PostgreSQL pads shorter texts with blanks."""
    length = kind.length or 1
    return ValuePool(
        distinct(("0" * length, ("a1b2" * length)[:length], "f" * length)), lambda n: f"{n:0{length}x}"[-length:]
    )


def _integer(bits: int) -> Callable[[Any], ValuePool]:
    largest = 2 ** (bits - 1) - 1
    return fixed((0, 1, -1, largest, -largest - 1), int)


def _numeric(kind: Any) -> ValuePool:
    # SQLite stores a NUMERIC as a float, which is exact up to 15 digits.
    scale = kind.scale or 0
    largest = Decimal(10 ** min(kind.precision or 10, 15) - 1).scaleb(-scale)
    return ValuePool((Decimal(0), largest, -largest, Decimal(1).scaleb(-scale)), Decimal)


def _enum(kind: Any) -> ValuePool:
    return ValuePool(tuple(kind.enums))


def fixed(values: tuple[object, ...], fresh: Callable[[int], object] | None = None) -> Callable[[Any], ValuePool]:
    """Return a function that returns the same pool for each type. The arguments are those of `ValuePool`."""
    return lambda _: ValuePool(values, fresh)


def _moment(kind: Any) -> ValuePool:
    values = _ZONED if kind.timezone else _MOMENTS
    return ValuePool(values, lambda n: values[-1].replace(year=2000) + dt.timedelta(seconds=n))


# The first type that fits is used, so a subclass comes before its base.
_MAKERS: tuple[tuple[Any, Callable[[Any], ValuePool]], ...] = (
    (sa.Enum, _enum),
    (sa.CHAR, _padded_text),
    (sa.String, _text),
    (sa.Boolean, fixed((True, False))),
    (sa.SmallInteger, _integer(16)),
    (sa.BigInteger, _integer(64)),
    (sa.Integer, _integer(32)),
    (sa.REAL, fixed((0.0, -0.5, 1.5), float)),
    (sa.Float, fixed((0.0, -0.5, 0.1, 1e-300, 1.7976931348623157e308), float)),
    (sa.Numeric, _numeric),
    (sa.DateTime, _moment),
    (sa.Date, fixed(_DATES, lambda n: dt.date(2000, 1, 1) + dt.timedelta(days=n))),
    (sa.Time, fixed(_TIMES, lambda n: (dt.datetime(2000, 1, 1) + dt.timedelta(seconds=n)).time())),  # noqa: DTZ001
    (sa.Interval, fixed((dt.timedelta(0), dt.timedelta(days=-1, seconds=1), dt.timedelta(days=4000)))),
    (sa.LargeBinary, fixed((b"", b"\x00\xff'\\", bytes(range(256))), lambda n: str(n).encode())),
    (sa.JSON, fixed(_JSON)),
    (sa.Uuid, fixed((uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)), lambda n: uuid.UUID(int=n))),
    (sa.ARRAY, fixed(([],))),
)
