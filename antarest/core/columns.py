"""Helpers for the columns of models: identifiers, times and enums."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from uuid import uuid4

import sqlalchemy as sa


def new_id() -> str:
    """Return a new random identifier of 36 characters."""
    return str(uuid4())


def utc_now() -> datetime:
    """Return the present time in UTC without a time zone, so that both engines store and compare the same value."""
    return datetime.now(UTC).replace(tzinfo=None)


def enum_type(labels: type[Enum], name: str) -> sa.Enum:
    """Return the type of a column that holds members of an enum. The database stores the names of the members.

    Args:
        labels: the Python enum.
        name: the name of the native type on PostgreSQL. On SQLite, the CHECK constraint is named `ck_<table>_<name>`.
    """
    return sa.Enum(labels, name=name, native_enum=True, create_constraint=True)
