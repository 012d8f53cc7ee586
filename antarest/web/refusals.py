"""What the database means when it refuses a query: one of few things that the application can say something about."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError

from antarest.migration.database.driver_errors import is_connection_error


class Meaning(Enum):
    """What a refusal is about."""

    CONNECTION = auto()
    """The database is gone, or takes no more."""
    TOO_SLOW = auto()
    """The statement took too long, or waited too long for somebody else."""
    NO_RIGHT = auto()
    """The role may not read that."""
    SCHEMA = auto()
    """A table or a column is not there, or is another one."""
    OTHER = auto()
    """Something else, which is most likely our fault."""


# The beginnings of SQLSTATEs.
_STATES = {
    "08": Meaning.CONNECTION,  # connection exceptions
    "53": Meaning.CONNECTION,  # no connection, memory or disk left
    "57P": Meaning.CONNECTION,  # shut down, crashed, or not up yet
    "57014": Meaning.TOO_SLOW,
    "55P03": Meaning.TOO_SLOW,
    "42501": Meaning.NO_RIGHT,
    "42P01": Meaning.SCHEMA,  # undefined table
    "42703": Meaning.SCHEMA,  # undefined column
    "42704": Meaning.SCHEMA,  # undefined type
    "42883": Meaning.SCHEMA,  # undefined operator: a column has another type
    "3F000": Meaning.SCHEMA,  # undefined schema
    "22P02": Meaning.SCHEMA,  # a label that the enum does not have
}


def meaning(error: DBAPIError) -> Meaning:
    """What the error of a driver is about."""
    if error.connection_invalidated or is_connection_error(error):
        return Meaning.CONNECTION
    raised = error.orig
    if isinstance(raised, sqlite3.Error):
        is_missing = str(raised).startswith(("no such table: ", "no such column: "))
        return Meaning.SCHEMA if is_missing else Meaning.OTHER
    state = getattr(raised, "pgcode", None) or ""
    return next((found for start, found in _STATES.items() if state.startswith(start)), Meaning.OTHER)
