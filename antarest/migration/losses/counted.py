"""The counts of a table and of its columns, before and after the statements of a revision."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..database.catalog import Fullness


@dataclass
class Values:
    """The number of values in a column, before and after statements that may overwrite them.

    Attributes:
        first: the number of values at the first count.
        now: the number of values at the last count.
        deleted: the number of rows that had been deleted before the last count.
        overwritten: how many values were overwritten before the last count. The first number counts the values that
            became NULL. The second number counts the values that became NULL or an empty text.
    """

    first: Fullness
    now: Fullness
    deleted: int
    overwritten: Fullness = field(default_factory=Fullness)

    @property
    def lost(self) -> int:
        """The number of lost values, at most the first count. A value that an empty text has replaced is lost too."""
        return min(max(self.overwritten), self.first.values)

    def count_again(self, now: Fullness, deleted: int) -> None:
        """Compare a new count with the last count, and add the number of missing values to `overwritten`.

        Values of deleted rows are not added. If there are more values than before, `overwritten` becomes smaller, but
        never negative. So new values do not hide a later loss.
        """
        gone = max(deleted - self.deleted, 0)
        self.overwritten = self.overwritten.plus(self.now.minus(now)).minus(Fullness(gone, gone)).most(Fullness())
        self.begin(now, deleted)

    def missing(self, now: Fullness, deleted: int) -> int:
        """Return how many values are gone since the last count, without the values of deleted rows."""
        return max(self.now.minus(now)) - max(deleted - self.deleted, 0)

    def begin(self, now: Fullness, deleted: int) -> None:
        """Store a new count as the last count. The method does not compare it, and adds nothing to `overwritten`."""
        self.now, self.deleted = now, deleted


@dataclass
class Counted:
    """The counts of a table from which a revision may remove data.

    Attributes:
        rows: the number of rows when the revision began.
        now: the number of rows at the last count.
        values: the counts of columns. Each key is the name that a column had when the revision began.
        open: whether statements may have overwritten values since the last count.
        shape: the text of the statements that may have overwritten values, with "?" for each value in the text.
        others: the number of rows that other sessions were seen to write or delete while the table was not locked.
        exact_since: the `went_back` of the tracker at the last count under a lock; None if there was no such count. If
            `went_back` is higher now, a rollback to a savepoint may have released the lock.
    """

    rows: int
    now: int = 0
    values: dict[str, Values] = field(default_factory=dict)
    open: bool = False
    shape: str = ""
    others: int = 0
    exact_since: int | None = None

    def begin(self, column: str, now: Fullness, deleted: int) -> None:
        """Store the present count of a column as its last count."""
        self.values.setdefault(column, Values(now, now, deleted)).begin(now, deleted)
