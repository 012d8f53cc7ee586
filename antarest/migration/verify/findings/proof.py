"""The proof of one revision on one engine, with the effects of the revision on a database in use."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from ...errors.base import EXIT_UNREACHABLE, EXIT_USAGE, AntarestError
from ...errors.text import described
from ...schema.compare import Difference
from ...schema.inventory import Inventory
from ..rows.snapshots import Sample
from .finding import Finding
from .kinds import Severity

ColumnValues = Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]
"""A mapping from a table and a column to pairs (key of the row, value), as texts that do not depend on the engine."""

# https://www.postgresql.org/docs/current/explicit-locking.html, weakest first
_LOCKS = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_FROM = _LOCKS.index("ShareUpdateExclusiveLock")  # Weaker locks block neither readers nor writers.
_TABLES = """
    SELECT c.relname, c.relfilenode FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()
"""
_HELD = text("""
    SELECT c.relname, l.mode FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p')
""")
_WRITTEN = text("""
    SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_xact_user_tables
    WHERE schemaname = current_schema() AND n_tup_ins + n_tup_upd + n_tup_del > 0
""")
_PAGES = "SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"


@dataclass
class Impact:
    """The effects of an upgrade on the tables that existed before the upgrade.

    Attributes:
        seconds: the duration of the upgrade, on the generated rows.
        locks: for each table, the strongest lock for which other sessions may have to wait (PostgreSQL).
        rewritten: the tables that were rewritten as a whole.
        written: a mapping from a table to the number of rows that were written (PostgreSQL).
    """

    seconds: float = 0
    locks: dict[str, str] = field(default_factory=dict)
    rewritten: list[str] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)


class ImpactMeter:
    """Measures the effects of an upgrade. Call `start` before the upgrade, and `read` before its commit."""

    def __init__(self, version_table: str) -> None:
        self._version_table = version_table
        self._before: dict[str, int] = {}
        self.impact = Impact()

    def start(self, connection: Connection) -> None:
        """Note the file (PostgreSQL) or root page (SQLite) of each table, and end the transaction.

        `read` looks at these again. If the file or page of a table has changed, the table counts as rewritten.
        """
        self._before = self._files(connection)
        connection.rollback()

    def read(self, connection: Connection) -> None:
        """Read the effects of the upgrade on the tables, from the transaction in which it runs."""
        after, found = self._files(connection), self.impact
        found.rewritten = sorted(name for name, file in self._before.items() if after.get(name, file) != file)
        if connection.dialect.name != "postgresql":
            return
        for table, mode in connection.execute(_HELD):
            strength = _LOCKS.index(mode)
            if table in self._before and strength >= max(_FROM, _LOCKS.index(found.locks.get(table, _LOCKS[0]))):
                found.locks[table] = mode
        found.written = {table: int(rows) for table, rows in connection.execute(_WRITTEN) if table in self._before}

    def _files(self, connection: Connection) -> dict[str, int]:
        query = _PAGES if connection.dialect.name == "sqlite" else _TABLES
        rows = connection.exec_driver_sql(query)
        return {name: file for name, file in rows if name != self._version_table}


@dataclass
class Proof:
    """The proof of one revision on one engine.

    Attributes:
        revision: the id of the revision; empty for the history as a whole.
        engine: the engine.
        findings: the faults and notes that the proof has found.
        not_proved: what could not be proved, each with the reason. The command fails because of such an entry.
        not_tried: the checks that were left out, each with the reason. The command does not fail because of them.
        tracebacks: a mapping from an entry of `not_proved` to the traceback of its unexpected error.
        schema: the schema after the upgrade; None if the upgrade failed.
        before: the schema before the upgrade; only set for the first revision to prove.
        impact: the effects of the upgrade on tables with rows.
        is_irreversible: whether the revision has no downgrade, because its file declares this or the downgrade refuses
            to run.
        compares_rows: whether rows were compared.
        rows: the values of all columns before the upgrade, and those after it, for the comparison of the engines.
        behaviour: a mapping from a change of rows to the reaction of the database. It is set for the history as a
            whole, and for the state before the first revision to prove.
        samples: for each table whose rows the upgrade changes, a few rows before and after the upgrade.
        starts_empty: whether no revision is applied before this revision.
        kept: the URLs of the kept databases, under the keys "before" and "after". A URL is empty if the database could
            not be kept.
        is_earlier: whether an earlier run has made and stored this proof.
    """

    revision: str
    engine: str
    findings: list[Finding] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    tracebacks: dict[str, str] = field(default_factory=dict)
    schema: Inventory | None = None
    before: Inventory | None = None
    impact: Impact = field(default_factory=Impact)
    is_irreversible: bool = False
    compares_rows: bool = False
    rows: tuple[ColumnValues, ColumnValues] | None = None
    behaviour: dict[str, str] = field(default_factory=dict)
    samples: dict[str, tuple[Sample, Sample]] = field(default_factory=dict)
    starts_empty: bool = False
    kept: dict[str, str] = field(default_factory=dict)
    is_earlier: bool = False

    def add(self, id_: str, *found: str, **more: str) -> None:
        """Add findings of one kind."""
        self.findings += [Finding.of(id_, each, self.revision, self.engine, **more) for each in found]

    def add_differences(
        self, id_: str, found: Iterable[Difference], before: str, after: str, *, severity: Severity = "error"
    ) -> None:
        """Add a finding for each difference between two schemas. `before` and `after` name the schemas in the text."""
        for each in found:
            self.add(id_, each.render(before, after), severity=severity, item=each.path, table=each.table)

    def has(self, *ids: str) -> bool:
        """Return whether there is a finding of one of these kinds that is an error, and not only a note."""
        return any(each.id in ids and each.severity == "error" for each in self.findings)

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """If the `with` block raises an unexpected error, catch the error and add an entry to `not_proved`.

        Args:
            what: the beginning of the entry, which says what the block proves.

        Raises:
            AntarestError: nothing more can be proved, because the database or the project cannot be read.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, AntarestError) and error.exit_code in {EXIT_UNREACHABLE, EXIT_USAGE}:
                raise
            line = f"{what}: {described(error)}"
            self.not_proved.append(line)
            self.tracebacks[line] = "".join(traceback.format_exception(error))
