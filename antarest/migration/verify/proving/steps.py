"""Runs one revision in one direction for the proof, and records the effects of the run."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from alembic.ddl import base as ddl
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.named_types import NamedType
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from ...database.driver_connections import WatchedConnection, set_watcher
from ...errors.base import AntarestError
from ...errors.facts.run import ScratchRunFailed
from ...errors.loss import Loss, Missing
from ...errors.revision import Direction, Revision
from ...losses.deferred import DeferredFails
from ...losses.guard import LossGuard
from ...losses.rebuilds import RebuildGuard
from ...losses.tracking.base import NotAllowed
from ..rows.hints import Hints
from ..source import skipping
from ..target import Target

_REBUILT = "_alembic_tmp_"  # the beginning of the name under which Alembic rebuilds a table
_CHANGES_NO_TABLE = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|SET|ANALYZE|COMMENT|GRANT|REVOKE|CREATE\s+EXTENSION)\b",
    re.IGNORECASE,
)


@dataclass
class RevisionStep:
    """A revision to run in one direction, and the results of the run.

    Attributes:
        revision: the id of the revision.
        direction: whether the upgrade or the downgrade runs.
        before_commit: a function that is called before the commit.
        hints: receives the labels of the enums that the revision gives to columns.
        passes: whether to skip each failing statement that cannot change the schema of a table, such as INSERT. If so,
            the run also creates each missing enum type that a column needs. It creates no type that exists.
        skips: whether to skip each statement that fails in Python and changes no schema.
        seconds: the duration of the run.
        missing: the objects that a rebuild of a table on SQLite lost.
        losses: receives the losses that the guard of a run measures. The guard refuses the same statements as in a run.
            With None, no guard watches the revision.
    """

    revision: str
    direction: Direction
    before_commit: Callable[[Connection], object] = lambda _: None
    hints: Hints = field(default_factory=Hints)
    passes: bool = False
    skips: bool = False
    seconds: float = 0
    missing: list[Missing] = field(default_factory=list)
    losses: list[Loss] | None = None

    def run(self, connection: Connection, target: Target) -> None:
        """Run the revision, and commit.

        Args:
            connection: a connection to a scratch database, without a transaction.
            target: the project.

        Raises:
            ScratchRunFailed: the revision failed, and was rolled back.
        """

        def steps(context: MigrationContext) -> Iterator[Any]:
            with self._guarded(context, target):
                self._watch(context, target)
                yield target.runner.step(self.revision, self.direction)
            self.before_commit(connection)

        began = time.perf_counter()
        module = target.script.get_revision(self.revision).module
        with (
            _types_only_once() if self.passes else nullcontext(),
            skipping(module, self.direction) if self.skips else nullcontext(),
        ):
            # The guard runs the deferred constraints itself.
            runner = target.runner if self.losses is None else replace(target.runner, runs_deferred=False)
            runner.run(connection, steps)
        self.seconds = time.perf_counter() - began

    @contextmanager
    def _guarded(self, context: MigrationContext, target: Target) -> Iterator[None]:
        """Watch the revision for losses, and on SQLite for objects that a rebuild loses. Note both afterwards."""
        connection, exclude = context.connection, [target.project.version_table.name]
        assert connection is not None  # noqa: S101 - a run has one
        driver: Any = connection.connection.dbapi_connection
        if not isinstance(driver, WatchedConnection):
            yield
            return
        revision = target.history[self.revision]
        rebuilds = RebuildGuard(context, exclude) if context.dialect.name == "sqlite" else None
        guard = LossGuard(connection, exclude, rebuilds) if self.losses is not None else None
        try:
            if guard:
                guard.start()
                guard.begin(revision, self.direction)
            elif rebuilds:
                rebuilds.begin()
                set_watcher(connection, rebuilds)
            yield
            if guard and self.losses is not None:
                guard.end(revision, self.direction)
                self.losses.extend(guard.losses)
        except DeferredFails:
            raise
        except NotAllowed as error:
            raise NotAllowed(f"a run refuses this revision, because {error}") from error
        finally:
            set_watcher(connection, None)
            if guard:
                guard.stop()
        if rebuilds:
            self.missing.extend(guard.missing if guard else rebuilds.end(revision, self.direction))

    def _watch(self, context: MigrationContext, target: Target) -> None:
        """Replace Alembic's method that executes a statement, because Alembic has no hook for this.

        The new method records the enum labels that the statements use. If the options of this step say so, it skips
        failing statements.
        """
        impl: Any = context.impl
        execute = impl._exec  # noqa: SLF001 - see above

        def watch(construct: Any, *arguments: Any, **named: Any) -> Any:
            for table, column, kind in _enums(construct):
                self.hints.labels[table.removeprefix(_REBUILT), column] = tuple(kind.enums)
                if self.passes:
                    kind.create(impl.connection, checkfirst=True)
            if not (self.passes and _changes_no_table(construct, target.project.version_table.name)):
                return execute(construct, *arguments, **named)
            try:
                with _savepoint(context.connection):
                    return execute(construct, *arguments, **named)
            except DBAPIError:
                return None

        impl._exec = watch  # noqa: SLF001


def refusal(failed: ScratchRunFailed, revision: Revision) -> str:
    """Return the message with which a revision refuses to run; empty if the run failed for another reason."""
    error = failed.__cause__
    if error is None or isinstance(error, (DBAPIError, AntarestError)):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    is_raised_there = bool(frames) and frames[-1].filename == str(revision.path) and "raise" in (frames[-1].line or "")
    return failed.reason if isinstance(error, NotImplementedError) or is_raised_there else ""


def _savepoint(connection: Any) -> Any:
    """Begin a savepoint on PostgreSQL, where a failed statement aborts the transaction. Do nothing on SQLite."""
    return connection.begin_nested() if connection.dialect.name != "sqlite" else nullcontext()


def _changes_no_table(construct: Any, version_table: str) -> bool:
    if getattr(getattr(construct, "table", None), "name", "") == version_table:
        return False  # Alembic must record the revision.
    if isinstance(construct, str | sa.TextClause):
        return bool(_CHANGES_NO_TABLE.match(str(construct)))
    return isinstance(construct, sa.Select | sa.Insert | sa.Update | sa.Delete)


def _enums(construct: Any) -> Iterator[tuple[str, str, sa.Enum]]:
    """Yield the table, the column and the type for each enum that a statement gives to a column."""
    columns: list[tuple[Any, Any, Any]] = []
    if isinstance(construct, CreateTable):
        columns = [(construct.element.name, each.name, each.type) for each in construct.element.columns]
    elif isinstance(construct, ddl.AddColumn):
        columns = [(construct.table_name, construct.column.name, construct.column.type)]
    elif isinstance(construct, ddl.AlterColumn):
        columns = [(construct.table_name, construct.column_name, getattr(construct, "type_", None))]
    for table, column, kind in columns:
        if isinstance(kind, sa.Enum):
            yield str(table), str(column), kind


@contextmanager
def _types_only_once() -> Iterator[None]:
    """Inside the `with` block, create no type of PostgreSQL that exists already."""
    create: Any = NamedType.create
    setattr(NamedType, "create", lambda self, bind, **_: create(self, bind, checkfirst=True))  # noqa: B010 - for mypy
    try:
        yield
    finally:
        setattr(NamedType, "create", create)  # noqa: B010


@contextmanager
def calls_of_sqlalchemy_1() -> Iterator[None]:
    """Inside the `with` block, allow the most usual calls of SQLAlchemy 1.4 that SQLAlchemy 2 refuses.

    These are `execute("SELECT 1")`, `execute(text, name=value)`, `execute(text, row, row)`, `select([column])`,
    `case([(condition, value)])`, `row["name"]`, `dict(row)`, `MetaData(bind=...)` and `Table(..., autoload=True)`.
    """
    changes: list[tuple[Any, str, Any]] = [
        (Connection, "execute", _execute),
        (Session, "execute", _execute_in_session),
        (sa.Select, "__init__", _spread(sa.Select.__init__)),
        (sa.Case, "__init__", _spread(sa.Case.__init__)),
        (sa.Row, "__getitem__", _value_of(sa.Row.__getitem__)),
        (sa.Row, "keys", lambda row: row._mapping.keys()),  # noqa: SLF001 - its public name
        (sa.MetaData, "__init__", _bound(sa.MetaData.__init__)),
        (sa.MetaData, "reflect", _from_bound(sa.MetaData.reflect)),
        (sa.Table, "__new__", _autoloaded(sa.Table.__new__)),
    ]
    before = [(owner, name, vars(owner).get(name)) for owner, name, _ in changes]
    try:
        for owner, name, call in changes:
            setattr(owner, name, call)
        yield
    finally:
        for owner, name, call in before:
            if call is None:
                delattr(owner, name)
            else:
                setattr(owner, name, call)


_EXECUTE: Any = Connection.execute
_EXECUTE_IN_SESSION: Any = Session.execute


def _execute(self: Connection, statement: Any, *rows: Any, execution_options: Any = None, **named: Any) -> Any:
    given = named or ([*rows] if len(rows) > 1 else rows[0] if rows else None)
    if isinstance(statement, str):
        return self.exec_driver_sql(statement, given)
    return _EXECUTE(self, statement, given, execution_options=execution_options)


def _execute_in_session(self: Session, statement: Any, *rows: Any, **options: Any) -> Any:
    return _EXECUTE_IN_SESSION(self, sa.text(statement) if isinstance(statement, str) else statement, *rows, **options)


def _spread(call: Any) -> Any:
    def spread(self: Any, *parts: Any, **options: Any) -> None:
        call(self, *(parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts), **options)

    return spread


def _value_of(call: Any) -> Any:
    return lambda row, key: row._mapping[key] if isinstance(key, str) else call(row, key)  # noqa: SLF001


def _bound(call: Any) -> Any:
    def bound(self: sa.MetaData, *values: Any, bind: Any = None, **options: Any) -> None:
        call(self, *values, **options)
        self.info["bind"] = bind

    return bound


def _from_bound(call: Any) -> Any:
    return lambda self, bind=None, **options: call(self, bind if bind is not None else self.info["bind"], **options)


def _autoloaded(call: Any) -> Any:
    def table(cls: Any, name: str, metadata: sa.MetaData, *parts: Any, autoload: bool = False, **options: Any) -> Any:
        found = {"autoload_with": metadata.info["bind"]} if autoload and "autoload_with" not in options else {}
        return call(cls, name, metadata, *parts, **options, **found)

    return table
