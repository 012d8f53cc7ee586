"""Values before and after a cast: which of them count as lost."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from antarest.migration.verify.findings.row_values import is_lost_by_cast

NOON = dt.datetime(2026, 1, 2, 12)  # noqa: DTZ001 - as the drivers give it
UUID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("value", "after"),
    [
        (NOON, NOON),
        (NOON.replace(hour=0), NOON.date()),
        (1, 1.0),
        (Decimal("8.60"), "8.6"),
        ("text  ", "text"),
        (UUID, UUID.hex),
        ("draft", 0.5),
        (None, "new"),
    ],
)
def test_another_spelling_of_a_value_and_an_unrelated_value_are_no_loss(value: object, after: object) -> None:
    assert not is_lost_by_cast(value, after)


@pytest.mark.parametrize(
    ("value", "after"),
    [(NOON, NOON.date()), (8.6, 8), ("8 kg", 8), ("long text", "long"), ("kept", None)],
)
def test_a_part_that_is_cut_off_is_a_loss(value: object, after: object) -> None:
    assert is_lost_by_cast(value, after)
