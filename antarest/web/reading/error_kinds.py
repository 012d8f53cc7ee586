"""Sorts the errors of queries into the few kinds that the application handles differently."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError

from antarest.migration.database.driver_errors import is_connection_error


class ErrorKind(Enum):
    """The kind of an error that a query raised."""

    CONNECTION = auto()
    """The database cannot be reached, or accepts no more connections."""
    TOO_SLOW = auto()
    """The statement took too long, or waited too long for a lock."""
    NO_RIGHT = auto()
    """The role is not allowed to read the table."""
    SCHEMA = auto()
    """A table or a column is missing, or has another type."""
    OTHER = auto()
    """Any other error, which is probably a mistake in our code."""


# The beginnings of SQLSTATEs.
_STATES = {
    "08": ErrorKind.CONNECTION,  # connection exceptions
    "53": ErrorKind.CONNECTION,  # no connection, memory or disk left
    "57P": ErrorKind.CONNECTION,  # shut down, crashed, or not up yet
    "57014": ErrorKind.TOO_SLOW,
    "55P03": ErrorKind.TOO_SLOW,
    "42501": ErrorKind.NO_RIGHT,
    "42P01": ErrorKind.SCHEMA,  # undefined table
    "42703": ErrorKind.SCHEMA,  # undefined column
    "42704": ErrorKind.SCHEMA,  # undefined type
    "42883": ErrorKind.SCHEMA,  # undefined operator, because a column has another type
    "3F000": ErrorKind.SCHEMA,  # undefined schema
    "22P02": ErrorKind.SCHEMA,  # an unknown label of an enum
}


def kind_of(error: DBAPIError) -> ErrorKind:
    """Return the kind of a driver's error."""
    if error.connection_invalidated or is_connection_error(error):
        return ErrorKind.CONNECTION
    raised = error.orig
    if isinstance(raised, sqlite3.Error):
        is_missing = str(raised).startswith(("no such table: ", "no such column: "))
        return ErrorKind.SCHEMA if is_missing else ErrorKind.OTHER
    state = getattr(raised, "pgcode", None) or ""
    return next((found for start, found in _STATES.items() if state.startswith(start)), ErrorKind.OTHER)
