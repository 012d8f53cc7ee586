"""The base of the trackers of both engines, and a class that follows the savepoints of a transaction."""

from __future__ import annotations

import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from ...database.catalog import CatalogTable, Tables
from ...database.driver_connections import Attempt, Running
from ...database.lock.tables import Learned
from .origins import Origins

ENDS_TRANSACTION = "it ends the transaction, and only the run may do that: all of it or nothing"
RUNS_INSIDE = (
    "a function runs a statement inside another one, where nobody can count its losses: run them one after the other"
)

Takes = dict[str, set[str]]
"""The tables to which a statement may write, each with the columns from which the statement may remove values.

A table without columns means that the statement only inserts or deletes whole rows.
"""


class RowChanges(NamedTuple):
    """The numbers of rows of a table that were inserted, deleted and updated."""

    inserted: int = 0
    deleted: int = 0
    updated: int = 0

    def plus(self, other: RowChanges) -> RowChanges:
        """Return the sum of these changes and `other`."""
        return RowChanges(*(mine + its for mine, its in zip(self, other, strict=True)))

    def minus(self, other: RowChanges) -> RowChanges:
        """Return the difference between these changes and `other`."""
        return RowChanges(*(mine - its for mine, its in zip(self, other, strict=True)))


class NotAllowed(Exception):
    """A revision did something that the run does not allow, because the run cannot watch it."""


class ElsewhereUsed(NotAllowed):
    """A revision writes to an attached database, or attaches a file that does not exist (SQLite)."""


_ATTACH = re.compile(r"\s*ATTACH\s+(?:DATABASE\s+)?(.+?)\s+AS\s+\S+\s*", re.IGNORECASE | re.DOTALL)
_NOT_NAMED = "it attaches a file that the statement does not name: write the name into the statement, or give it as `?`"


def elsewhere(
    code: int, first: str | None, place: str | None, writes: Collection[int], running: Running
) -> ElsewhereUsed | None:
    """Return the error for an action that uses another database in a way that no run protects; None otherwise.

    Args:
        code: the action, as SQLite reports it to an authorizer.
        first: the first argument of the action. For ATTACH, this is the file, if the statement contains its name.
        place: the name of the database; None if the action has none.
        writes: the actions that write.
        running: the statement with its parameters.
    """
    if code in writes and place not in (None, "main", "temp"):
        why = f"it writes to the attached database {place}, which no run protects: only reading from it is possible"
        return ElsewhereUsed(why)
    if code != sqlite3.SQLITE_ATTACH:
        return None
    files = [first] if first is not None else _attached(*running)
    if not files:
        return ElsewhereUsed(_NOT_NAMED)
    if missing := next(filter(_is_missing, files), ""):
        return ElsewhereUsed(f"it attaches {missing}, and there is no such file: SQLite would create an empty one")
    return None


def _attached(statement: str, parameters: Sequence[Any]) -> list[str]:
    """Return the files that an ATTACH with parameters names; empty if they cannot be found out."""
    found = _ATTACH.match(statement)
    if not found:
        return []
    with closing(sqlite3.connect(":memory:")) as other, suppress(sqlite3.Error):
        own = [each if isinstance(each, Mapping) else each[: found[1].count("?")] for each in parameters]
        return [str(other.execute(f"SELECT {found[1]}", each).fetchone()[0]) for each in own]
    return []


def _is_missing(file: str) -> bool:
    url = urlsplit(file)
    path = unquote(url.path) if url.scheme == "file" else file
    return bool(path) and ":memory:" not in path and "mode=memory" not in url.query and not Path(path).exists()


class ChangeTracker(ABC):
    """Follows how the statements of a transaction change the tables.

    Some methods answer for an engine on which nobody else can write during the transaction, and which reports before a
    statement where the statement will write (SQLite). The tracker of PostgreSQL overrides these methods.

    Attributes:
        tables: the tables when they were last read, with identities that a rename does not change.
        emptied: the identities of the tables that are known to have lost all their rows.
        origins: the origin of the values of each column.
        locked: the identities of the tables that the last `before()` locked. Their counts are exact from now on.
        went_back: how often the transaction has rolled back to a savepoint, as far as the tracker knows.
        unlocked: the identities of the tables that the tracker could not lock. Their counts are not exact.
    """

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        """Prepare to follow a transaction of this connection. The tables in `exclude` are not followed."""
        self.tables: Tables = {}
        self.emptied: set[Hashable] = set()
        self.origins = Origins(connection)
        self.locked: set[Hashable] = set()
        self.unlocked: set[Hashable] = set()
        self.went_back = 0
        self._connection = connection
        self._exclude = tuple(exclude)
        self._columns_read: set[Hashable] = set()  # the columns that statements of the revision can have read
        self._copied: set[Hashable] = set()  # the columns that the statement which runs can have copied

    @abstractmethod
    def start(self, learned: Learned) -> None:
        """Begin a transaction: read the tables, and lock some of them.

        Args:
            learned: the tables that earlier tries of the transaction had to lock. This try adds each further table
                that it has to lock.

        Raises:
            NotLocked: another session holds one of these tables for too long.
        """

    def begin(self) -> None:
        """Begin a revision: read the tables, and forget the previous revision."""
        self.look()
        self.emptied.clear()
        self.origins.begin(self.tables)
        self._columns_read.clear()

    @abstractmethod
    def look(self) -> None:
        """Read the tables again."""

    @abstractmethod
    def before(self, statement: str, attempt: Attempt | None = None) -> Takes:
        """Lock the tables that the statement may drop, truncate or rewrite.

        Args:
            statement: the text of the statement.
            attempt: runs the statement, to find the tables that its text does not name; None if the statement cannot
                run twice.

        Returns:
            The tables from which the statement may remove data, each with the columns that may lose values.

        Raises:
            NotAllowed: the statement would end the transaction.
            NotLocked: another session holds one of the tables for too long.
        """

    @abstractmethod
    def after(self, statement: str) -> bool:
        """Read the tables again if a statement may have changed the schema. Return whether it may have done so.

        Raises:
            NotAllowed: the statement could not be watched.
        """

    @abstractmethod
    def row_changes(self, table: Hashable | None = None) -> dict[Hashable, RowChanges]:
        """Return the numbers of rows that were inserted, deleted and updated until now.

        Args:
            table: the identity of a table, if only the numbers of this table have to be up to date; None if the numbers
                of all tables have to be.

        Returns:
            A mapping from the identity of a table to the numbers of this table.
        """

    def foresee_deferred(self) -> None:  # noqa: B027 - SQLite has no deferred triggers
        """Note the tables that deferred triggers can update.

        Call this right before these triggers run at the end of a revision.
        """

    def unforeseen(self, updated: Mapping[Hashable, int]) -> dict[Hashable, set[str]]:  # noqa: ARG002 - see above
        """Return the columns that may have lost values although `before()` did not name them.

        Args:
            updated: the number of rows that the revision has updated in each table. The key is the identity of the
                table.

        Returns:
            For each table, the present names of the columns that may have lost values. The key is the identity of the
            table.
        """
        return {}

    @abstractmethod
    def reads(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement might read this column or, if `column` is None, the table."""

    @abstractmethod
    def writes_to(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement can insert rows into a table, or write to this column of the table."""

    def can_empty(self, column: str) -> bool:  # noqa: ARG002 - see above
        """Return whether the current statement may replace values of this column by NULL or by empty texts.

        SQLite reports no values, and a trigger may empty any column to which the statement writes.
        """
        return True

    @abstractmethod
    def rows_written(self, table: CatalogTable) -> int:
        """Return a number that grows with each inserted or updated row of a table. Only the growth has a meaning."""

    def was_read(self, column: Hashable) -> bool:
        """Return whether a statement of the revision may have copied the values of this column."""
        return column in self._columns_read

    @property
    def _by_name(self) -> Tables:
        """The tables to which a name in a statement refers."""
        return self.tables

    def _note_copy(self, statement: str) -> None:
        """Note where a statement that has run has copied values to."""
        copy = self.origins.read(statement)
        if not copy or not self.origins.note(copy, self._by_name):
            self._columns_read |= self._copied  # Where these values were copied to is not known.

    def was_used(self, table: Hashable) -> bool:  # noqa: ARG002 - see above
        """Return whether a statement of the revision used the table while other sessions could write to it."""
        return False

    def may_be_shared(self, table: Hashable) -> bool:  # noqa: ARG002 - see above
        """Return whether other sessions could write to the table at the beginning of the transaction."""
        return False

    def written_by_others(self) -> str:
        """Return the SQL condition for rows that other sessions have written since the revision first used a table.

        The condition is an empty text if there can be no such rows.
        """
        return ""


State = TypeVar("State")

_MADE = re.compile(r"\s*SAVEPOINT\s+(\S+?)\s*;?\s*", re.IGNORECASE)
_BACK_TO = re.compile(r"\s*ROLLBACK\s+(?:(?:WORK|TRANSACTION)\s+)?TO\s+(?:SAVEPOINT\s+)?(\S+?)\s*;?\s*", re.IGNORECASE)
_RELEASED = re.compile(r"\s*RELEASE\s+(?:SAVEPOINT\s+)?\S+?\s*;?\s*", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class Savepoints(Generic[State]):
    """Follows the savepoints of a transaction by reading its statements.

    If a statement cannot be followed, all savepoints are forgotten. Examples are several statements in one string, and
    the release of a savepoint. After that, a loss that was rolled back may be reported, but no real loss is missed.
    """

    def __init__(self, save: Callable[[], State], restore: Callable[[State], None]) -> None:
        """Begin without savepoints.

        Args:
            save: returns the present state, which is stored for a new savepoint.
            restore: restores the state of the savepoint to which the transaction was rolled back.
        """
        self._save = save
        self._restore = restore
        self._states: dict[str, State] = {}

    def forget(self) -> None:
        """Forget all savepoints."""
        self._states.clear()

    def follow(self, statement: str) -> bool:
        """Note a statement that has run.

        Return whether the statement may have rolled back to a savepoint. If so, the tables may have changed.
        """
        if "SAVEPOINT" not in (upper := statement.upper()) and "ROLLBACK" not in upper and "RELEASE" not in upper:
            return False
        bare = _COMMENTS.sub(" ", statement)
        if _RELEASED.fullmatch(bare):
            self.forget()
            return False
        if made := _MADE.fullmatch(bare):
            self._states[_name(made[1])] = self._save()
            return False
        if back := _BACK_TO.fullmatch(bare):
            name = _name(back[1])
            if name in self._states:
                self._restore(self._states[name])
            return True
        self.forget()
        return True


def _name(written: str) -> str:
    """Return the name of a savepoint without quotes, in lower case.

    Of two savepoints with the same name, the later one counts.
    """
    return written.strip("\"'`[]").lower()
