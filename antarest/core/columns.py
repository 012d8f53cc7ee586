"""What the columns of every model share: identifiers, times and enums."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa

if TYPE_CHECKING:
    from enum import Enum


def new_id() -> str:
    """A new random identifier, for a primary key of 36 characters."""
    return str(uuid4())


def utc_now() -> datetime:
    """The time now in UTC, without a time zone: both engines then store and compare the same value."""
    return datetime.now(UTC).replace(tzinfo=None)


def enum_type(labels: type[Enum], name: str) -> sa.Enum:
    """The type of a column that holds a member of `labels`, stored as the member's name.

    Args:
        labels: the Python enum.
        name: the native type on PostgreSQL; on SQLite, by the naming convention, the CHECK `ck_<table>_<name>`.
    """
    return sa.Enum(labels, name=name, native_enum=True, create_constraint=True)
