"""What a statement is about to take something from, and how many rows a transaction has inserted and deleted.

Each engine has a ledger of its own: what one says beforehand, the other one says afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from .base import ENDS_TRANSACTION, Flow, Ledger, NotAllowed, Takes
from .postgresql import PostgresLedger
from .sqlite import SqliteLedger

__all__ = ["ENDS_TRANSACTION", "Flow", "Ledger", "NotAllowed", "Takes", "open_ledger"]


def open_ledger(connection: Connection, exclude: Iterable[str]) -> Ledger:
    """The ledger for the engine of this connection, without the tables in `exclude`."""
    ledgers: dict[str, Callable[..., Ledger]] = {"sqlite": SqliteLedger, "postgresql": PostgresLedger}
    return ledgers[connection.dialect.name](connection, exclude)
