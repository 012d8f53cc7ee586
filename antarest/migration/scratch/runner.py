"""Runs revisions on scratch databases, without `env.py`: for plans, `db.revision`, release notes and the proof."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.connection import read_current
from ..database.driver_errors import NO_SCHEMA, sqlstate
from ..database.record import make_schema_of
from ..errors.base import Hint
from ..errors.facts.fixes import ID_LENGTH
from ..errors.facts.loss import drop_and_make_again
from ..errors.facts.run import ScratchRunFailed
from ..errors.revision import Direction, Revision, VersionTable
from ..errors.settings.urls import ENGINES, redact
from ..errors.text import described, details_of, reason
from ..losses.deferred import DeferredConstraints
from ..losses.rebuilds import in_the_way
from ..losses.tracking.base import ElsewhereUsed, NotAllowed, elsewhere
from ..project.env_options import outer_kept, stand_in
from ..project.history import History
from ..project.project import Project
from ..project.revision_files import importing
from ..run.revision_operations import revision_operations
from ..run.segments import first_segment, let_blocks_pass, refuse_not_runnable

_SAVEPOINT = "antarest_before_revision"
_ROW_WRITES = (sqlite3.SQLITE_DELETE, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE)  # also to `sqlite_master`


@dataclass(frozen=True)
class ScratchRunner:
    """Runs the revisions of a project on scratch databases, over connections without a transaction.

    Attributes:
        config: the Alembic configuration of the project.
        script: Alembic's view of the revision files of the project.
        history: the revisions of the project, with their declarations.
        options: the options of Alembic's migration context.
        commits_each: whether each revision is committed on its own, as `transaction_per_migration` demands.
        runs_deferred: whether deferred constraints run at the end of each revision, as in a run of the workflow. With
            plain Alembic they run at the commit.
        version_schema: the schema of the project's version table. Each scratch database gets this schema, too.
        stores_long_ids: whether the version table is created with room for long ids, because somebody may have widened
            the column in the real database.
    """

    config: Config
    script: ScriptDirectory
    history: History
    options: Mapping[str, Any]
    commits_each: bool = False
    runs_deferred: bool = False
    version_schema: str = ""
    stores_long_ids: bool = False

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return the runner for a project that uses this workflow.

        The revision files of the project are imported when they run.
        """
        config = project.alembic_config()
        script = ScriptDirectory.from_config(config)
        return cls(
            config,
            script,
            project.history,
            project.scratch_options(),
            project.commits_each,
            runs_deferred=True,
            version_schema=project.version_table.schema,
            stores_long_ids=True,
        )

    def upgrade(
        self,
        connection: Connection,
        targets: Collection[str] = ("heads",),
        after_step: Callable[[str], object] = lambda _revision: None,
    ) -> None:
        """Upgrade to these revisions. The declarations of the revisions determine which of them are committed together.

        Args:
            connection: a connection to a scratch database.
            targets: the revisions, or names such as `heads`.
            after_step: called with the id of each revision that has run, before its commit.

        Raises:
            InvalidRevisionFile: a file lacks the function `upgrade`.
            ScratchRunFailed: a revision failed. Its transaction was rolled back.
        """
        self._prepare(connection)
        for target in targets:
            schema = self.options.get("version_table_schema") or ""  # A scratch database of a project has none.
            current: Any = read_current(connection, VersionTable(self.options["version_table"], schema))
            connection.rollback()  # Alembic commits only the transactions that it has begun.
            with importing(self._folders):
                left: list[Any] = list(self.script._upgrade_revs(target, current))  # noqa: SLF001 - as `command`
            while left:
                segment = self._segment(left, connection)
                self.run(connection, partial(_each, segment, after_step))
                left = left[len(segment) :]

    def downgrade(
        self, connection: Connection, revisions: Sequence[str], steps_of: Callable[[Sequence[Any]], Iterable[Any]]
    ) -> None:
        """Run the downgrades of these revisions, in this order.

        The declarations of the revisions determine which of them are committed together.

        Args:
            connection: a connection to a scratch database.
            revisions: the ids of the revisions.
            steps_of: called with Alembic's steps for each transaction, and returns these steps. As a generator, it can
                act before and after each step.

        Raises:
            InvalidRevisionFile: a file lacks the function `downgrade`.
            ScratchRunFailed: a revision failed. Its transaction was rolled back.
        """
        self._prepare(connection)
        with importing(self._folders):
            left = [self.step(id_, "downgrade") for id_ in revisions]
        while left:
            segment = self._segment(left, connection)
            self.run(connection, partial(_called, steps_of, segment))
            left = left[len(segment) :]

    def _segment(self, steps: Sequence[Any], connection: Connection) -> list[Any]:
        """Return the first segment of these steps: the steps at the beginning that are committed together."""
        return [*steps[:1]] if self.commits_each else first_segment(steps, self._revision_of, connection.dialect.name)

    def step(self, revision: str, direction: Direction) -> Any:
        """Return Alembic's step that runs one revision."""
        make = MigrationStep.upgrade_from_script if direction == "upgrade" else MigrationStep.downgrade_from_script
        return make(self.script.revision_map, self.script.get_revision(revision))

    def run(self, connection: Connection, steps_in: Callable[[MigrationContext], Iterable[Any]]) -> None:
        """Run some steps of Alembic in one transaction, and commit.

        Args:
            connection: a connection to a scratch database.
            steps_in: returns the steps for a migration context. If it is a generator, it can act around each step.

        Raises:
            ScratchRunFailed: a revision failed. The transaction was rolled back.
        """
        self._prepare(connection)
        running, fixes, deferred = list[Any](), list[Hint](), DeferredConstraints(connection)
        is_sqlite = connection.dialect.name == "sqlite"

        def steps(_current: object, context: MigrationContext) -> Iterator[Any]:
            for step in steps_in(context):
                running[:] = [step]
                refuse_not_runnable(step, self._revision_of(step))
                deferred.defer_again()
                if not is_sqlite:
                    connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
                yield step
                if self.runs_deferred:
                    deferred.run()

        options = {"fn": steps, "script": self.script, "as_sql": False, **self.options}
        context = MigrationContext.configure(connection, opts=options)
        if is_sqlite:
            let_blocks_pass(context)
        try:
            with self._environment(context), context.begin_transaction(), _learning_fixes(connection, fixes):
                context.run_migrations()
        except BaseException as error:  # A revision may call sys.exit(0).
            connection.rollback()
            if not running or isinstance(error, KeyboardInterrupt):
                raise
            raise _failure(running[0], error, connection, fixes) from error
        if not is_sqlite:  # The next revision must not find the settings of this one. The driver sets datestyle once.
            connection.exec_driver_sql("RESET ALL; SET datestyle = ISO")
            connection.commit()

    def _prepare(self, connection: Connection) -> None:
        """Import the revision files once, and create the schema of the version table.

        During the import, the code of a revision file can ask `alembic.context` for the dialect.
        """
        environment = EnvironmentContext(self.config, self.script, as_sql=False)
        with outer_kept(), without_output(), environment, importing(self._folders):
            stand_in(environment, connection.engine.url.drivername)
            self.script.get_heads()
        make_schema_of(VersionTable(schema=self.version_schema), connection)
        if self.stores_long_ids and any(len(id_) > ID_LENGTH for id_ in self.history.order):
            self.make_room_for_ids(connection)
        if connection.in_transaction():
            connection.commit()  # Alembic commits only the transactions that it has begun.

    def make_room_for_ids(self, connection: Connection) -> None:
        """Let the version table of a PostgreSQL database store ids of any length. On SQLite this is not needed."""
        if connection.dialect.name == "postgresql":
            table = connection.dialect.identifier_preparer.quote(self.options["version_table"])
            made = MigrationContext.configure(connection, opts=dict(self.options))
            made._ensure_version_table()  # noqa: SLF001 - there is no public way
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN version_num TYPE VARCHAR")
            connection.commit()

    @property
    def _folders(self) -> set[Path]:
        return {self.history[id_].path.parent for id_ in self.history.order}

    def _revision_of(self, step: Any) -> Revision:
        return self.history[step.revision.revision]

    @contextmanager
    def _environment(self, context: MigrationContext) -> Iterator[None]:
        """Let revisions use `alembic.op` and `alembic.context` in the `with` block, also inside a running `env.py`."""
        environment = EnvironmentContext(self.config, self.script, as_sql=False)
        context.environment_context = environment  # through which a revision reads the settings of `alembic.ini`
        environment._migration_context = context  # noqa: SLF001 - as its own `configure` does
        only_here = _writing_only_here(context.connection) if context.connection else contextlib.nullcontext()
        with outer_kept(), without_output(), environment, revision_operations(context), only_here:
            yield


_USING = re.compile(r'You might need to specify "USING (.+)"')  # PostgreSQL says this if no implicit cast exists
_ABORTED = "25P02"  # the code of "current transaction is aborted, commands ignored"


def _failure(step: Any, error: BaseException, connection: Connection, fixes: Sequence[Hint]) -> ScratchRunFailed:
    direction = "upgrade" if step.is_upgrade else "downgrade"
    engine = ENGINES[connection.dialect.name]
    why = reason(error) if isinstance(error, (DBAPIError, NotAllowed)) else described(error)
    why = redact(why, connection.engine.url)
    details = details_of(error)
    if using := _USING.search(details.get("hint", "")):
        command = f"op.alter_column(..., postgresql_using={using[1]!r})"
        fixes = [Hint("Say how PostgreSQL converts the values, here and in the downgrade", command), *fixes]
    if schema := NO_SCHEMA.search(why):
        command = f"""op.execute('CREATE SCHEMA "{schema[1]}"')"""
        fixes = [Hint("If neither a revision nor the administrator creates this schema", command), *fixes]
    return ScratchRunFailed(step.revision.revision, direction, why, engine, details=details, fixes=fixes)


def _called(call: Callable[[Sequence[Any]], Iterable[Any]], steps: Sequence[Any], _context: object) -> Iterable[Any]:
    return call(steps)


def _each(steps: Sequence[Any], after_step: Callable[[str], object], _context: MigrationContext) -> Iterator[Any]:
    for step in steps:
        yield step
        after_step(step.revision.revision)


@contextmanager
def _learning_fixes(connection: Connection, fixes: list[Hint]) -> Iterator[None]:
    """If a revision fails in the `with` block, look for a fix in the database before the rollback.

    After an error, PostgreSQL refuses all further statements. If a revision caught the first error, and a later
    statement was refused, raise the first error.
    """
    errors: list[DBAPIError] = []
    is_aborted = False

    def note(failed: ExceptionContext) -> None:
        nonlocal is_aborted
        is_aborted = sqlstate(failed.original_exception) == _ABORTED
        if isinstance(failed.sqlalchemy_exception, DBAPIError) and not is_aborted:
            errors[:] = [failed.sqlalchemy_exception]

    event.listen(connection.engine, "handle_error", note)
    try:
        yield
    except DBAPIError as error:
        if errors and is_aborted:
            raise errors[0] from error
        with suppress(SQLAlchemyError):  # A block outside of the transaction has no savepoint.
            if connection.dialect.name != "sqlite":
                connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            for each in in_the_way(connection, error):
                fixes += drop_and_make_again(each, "this change")
        raise
    finally:
        event.remove(connection.engine, "handle_error", note)


@contextmanager
def _writing_only_here(connection: Connection) -> Iterator[None]:
    """Refuse statements in the `with` block that write to an attached database, or attach a missing file (SQLite).

    Raises:
        ElsewhereUsed: a statement was refused.
    """
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    refused = list[ElsewhereUsed]()

    def allow(code: int, first: str | None, _second: str | None, place: str | None, _trigger: str | None) -> int:
        if error := elsewhere(code, first, place, _ROW_WRITES, getattr(driver, "running", ("", ()))):
            refused.append(error)
        return sqlite3.SQLITE_DENY if error else sqlite3.SQLITE_OK

    driver.set_authorizer(allow)
    try:
        yield
    except DBAPIError as error:
        if refused:
            raise refused[0] from error
        raise
    finally:
        driver.set_authorizer(None)


@contextmanager
def without_output() -> Iterator[None]:
    """Suppress the output and the warnings of revisions in the `with` block: they are not about the user's database."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
