"""What the locks of both engines have in common."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection


class Writer(Protocol):
    """The right to change the database, which one run at a time has."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction on a connection that changes the database: called for each, as its first act.

        Raises:
            DatabaseLocked: somebody else holds the lock for longer than the run waits.
        """

    def check(self, connection: Connection) -> None:
        """Make sure, before a commit, that nobody else can have the lock.

        Raises:
            LockLost: it is gone.
        """

    def blockers(self) -> str:
        """Say who kept the last transaction from a lock that it needed; empty where nobody was seen."""

    def settle(self) -> bool:
        """Wait until a transaction whose connection was lost is over; says whether what it left can be looked at."""
