"""The database as the application sees it: read only, asked in threads, and never waited for without end.

A driver that waits for a server that hangs cannot be stopped. So whoever asks waits for the thread for a limited time
only; there are at most as many threads as connections, and none of them keeps the process from ending.
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

from sqlalchemy import URL, Connection, Engine, NullPool, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from antarest.migration.database.connection import read_current
from antarest.migration.database.driver_errors import connection_error
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.base import Hint
from antarest.migration.errors.facts.database import DatabaseMissing
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import ENGINES, redact_url
from antarest.migration.errors.text import reason
from antarest.migration.project.project import Project
from antarest.web.errors.answering import DatabaseSilent
from antarest.web.errors.launching import RightsMissing, SchemaAhead, SchemaBehind
from antarest.web.refusals import Meaning, meaning

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE: Final = 20.0
"""The seconds that a request waits for the database."""

PROBE_PATIENCE: Final = 3.0
"""The seconds that a probe of the health waits for it."""

_PROBE_CONNECT_TIMEOUT: Final = 10
"""The seconds after which a probe that hangs gives its thread back: well beyond `PROBE_PATIENCE`."""

_STATEMENT_TIMEOUT: Final = 15_000  # ms


@dataclass(frozen=True)
class Standing:
    """Where the database is, and how this code stands to it.

    Attributes:
        engine: `SQLite` or `PostgreSQL`.
        engine_version: its version, such as `15.18`.
        current: the revisions that it records.
        head: the head of this code.
        pending: what an upgrade would run, in order.
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
        """Whether nothing is pending and nothing is unknown."""
        return not self.pending and not self.unknown


class Database:
    """The database of a configuration, for reading.

    Every method raises an `AntarestError` when the database cannot be reached or is not at the head of this code, and
    passes on what a query raises by itself.
    """

    def __init__(self, db: DbConfig, project: Project) -> None:
        """Connect to nothing yet.

        Args:
            db: how to connect; the application never uses the rights of those who migrate.
            project: the revisions of this code.
        """
        self.db = replace(db, admin_url=None)
        self.project = project
        self.engine = _reading_engine(self.db)
        quick = replace(
            self.db,
            connect_timeout=min(db.connect_timeout, _PROBE_CONNECT_TIMEOUT),
            busy_timeout=min(db.busy_timeout, 2),
        )
        self._probing_engine = _reading_engine(quick, poolclass=NullPool)
        self._free = asyncio.Semaphore(db.pool_size + db.max_overflow)
        self._probe: Future[Standing] | None = None

    async def read(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a session that cannot write, and return what it returns.

        Args:
            query: called with the session first, in another thread.
            args: what else it is called with.
            kwargs: the same, by name.
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

    async def standing(self) -> Standing:
        """Where it is."""
        return await self.read(lambda session: self._standing(session.connection()))

    async def probe(self) -> Standing:
        """Where it is, asked on a new connection, in a thread that nothing else waits for.

        Probes that come while one is under way share its answer: a database that hangs does not gather threads.
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

    def _look(self) -> Standing:
        with self._translated(), self._probing_engine.connect() as connection:
            return self._standing(connection)

    def _standing(self, connection: Connection) -> Standing:
        history = self.project.history
        current = read_current(connection, self.project.version_table)
        dialect = connection.dialect
        return Standing(
            engine=ENGINES[dialect.name],
            engine_version=".".join(str(part) for part in dialect.server_version_info or ()),
            current=current,
            head=history.head,
            pending=history.pending(current),
            unknown=history.unknown(current),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the driver raises into an error that says what to do about it."""
        try:
            yield
        except DBAPIError as error:
            kind = meaning(error)
            if kind is Meaning.CONNECTION:
                raise (_file_missing(self.db.url) or connection_error(error, self.db.url)) from error
            if kind is Meaning.TOO_SLOW:
                raise DatabaseSilent(_STATEMENT_TIMEOUT / 1000) from error
            if kind is Meaning.NO_RIGHT:
                raise RightsMissing(redact_url(self.db.url), reason(error)) from error
            if kind is Meaning.SCHEMA:
                self.require_head()
            raise

    def require_head(self) -> None:
        """Refuse a database that is not at the head of this code.

        Raises:
            SchemaBehind: revisions are pending.
            SchemaAhead: it is at a revision that this code does not have.
        """
        with self._probing_engine.connect() as connection:
            refuse_other_than_head(self._standing(connection), self.project, redact_url(self.db.url))


def refuse_other_than_head(
    standing: Standing, project: Project, database: str, command: str = "inv db.upgrade"
) -> None:
    """Refuse a database that is not at the head of this code.

    Args:
        standing: where it is.
        project: the revisions of this code.
        database: its URL, redacted.
        command: what starts the application and upgrades first.

    Raises:
        SchemaBehind: revisions are pending.
        SchemaAhead: it is at a revision that this code does not have.
    """
    if standing.unknown:
        history = project.history
        unknown = standing.unknown[0]
        elsewhere = project.describe_location(unknown)
        raise SchemaAhead(unknown, database, history.heads, len(history), project.folder, elsewhere)
    if standing.pending:
        raise SchemaBehind(database, standing.current, standing.pending, standing.head, command)


def _in_thread(work: Callable[[], T]) -> Future[T]:
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the answer gets it
            answer.set_exception(error)

    threading.Thread(target=run, name="database", daemon=True).start()
    return answer


async def _shared(answer: asyncio.Future[T]) -> T:
    """Wait for an answer that stays valid when this wait is given up."""
    answer.add_done_callback(_forget)
    return await asyncio.shield(answer)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Look at an error that came too late, so that asyncio does not complain that nobody did."""
    if not answer.cancelled():
        answer.exception()


def _file_missing(url: URL) -> DatabaseMissing | None:
    """The error for an SQLite file that is not there, where its folder is. Whoever may write would create it."""
    file = Path(str(url.database))
    if url.get_backend_name() != "sqlite" or file.exists() or not file.parent.is_dir():
        return None
    return DatabaseMissing(
        f"the SQLite file is gone: {file}",
        database=redact_url(url),
        hints=[Hint("Bring it back, or make a new one", "inv db.upgrade")],
    )


def _reading_engine(db: DbConfig, **options: Any) -> Engine:
    """An engine whose connections do not write, and create no file."""
    if db.url.get_backend_name() == "sqlite":
        file = f"{Path(str(db.url.database)).as_uri()}?mode=rw"

        def open_file() -> sqlite3.Connection:
            return sqlite3.connect(file, uri=True, check_same_thread=False)

        # Opened anew for each session: a file that was replaced meanwhile, by a restored backup say, is the new one.
        engine = create_db_engine(db, creator=open_file, **{**options, "poolclass": NullPool})
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_db_engine(db, application_name="antarest-web", **options)
    engine = engine.execution_options(postgresql_readonly=True)
    event.listen(engine, "begin", _limit_statements)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    # SQLite's own knows the letters of English only.
    connection.create_function(
        "lower", 1, lambda text: text.lower() if isinstance(text, str) else text, deterministic=True
    )


def _limit_statements(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_STATEMENT_TIMEOUT}")
