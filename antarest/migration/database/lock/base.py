"""The interface of the locks of both engines."""

from typing import Protocol

from sqlalchemy import Connection


class Writer(Protocol):
    """The migration lock of a database. One run at a time has it."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that changes the database. This must be the first call of every transaction.

        Raises:
            DatabaseLocked: another run holds the lock for longer than this one waits.
        """

    def check(self, connection: Connection) -> None:
        """Check, before a commit, that the lock is still held.

        Raises:
            LockLost: the server has released it.
        """

    def blockers(self) -> str:
        """Return the session that held a lock that the last transaction needed; empty where it was not seen."""

    def wait_for_end(self) -> bool:
        """Wait until the server has ended a transaction whose connection was lost. Return whether it has."""
