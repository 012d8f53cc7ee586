"""The tracker of a PostgreSQL database.

The server counts the rows that a transaction deletes and updates. To find the tables that a statement drops,
truncates or updates, the tracker reads the names in the statement, and in the functions, views, triggers and rules that
the statement calls. If a table is not found, as with dynamic SQL, its loss is still noticed, but the count is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from ...database.catalog import CatalogTable, Tables, measure, read_tables
from ...database.driver_connections import Attempt
from ...database.driver_errors import LOCK_FAILURES, sqlstate
from ...database.lock.tables import Learned, TableLocks
from ..row_statistics import NOT_COUNTED, TAKES_BACK, RowStatistics
from .attempts import Attempted, inner_statement, try_out
from .base import ENDS_TRANSACTION, ChangeTracker, NotAllowed, RowChanges, Savepoints, Takes
from .links import Links, read_definitions
from .origins import OriginsState
from .retypes import Retypes
from .statement import (
    CHANGES_TABLES,
    COPIES,
    DEFINES,
    DELETES,
    DROPS,
    INSERTS,
    LINKS_TABLES,
    MAKES_TABLES,
    READS,
    RETURNS,
    RETYPES,
    RUNS_TEXT,
    TRUNCATES,
    UPDATES,
    OnTables,
    Statement,
)
from .updates import Updates

_WRITES = (INSERTS, DELETES, UPDATES)

# Returns the condition for rows of transactions that had not ended when this query ran, except for our transaction.
# The numbers of transactions start again after 2^32, so ages are compared.
_BY_OTHERS = """
    SELECT format(
        '(age(xmin) <= age(%L::xid) OR xmin::text = ANY (%L))'
            ' AND xmin::text <> (SELECT coalesce(txid_current_if_assigned() %% %s, 0)::text)',
        (txid_snapshot_xmax(seen) % size)::text,
        ARRAY(SELECT (each % size)::text FROM txid_snapshot_xip(seen) each), size)
    FROM txid_current_snapshot() seen, (VALUES (4294967296)) AS numbers (size)
"""


class _PostgresState(NamedTuple):
    """The state of the tracker at a savepoint."""

    tables: Tables
    emptied: set[Hashable]
    changes: dict[Hashable, RowChanges]
    origins: OriginsState
    explained: Counter[Hashable]


class PostgresTracker(ChangeTracker):
    """The tracker of a PostgreSQL database."""

    def __init__(self, connection: Connection, exclude: Iterable[str]) -> None:
        super().__init__(connection, exclude)
        self._retypes = Retypes(connection, self.origins)
        self._locks = TableLocks(connection)
        self._by_others = ""  # a condition, see written_by_others()
        self._used: set[Hashable] = set()
        self._savepoints = Savepoints(self._save, self._restore)
        self._statistics = RowStatistics(connection, lambda: self.tables)
        # Read at the first use.
        self._definitions: dict[str, str] | None = None
        self._links = Links(connection)
        # Of the statement that runs: its text, and the tables that it names, with their partitions.
        self._statement = Statement("")
        self._named: set[Hashable] = set()
        # The updates that the statements of the revision explain.
        self._updates = Updates(connection, self.row_changes)

    def start(self, learned: Learned) -> None:
        """Begin a transaction: read the tables, and lock the tables that its earlier tries had to lock."""
        self.look()
        self._locks.start(self.tables.values(), learned)

    def begin(self) -> None:
        """Begin a revision: read the tables, and forget the previous revision."""
        super().begin()
        self._updates.begin()
        self._savepoints.forget()
        self._statistics.forget()
        self._by_others = ""
        self._used.clear()
        self._definitions = None
        self._links.forget()

    def look(self) -> None:
        """Read the tables again. A table with a new storage file and no old rows was truncated."""
        self._look(set())

    def _look(self, rewritten: set[Hashable]) -> None:
        files = {table.identity: table.file for table in self.tables.values()}
        self.tables = read_tables(self._connection, exclude=self._exclude)
        moved = [each for each in self.tables.values() if files.get(each.identity, each.file) != each.file]
        # A new file can mean that a block has truncated a table whose name the block computes.
        self.emptied |= self._statistics.emptied([each for each in moved if each.identity not in rewritten])

    def before(self, statement: str, attempt: Attempt | None = None) -> Takes:
        """Lock the tables that a statement drops, truncates or rewrites. Return the tables that may lose data."""
        self.locked, self._named, self._copied = set(), set(), set()
        self._retypes.forget()
        self._updates.forget()
        if self._definitions is None and self.tables:
            self._definitions = read_definitions(self._connection)
        self._statement = seen = Statement.of(statement, self._definitions or {})
        if seen.ends_transaction:
            raise NotAllowed(ENDS_TRANSACTION)
        if seen.names("track_counts"):
            raise NotAllowed(NOT_COUNTED)
        if not self.tables or not seen.does(CHANGES_TABLES, *_WRITES, READS, RUNS_TEXT):
            return {}
        if seen.does(CHANGES_TABLES):
            self.look()
            self._retypes.count_attributes(statement, self.tables)
        if seen.runs_other_text:
            self._retypes.note_attributes()
        named = [table for table in self.tables.values() if seen.names(table.bare_name)]
        self._named = self._links.reached({table.identity for table in named}, "i")
        if seen.does(READS) and seen.does(COPIES):
            read = (table.columns.items() for table in named)
            self._copied = {column for each in read for name, column in each if seen.can_read(name)}
        takes = self._takes(seen) if seen.does(CHANGES_TABLES, *_WRITES) else {}
        self._lock(seen, takes, attempt)
        if named and seen.does(READS, *_WRITES):
            self._by_others = self._by_others or self._connection.scalar(text(_BY_OTHERS))
            self._used |= {table.identity for table in named}
        if seen.does(RETYPES) and seen.on_tables:
            reached = self._links.reached(self._meant(seen.on_tables.tables), "i") - self.unlocked
            self._retypes.count(statement, [each for each in self.tables.values() if each.identity in reached])
        return takes

    def _lock(self, seen: Statement, takes: Takes, attempt: Attempt | None) -> None:
        written = self._overwritten(seen, takes)
        undoes = [each for each in self.tables.values() if seen.does(TAKES_BACK) and each.identity in self._named]
        written += undoes
        if (what := seen.on_tables) and what.verb:
            # A statement that removes no data waits for its lock itself, unless this could be a deadlock.
            if what.takes or self._locks.has_taken:
                taken = self._locks.take(self._in_the_way(seen, what))
                self.locked = taken if what.takes else set()
        elif not what and attempt and seen.can_run_in_savepoint:
            self._lock_by_attempts(attempt, takes, written)
        else:
            self.locked = self._locks.take((), written)
        self._statistics.before(undoes, is_dynamic=seen.does(TAKES_BACK) and seen.does(RUNS_TEXT))
        self.unlocked |= self._locks.refused & {self.tables[name].identity for name in takes}
        self._updates.disclaim(self.unlocked)

    def _overwritten(self, seen: Statement, takes: Takes) -> list[CatalogTable]:
        """Return the tables in which the statement, or a foreign key, may turn values into NULL or empty texts."""
        tables = [self.tables[name] for name, columns in takes.items() if columns and not seen.only_defines]
        if not seen.changes:
            return tables
        changed = self._links.reached(self._meant([seen.changes]), "i")
        keys = self._links.nulled(changed, "CND", seen.can_take)
        keys |= {table.identity for table in tables if any(map(seen.can_take, table.columns))} & changed
        return [table for table in tables if table.identity in keys]

    def _in_the_way(self, seen: Statement, what: OnTables) -> list[CatalogTable]:
        """Return the tables that the statement locks: those that it names, and those that lose rows or foreign keys."""
        if not (named := self._meant(what.tables)):
            return []
        is_truncate = what.verb == "TRUNCATE"
        found = self._links.reached(named, "iacrnd" if is_truncate and seen.names("cascade") else "i")
        if not is_truncate:
            # Foreign keys are dropped with their table or column. Dropping their triggers locks the referenced table.
            keys = self._links.referred(found)
            found |= {parent for parent, column in keys if what.verb == "DROP" or seen.names(column)}
        return [table for table in self.tables.values() if table.identity in found]

    def _meant(self, names: Iterable[tuple[str, str]]) -> set[Hashable]:
        """Return the tables to which names may refer. The search path decides about names without a schema."""
        found: set[Hashable] = set()
        for schema, name in names:
            same = [table for table in self.tables.values() if table.bare_name == name and schema in ("", table.schema)]
            found |= {each.identity for each in [each for each in same if schema or each.name == name] or same}
        return found

    def _lock_by_attempts(self, attempt: Attempt, takes: Takes, written: Iterable[CatalogTable]) -> None:
        """Lock the tables that the statement will lock. Repeated trial runs in a savepoint show these tables."""
        tried, attempted = set[str](), set[Hashable]()
        while True:
            state = self._save()
            try:
                found = try_out(self._connection, self._locks, self.tables, attempt)
            except Exception as error:
                # Lock the tables in the statement that the error quotes. Without a quote, lock those in the text.
                inner = inner_statement(error)
                named = {name for name, table in self.tables.items() if inner.names(table.bare_name)}
                names = named - tried or takes.keys() - tried
                if sqlstate(error) not in LOCK_FAILURES or not names:
                    raise
                tried |= names
                found = Attempted([*names], {}, has_new=True)
            updated = self._updates.attempted(state.changes, self.tables.values())
            takes |= {table.name: set(table.columns) for table in updated}
            attempted |= {table.identity for table in updated}
            self._restore(state)
            for name, columns in found.takes.items():
                takes[name] = takes.get(name, set()) | columns
            self.locked |= self._locks.take([self.tables[name] for name in found.locked], [*updated, *written])
            if not found.has_new and self.locked <= found.sure:
                break
        self._updates.foresee(attempted)

    def _takes(self, seen: Statement) -> Takes:
        changed: set[Hashable] = set()
        if seen.does(DROPS, TRUNCATES, UPDATES):
            changed = self._links.reached(self._named, "iacrnd" if seen.does(TRUNCATES) else "i")
        deleted, nulled = self._named, set[Hashable]()
        if seen.does(DELETES):  # Afterwards the deleted rows are known, but not the values that became NULL.
            deleted = self._links.reached(self._named, "ic")
            nulled |= self._links.nulled(deleted, "nd")
        if seen.does(UPDATES):
            updated = self._links.reached(self._named, "iC")
            if self._links.nulled(updated, "CND", seen.can_take):
                nulled |= self._links.nulled(updated, "CND")
            self._updates.foresee(updated)
        self._updates.foresee(nulled)
        takes: Takes = {}
        for table in self.tables.values():
            if table.identity in nulled or (table.identity in changed and not seen.is_plain):
                takes[table.name] = set(table.columns)
            elif table.identity in changed:
                takes[table.name] = {name for name in table.columns if seen.names(name)}
            elif table.identity in deleted:
                # The statement can insert the deleted rows somewhere else, with other values.
                takes[table.name] = {*table.columns} if seen.does(RETURNS) and seen.does(INSERTS) else set()
        return takes

    def after(self, statement: str) -> bool:
        """Read the tables again if the statement may have changed them."""
        self._updates.explain()
        self._statistics.after()
        if self._savepoints.follow(statement):
            self.went_back += 1
            self._locks.forget()
            return True
        if self._statement.does(LINKS_TABLES):
            self._links.forget()
        if self._statement.does(DEFINES):
            self._definitions = None
        if (what := self._statement.on_tables) and what.verb == "TRUNCATE":
            # TRUNCATE gives no new file to a table that the transaction has already rewritten. With ONLY, heirs stay.
            found, stay = self._in_the_way(self._statement, what), self._statement.names("only")
            self.emptied |= {each.identity for each in found if not stay or not measure(self._connection, each).rows}
        if self._statement.does(CHANGES_TABLES):
            before = self.tables
            self._look(set() if self._statement.does(TRUNCATES) else self._named)
            self._retypes.note(before, self.tables)
        elif self._statement.does(MAKES_TABLES):
            self.look()
        if self._statement.runs_other_text:
            self._retypes.compare_attributes(self.tables)
        self._note_copy(statement)
        return self._statement.does(CHANGES_TABLES)

    def row_changes(self, table: Hashable | None = None) -> dict[Hashable, RowChanges]:  # noqa: ARG002 - all come at once
        """Return the numbers of inserted, deleted and updated rows of each table, as the server counts them."""
        return self._statistics.now()

    def foresee_deferred(self) -> None:
        """Note the tables that deferred triggers can update."""
        self._updates.foresee_deferred()

    def unforeseen(self, updated: Mapping[Hashable, int]) -> dict[Hashable, set[str]]:
        """Return the columns of tables in which the server counted more updated rows than the statements explain."""
        return self._updates.unforeseen(updated)

    def reads(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement can read a column, or the table if no column is given."""
        seen = self._statement
        if column is None or table.identity not in self._named:
            return table.identity in self._named
        return seen.can_read(column) if seen.does(READS) else seen.names(column)

    def writes_to(self, table: CatalogTable, column: str | None) -> bool:
        """Return whether the current statement can insert rows into a table, or write to a column."""
        seen = self._statement
        if table.identity not in self._named:
            return False
        # An UPDATE can move rows to another partition.
        return seen.does(INSERTS) or (seen.does(UPDATES) and (column is None or seen.names(column)))

    def can_empty(self, column: str) -> bool:
        """Return whether the current statement may replace values of this column by NULL or by empty texts."""
        return self._statement.can_take(column)

    def rows_written(self, table: CatalogTable) -> int:
        """Return the number of inserted and updated rows of a table, including the rows of its partitions."""
        changes, tables = self.row_changes(), self._links.reached({table.identity}, "i")
        return sum(each.inserted + each.updated for table, each in changes.items() if table in tables)

    def was_used(self, table: Hashable) -> bool:
        """Return whether a statement of the revision named the table, and read it or wrote to it."""
        return table in self._used

    def may_be_shared(self, table: Hashable) -> bool:
        """Return whether other sessions may have written to the table, because it was not locked at the beginning."""
        return table not in self._locks.first

    def written_by_others(self) -> str:
        """Return the SQL condition for rows of transactions that were open when the revision first used a table."""
        return self._by_others

    # ---- savepoints

    def _save(self) -> _PostgresState:
        origins, explained = self.origins.save(), self._updates.save()
        return _PostgresState(self.tables, set(self.emptied), self.row_changes(), origins, explained)

    def _restore(self, state: _PostgresState) -> None:
        self._statistics.restore(state.changes)
        self.tables, self.emptied = state.tables, set(state.emptied)
        self.origins.restore(state.origins)
        self._updates.restore(state.explained)
