"""What the ledgers of both engines have in common."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from antarest.migration.catalog import Tables

ENDS_TRANSACTION = "it ends the transaction, and only the run may do that: all of it or nothing"

Takes = dict[str, set[str]]
"""The tables that a statement may take rows from, each with the columns that it may take values from."""


class Flow(NamedTuple):
    """The rows that went into a table and out of it, up to now."""

    inserted: int = 0
    deleted: int = 0


class NotAllowed(Exception):
    """A revision did what cannot be watched."""


class Ledger(Protocol):
    """What the two engines have in common.

    Attributes:
        tables: the tables as they were last looked at, with identities that outlive a rename.
        emptied: the identities of the tables that were truncated.
    """

    tables: Tables
    emptied: set[Hashable]

    def begin(self) -> None:
        """A revision begins: look, and forget what was emptied."""

    def look(self) -> None:
        """Look at the tables again."""

    def before(self, statement: str) -> Takes:
        """What the statement may take something from. Raises `NotAllowed` when it would end the transaction."""

    def after(self, statement: str) -> bool:
        """Whether the statement, which has run, may have changed tables; then they have been looked at again."""

    def flows(self) -> dict[Hashable, Flow]:
        """The rows inserted and deleted so far, by the identity of the table."""

    def was_read(self, column: Hashable) -> bool:
        """Whether the revision can have copied the values of this column."""
