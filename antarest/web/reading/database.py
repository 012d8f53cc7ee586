"""The database of the application, which is only read. Each query runs in a thread, and has a time limit.

A driver that waits for a hanging server cannot be stopped. So each query runs in a thread, and the request waits for
the thread for a limited time only. There are at most as many threads as connections. The process can end while threads
are still waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from antarest.migration.database.connection import read_current
from antarest.migration.database.driver_errors import connection_error
from antarest.migration.database.engines import create_db_engine
from antarest.migration.database.waits import ReadWatch, undisturbed
from antarest.migration.errors.base import Hint
from antarest.migration.errors.facts.database import DatabaseMissing
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import ENGINES, redact_url
from antarest.migration.errors.text import reason, shorten
from antarest.migration.project.project import Project
from antarest.web.errors.answering import DatabaseSilent
from antarest.web.errors.launching import RightsMissing, refuse_other_than_head
from antarest.web.reading.error_kinds import ErrorKind, kind_of

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE: Final = 20.0
"""The seconds that a request waits for the database."""

PROBE_PATIENCE: Final = 3.0
"""The seconds that a health probe waits for the database."""

_PROBE_CONNECT_TIMEOUT: Final = 10
"""The seconds after which the thread of a hanging probe ends: much longer than `PROBE_PATIENCE`."""

_PROBE_LOCK_TIMEOUT: Final = 2
"""The seconds that a probe waits for a lock: less than `PROBE_PATIENCE`, so that the answer can name the holder."""

_STATEMENT_TIMEOUT: Final = 15_000  # ms


_UNREADABLE: Final = text("""
    SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = ANY (:names) AND NOT has_table_privilege(c.oid, 'SELECT')
    ORDER BY c.relname
""")


@dataclass(frozen=True)
class DatabaseStatus:
    """The state of the database, compared with the revisions of this code.

    Attributes:
        engine: `SQLite` or `PostgreSQL`.
        engine_version: the version of the engine, such as `15.18`.
        current: the current revisions of the database.
        head: the newest revision of this code.
        pending: the revisions that an upgrade would run, in order; empty if this code cannot upgrade the database.
        unknown: the current revisions that this code does not have.
    """

    engine: str
    engine_version: str
    current: tuple[str, ...]
    head: str
    pending: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether no revision is pending, and no current revision is unknown."""
        return not self.pending and not self.unknown


class Database:
    """The configured database, for reading.

    Every method raises an `AntarestError` if the database cannot be reached, or if a query fails because the database
    is not at the head of this code. Other exceptions of a query are passed on.
    """

    def __init__(self, db: DbConfig, project: Project) -> None:
        """Create the engines, without a connection.

        Args:
            db: the configuration. Its admin URL is not used: the application does not need the rights of migrations.
            project: the revisions of this code.
        """
        self.db = replace(db, admin_url=None)
        self.project = project
        self.engine = _reading_engine(self.db)
        if self.engine.dialect.name == "postgresql":
            event.listen(self.engine, "begin", _limit_statements)
        quick = replace(
            self.db,
            connect_timeout=min(db.connect_timeout, _PROBE_CONNECT_TIMEOUT),
            busy_timeout=min(db.busy_timeout, _PROBE_LOCK_TIMEOUT),
            migration_lock_timeout=_PROBE_LOCK_TIMEOUT,
        )
        self._probing_engine = _reading_engine(quick, poolclass=NullPool)
        limits = {"statement_timeout": str(_STATEMENT_TIMEOUT)}
        self._probe_watch = ReadWatch(self._probing_engine, quick, limits=limits)
        self._free = asyncio.Semaphore(db.pool_size + db.max_overflow)
        self._probe: Future[DatabaseStatus] | None = None

    async def read(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a read-only session, and return its result.

        Args:
            query: a function that is called in another thread, with the session as its first argument.
            args: the other arguments of the function.
            kwargs: the keyword arguments of the function.

        Raises:
            DatabaseSilent: the database does not answer in time.
        """

        def run() -> T:
            with self._translated(), Session(self.engine) as session:
                return query(session, *args, **kwargs)

        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
                answer = asyncio.wrap_future(_in_thread(run))
                answer.add_done_callback(lambda _: self._free.release())
                return await _shared(answer)
        except TimeoutError:
            raise DatabaseSilent(PATIENCE) from None

    async def status(self) -> DatabaseStatus:
        """Return the state of the database."""
        return await self.read(lambda session: self._status(session.connection()))

    async def probe(self) -> DatabaseStatus:
        """Return the state of the database, read on a new connection in a separate thread.

        Calls at the same time share one answer. So a hanging database does not use more and more threads.

        Raises:
            DatabaseSilent: the database does not answer in time.
        """
        if self._probe is None or self._probe.done():
            self._probe = _in_thread(self._look)
        try:
            async with asyncio.timeout(PROBE_PATIENCE):
                return await _shared(asyncio.wrap_future(self._probe))
        except TimeoutError:
            raise DatabaseSilent(PROBE_PATIENCE) from None

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()

    def _look(self) -> DatabaseStatus:
        with self._translated(), self._probe_watch.watching(), self._probing_engine.connect() as connection:
            status = self._status(connection)
            if status.up_to_date:
                self._require_rights(connection)
            return status

    def _require_rights(self, connection: Connection) -> None:
        """Refuse a role that is not allowed to read a table of the models."""
        if connection.dialect.name != "postgresql":
            return
        tables = connection.scalars(_UNREADABLE, {"names": [*self.project.metadata().tables]}).all()
        if tables:
            raise RightsMissing(redact_url(self.db.url), f"permission denied for {shorten(tables)}")

    def _status(self, connection: Connection) -> DatabaseStatus:
        history = self.project.history
        current = read_current(connection, self.project.version_table)
        unknown = history.unknown(current)
        dialect = connection.dialect
        return DatabaseStatus(
            engine=ENGINES[dialect.name],
            engine_version=".".join(str(part) for part in dialect.server_version_info or ()),
            current=current,
            head=history.head,
            pending=() if unknown else history.pending(current),
            unknown=unknown,
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of the driver into errors with next steps."""
        try:
            yield
        except DBAPIError as error:
            kind = kind_of(error)
            if kind is ErrorKind.CONNECTION:
                raise (_file_missing(self.db.url) or connection_error(error, self.db.url)) from error
            if kind is ErrorKind.TOO_SLOW:
                raise DatabaseSilent(_STATEMENT_TIMEOUT / 1000) from error
            if kind is ErrorKind.NO_RIGHT:
                raise RightsMissing(redact_url(self.db.url), reason(error)) from error
            if kind is ErrorKind.SCHEMA:
                self.require_head()
            raise

    def require_head(self) -> None:
        """Refuse a database that is not at the head of this code.

        Raises:
            SchemaBehind: revisions are pending.
            SchemaAhead: the database is at a revision that this code does not have.
        """
        with self._probing_engine.connect() as connection:
            current = read_current(connection, self.project.version_table)
        refuse_other_than_head(self.project, current, redact_url(self.db.url))


def _in_thread(work: Callable[[], T]) -> Future[T]:
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)

    threading.Thread(target=run, name="database", daemon=True).start()
    return answer


async def _shared(answer: asyncio.Future[T]) -> T:
    """Wait for an answer. Cancelling this wait does not cancel the answer."""
    answer.add_done_callback(_forget)
    return await asyncio.shield(answer)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Retrieve the error of an answer that came too late. Otherwise asyncio would log the error."""
    if not answer.cancelled():
        answer.exception()


def _file_missing(url: URL) -> DatabaseMissing | None:
    """Return the error for a missing SQLite file in an existing folder, because the error of the driver is unclear."""
    file = Path(str(url.database))
    if url.get_backend_name() != "sqlite" or file.exists() or not file.parent.is_dir():
        return None
    return DatabaseMissing(
        f"the SQLite file is gone: {file}",
        Hint("Restore it, or create a new one", "inv db.upgrade"),
        database=redact_url(url),
    )


def _reading_engine(db: DbConfig, **options: Any) -> Engine:
    """Return an engine whose connections cannot write, and create no file."""
    if db.url.get_backend_name() == "sqlite":
        file = f"{Path(str(db.url.database)).as_uri()}?mode=rw"

        def open_file() -> sqlite3.Connection:
            return sqlite3.connect(file, uri=True, check_same_thread=False)

        # Each session opens the file again, so that it reads the new file if the old one was replaced.
        engine = create_db_engine(db, creator=open_file, **{**options, "poolclass": NullPool})
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_db_engine(db, application_name="antarest-web", **options)
    return engine.execution_options(postgresql_readonly=True)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    # SQLite's own function knows only ASCII letters.
    connection.create_function(
        "lower", 1, lambda text: text.lower() if isinstance(text, str) else text, deterministic=True
    )


def _limit_statements(connection: Connection) -> None:
    limits = {**undisturbed(connection), "statement_timeout": str(_STATEMENT_TIMEOUT)}
    connection.exec_driver_sql("; ".join(f"SET LOCAL {name} = {value}" for name, value in limits.items()))
