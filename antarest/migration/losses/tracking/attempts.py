"""Trial runs of a statement in a savepoint, to find locks and losses that its text does not show (PostgreSQL).

The rollback to the savepoint undoes the changes of the statement, and releases its locks. The rollback does not reset
sequences.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ...database.catalog import Tables, read_tables
from ...database.driver_connections import Attempt
from ...database.driver_errors import LOCK_FAILURES, sqlstate
from ...database.lock.tables import EVERYBODY, WRITERS, TableLocks
from .base import Takes
from .statement import Statement

_SHORT = 300  # milliseconds that a trial run waits for each lock: enough to find the session that holds it


@dataclass(frozen=True)
class Attempted:
    """The effects of a statement, as a trial run has shown them.

    Attributes:
        locked: the tables on which the statement needs an ACCESS EXCLUSIVE lock.
        takes: the tables that the statement drops, empties or rewrites, each with all its columns; and the tables from
            which the statement drops columns, each with these columns.
        has_new: whether the statement needed a lock that the transaction did not have before.
        sure: the identities of the tables to which no other session could write, even before the statement.
    """

    locked: Sequence[str] = ()
    takes: Takes = field(default_factory=dict)
    has_new: bool = False
    sure: AbstractSet[Hashable] = frozenset()


def try_out(connection: Connection, locks: TableLocks, tables: Tables, attempt: Attempt) -> Attempted:
    """Run a statement in a savepoint as a trial, and roll back to the savepoint.

    Args:
        connection: the connection of the statement.
        locks: the locks of the current transaction.
        tables: the tables before the statement.
        attempt: runs the statement.

    Returns:
        The effects of the statement; no effects if the statement failed. In that case the statement fails again, with a
        message, when it runs outside of the savepoint.

    Raises:
        Error: the statement did not get a lock within a short time. This is the error of the driver.
    """
    held = locks.held()
    with _savepoint(connection):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {1 if held else _SHORT}")
        try:
            attempt()
        except Exception as error:
            if sqlstate(error) in LOCK_FAILURES:
                raise
            return Attempted(sure={table.identity for table in tables.values()})  # There is nothing to lock.
        needed = {table for table, mode in locks.held().items() if mode == EVERYBODY}
        names = [name for name, table in tables.items() if table.identity in needed]
        has_new = any(held.get(table) != EVERYBODY for table in needed)
        sure = {table for table, mode in held.items() if mode >= WRITERS}
        return Attempted(names, _taken(connection, tables), has_new=has_new, sure=sure)


def inner_statement(error: Exception) -> Statement:
    """Return the statement that failed inside a block or a function; an empty statement if the error quotes none."""
    return Statement(getattr(getattr(error, "diag", None), "context", None) or "")


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("SAVEPOINT antarest_attempt")
    try:
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT antarest_attempt")
        connection.exec_driver_sql("RELEASE SAVEPOINT antarest_attempt")


def _taken(connection: Connection, before: Tables) -> Takes:
    now = {table.identity: table for table in read_tables(connection).values()}
    takes: Takes = {}
    for name, table in before.items():
        same = now.get(table.identity)
        if same is None or same.file != table.file:
            takes[name] = set(table.columns)
        elif gone := set(table.columns.values()) - set(same.columns.values()):
            takes[name] = {column for column, identity in table.columns.items() if identity in gone}
    return takes
