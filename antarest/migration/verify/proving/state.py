"""The database at one point of the history, and copies of this database with plain and with awkward rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import URL

from ...schema.inventory import Inventory
from ..rows.draw import NoValidRow
from ..rows.equal_keys import Key, make_equal
from ..rows.filler import fill, shorten_moments
from ..rows.plain import Awkward, PlainValues
from ..rows.snapshots import RowSnapshot, snapshot
from .runs import Runs


def everywhere(_table: str, _column: str, _value: object) -> bool:
    """Return True: every column gets every awkward value."""
    return True


def nowhere(_table: str, _column: str, _value: object) -> bool:
    """Return False: no column gets an awkward value, so the rows are plain."""
    return False


class Filled(NamedTuple):
    """A database with rows.

    Attributes:
        url: the URL of the database.
        rows: the rows of the database.
        without_rows: for each table that got no row, the reason.
    """

    url: URL
    rows: RowSnapshot
    without_rows: tuple[str, ...]


@dataclass
class State:
    """The database after some revisions.

    Attributes:
        runs: runs the revisions.
        schema: the schema of the database.
        applied: the ids of the applied revisions, in order.
        before: the schema before the last applied revision. Plain rows respect the unique keys of this schema too:
            right after an upgrade drops a unique key, no application has written rows that break the key.
        made_by: a mapping from the name of each table, column and sequence to the revision that has created it.
        name: a key, which differs for different states; empty if stored proofs are not used.
        waiting: the revisions at the end of `applied` that have stored proofs, and have not run in the database yet.
    """

    runs: Runs
    _bare: URL
    schema: Inventory
    applied: list[str] = field(default_factory=list)
    before: Inventory | None = None
    made_by: dict[str, str] = field(default_factory=dict)
    name: str = ""
    waiting: list[str] = field(default_factory=list)
    _filled: dict[Awkward, Filled] = field(default_factory=dict)
    _labels: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # the labels in the copies

    @property
    def bare(self) -> URL:
        """The URL of the database without generated rows.

        Raises:
            ScratchRunFailed: a revision with a stored proof fails now.
        """
        if self.waiting:
            self.runs.only_upgrade(self._bare, self.waiting)
            self.waiting.clear()
        return self._bare

    @classmethod
    def empty(cls, runs: Runs) -> State:
        """Return the state before the first revision."""
        bare = runs.new()
        return cls(runs, bare, runs.schema(bare))

    def filled(self, awkward: Awkward) -> Filled:
        """Return a copy of the database, filled with rows.

        The caller must not change it: later calls return it again.
        """
        self._forget_rows_without_labels()
        if awkward not in self._filled:
            self._filled[awkward] = self.fill(awkward)
        return self._filled[awkward]

    def take(self, awkward: Awkward) -> Filled:
        """Return a copy of the database, filled with rows. The caller is allowed to change this copy."""
        filled = self.filled(awkward)
        del self._filled[awkward]
        return filled

    def fill(self, awkward: Awkward, equal: Sequence[Key] = ()) -> Filled:
        """Create a copy of the database, and fill the copy with rows.

        Args:
            awkward: says which awkward values the rows have.
            equal: keys in which two rows of a table get equal values, if the schema allows such rows.
        """
        runs, skipped = self.runs, dict[str, str]()
        url = runs.clones.copy(self.bare)
        values = runs.target.values_at(self.applied)
        pools = PlainValues(runs.hints.after(self.applied), awkward)
        formerly = self.before.tables if self.before and awkward is not everywhere else {}
        with runs.connected(url) as connection:
            while True:
                exclude = [*runs.exclude, *skipped]
                try:
                    with connection.begin():
                        fill(
                            connection,
                            rows=runs.rows,
                            values=values,
                            exclude=exclude,
                            pools=pools,
                            formerly=formerly,
                            schema=self.schema,
                            memory=runs.memory,
                        )
                        if awkward is everywhere:
                            shorten_moments(connection, exclude=exclude)
                        for key in equal:
                            make_equal(connection, key, self.schema.tables[key[0]])
                    break
                except NoValidRow as error:
                    skipped[error.table] = str(error)
            rows = snapshot(connection, exclude=runs.exclude)
        return Filled(url, rows, tuple(skipped.values()))

    def go_on(self, revision: str, bare: URL, schema: Inventory) -> None:
        """Continue with another database, in which one more revision has run. The present database is dropped."""
        self.runs.clones.drop(self._bare)
        self._bare = bare
        self.waiting.clear()
        self._note(revision, schema)

    def skip(self, revision: str, schema: Inventory) -> None:
        """Note a revision as applied without running it, because it has a stored proof.

        The revision runs in the database when a caller reads `bare`.
        """
        self.waiting.append(revision)
        self._note(revision, schema)

    def learn_labels(self, after: Inventory) -> None:
        """Note the enum labels of each column whose type the next revision changes to an enum.

        A text column is filled with only these labels, because the revision has to convert the texts to labels.
        """
        for name in self.schema.tables.keys() & after.tables.keys():
            for column in after.tables[name].columns:
                old, enum = self.schema.tables[name].column(column.name), after.enums.get(column.type)
                if enum and old and old.type not in self.schema.enums:
                    self.runs.hints.labels[name, column.name] = enum.labels

    def _forget_rows_without_labels(self) -> None:
        """Drop all copies if other enum labels are known for the columns now than when the copies were filled."""
        tables = self.schema.tables
        known = {each: labels for each, labels in self.runs.hints.labels.items() if each[0] in tables}
        known = {(table, column): labels for (table, column), labels in known.items() if tables[table].column(column)}
        if known != self._labels:
            self._forget_rows()
            self._labels = known

    def _forget_rows(self) -> None:
        for each in self._filled.values():
            self.runs.clones.drop(each.url)
        self._filled.clear()

    def _note(self, revision: str, schema: Inventory) -> None:
        self._forget_rows()
        self.made_by |= dict.fromkeys(_names(schema) - _names(self.schema), revision)
        self.schema, self.before = schema, self.schema
        self.applied.append(revision)


def _names(schema: Inventory) -> set[str]:
    """Return the names of the tables, columns ("table.column") and sequences of a schema."""
    columns = {f"{name}.{column.name}" for name, table in schema.tables.items() for column in table.columns}
    return columns.union(schema.tables, schema.sequences)
