"""The connections of the workflow: to migrate a database, and to read from it. The application has its own engine."""

from __future__ import annotations

import logging
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ..errors.facts.database import VersionTableDamaged
from ..errors.revision import VersionTable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import ENGINES, is_memory, redact_url
from .driver_connections import SqliteConnection, set_watcher
from .driver_errors import sqlstate, translate_errors
from .engines import patient
from .waits import ReadWatch, Tell, configure, say_nothing, undisturbed

APPLICATION_NAME = "antarest-migration"
"""The name of our sessions in PostgreSQL."""

# A signal while a connection is closed ends the command. It is not an error of the pool, so the pool must not log it.
# This is the logger of our own pools: `pool_logging_name` names them.
logging.getLogger(f"{NullPool.__module__}.{NullPool.__name__}.{APPLICATION_NAME}").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))
)

_UNDEFINED_TABLE = "42P01"
_LEAST_PATIENCE = 3  # seconds in which a busy server or pooler answers
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}  # notice a server that is gone


@contextmanager
def moving(db: DbConfig | URL, begin: Callable[[Connection], None] | None = None) -> Iterator[Connection]:
    """Open a connection for migrations. On both engines, DDL is part of its transactions.

    On SQLite, the connection differs from a usual connection of the driver:

    - The driver begins no transactions itself (`isolation_level`), because it would commit before a DDL statement.
    - Foreign keys are not enforced, because a rebuild of a table breaks them for a short time. They are switched off
      before a transaction begins: inside a transaction, the PRAGMA has no effect.
    - A transaction begins with `BEGIN IMMEDIATE`, so that no other connection can write during the transaction.

    The new connection has no transaction yet, as Alembic requires.

    Args:
        db: the database.
        begin: a function that begins each transaction; None to use `BEGIN IMMEDIATE`.

    Raises:
        DatabaseError: the database cannot be reached.
    """
    db = db if isinstance(db, DbConfig) else DbConfig(db)
    _create_file(db.migration_url)
    engine = _engine(db, begin or _begin("BEGIN IMMEDIATE"))
    # This covers the whole block: SQLite opens the file, and finds another writer, only when the transaction begins.
    with translate_errors(db.migration_url), engine.connect() as connection:
        yield connection


def moving_engine(url: URL, database: Callable[[], str]) -> Engine:
    """Return an engine that connects to many databases of one server, to run migrations in them.

    The connections have the settings of `moving`: DDL is part of a transaction, and foreign keys are off on SQLite. To
    make transactions faster, the time limits of the server stay on, and no pooler is expected. The engine reads the
    properties of the server once, and compiles each statement once, for all databases.

    Args:
        url: the URL of the server. The database that the URL names is not used.
        database: called for each new connection; returns the name of the database, or on SQLite the path of its file.
    """

    def choose(_dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]) -> None:
        if arguments:
            arguments[0] = database()
        else:
            named["dbname"] = database()

    # Nobody else uses the database. So only a second connection of a revision can wait, and it would wait for ever.
    engine = _engine(DbConfig(url, busy_timeout=1), _begin_as_first_or_beside(), is_scratch=True)
    event.listen(engine, "do_connect", choose)
    return engine


@contextmanager
def looking(db: DbConfig | URL, tell: Tell = say_nothing) -> Iterator[Connection]:
    """Open a connection to read from a database. A missing SQLite file is not created, and counts as an empty database.

    A missing folder is an error, because the path is probably misspelt. If another session holds a lock, the connection
    waits for at most `db.migration_lock_timeout` seconds. On SQLite, `db.busy_timeout` is the limit if it is shorter.

    Args:
        db: the database.
        tell: called with a line of text while the connection waits for a lock, or while a query takes long.

    Raises:
        TableLocked: another session holds a lock on a table for too long.
        DatabaseError: the database cannot be reached, or cannot be read.
    """
    db = db if isinstance(db, DbConfig) else DbConfig(db)
    url = db.migration_url
    if url.get_backend_name() == "sqlite" and _is_absent(Path(url.database or "")):
        with create_engine("sqlite://", poolclass=NullPool, pool_logging_name=APPLICATION_NAME).connect() as connection:
            yield connection
        return
    db_of_reader = replace(db, busy_timeout=min(db.busy_timeout, db.migration_lock_timeout))
    engine = _engine(db_of_reader, _begin("BEGIN", limits=False))  # The watch sets the limits.
    watch = ReadWatch(engine, db, tell)
    with translate_errors(url), watch.watching(), engine.connect() as connection:
        set_watcher(connection, watch)
        yield connection


def read_current(connection: Connection, version_table: VersionTable) -> tuple[str, ...]:
    """Read the current revisions of a database with one query, sorted; empty if the database records no revision.

    A transaction that the caller has begun stays usable, even if the version table is missing.

    Raises:
        VersionTableDamaged: a row of the version table does not contain the id of a revision.
    """
    quote = connection.dialect.identifier_preparer.quote
    table = ".".join(map(quote, filter(None, (version_table.schema, version_table.name))))
    # After a failed statement, PostgreSQL refuses all others in a transaction. A savepoint keeps it usable.
    begun = connection.begin_nested() if connection.in_transaction() else None
    try:
        rows = connection.execute(text(f"SELECT version_num FROM {table}")).all()
    except DBAPIError as error:
        if not _is_about_a_missing_table(error):
            raise
        (begun or connection).rollback()
        return ()
    if begun:
        begun.commit()
    found = {row[0] for row in rows}  # Two equal rows say no more than one.
    if wrong := [value for value in found if not isinstance(value, str) or not value]:
        raise VersionTableDamaged(str(version_table), repr(wrong[0]), redact_url(connection.engine.url))
    return tuple(sorted(found))


def _is_about_a_missing_table(error: DBAPIError) -> bool:
    return sqlstate(error) == _UNDEFINED_TABLE or str(error.orig).startswith("no such table: ")


def engine_version(connection: Connection) -> str:
    """Return the engine of a database and its version, such as `PostgreSQL 15.18`."""
    version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    return f"{ENGINES[connection.dialect.name]} {version}"


def _create_file(url: URL) -> None:
    """Create an SQLite file if it is missing. Only the owner of the file can read it.

    SQLite gives its journal files the permissions of the database file.
    """
    if url.get_backend_name() == "sqlite" and not is_memory(url):
        with suppress(OSError):  # The file exists, or the error of the driver explains the failure better.
            os.close(os.open(os.path.realpath(str(url.database)), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _is_absent(file: Path) -> bool:
    """Return whether the file is missing and its folder exists. Return False if the path cannot be examined."""
    try:
        file.stat()
    except FileNotFoundError:
        return file.parent.is_dir()
    except OSError:
        return False
    return False


def _begin(statement: str, *, limits: bool = True) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":  # The driver of PostgreSQL begins transactions itself.
            connection.exec_driver_sql(statement)
        elif limits:
            configure(connection, undisturbed(connection))

    return begin


def _begin_as_first_or_beside() -> Callable[[Connection], None]:
    """Return a function that begins a transaction. On SQLite the function uses `BEGIN IMMEDIATE`.

    If another transaction of the engine is open, the function uses `BEGIN` instead, because `BEGIN IMMEDIATE` would
    fail.
    """
    begun: list[weakref.ref[Connection]] = []

    def begin(connection: Connection) -> None:
        open_ = [each for ref in begun if (each := ref()) is not None and not each.closed and each.in_transaction()]
        begun[:] = [weakref.ref(each) for each in (*open_, connection)]
        _begin("BEGIN" if open_ else "BEGIN IMMEDIATE", limits=False)(connection)

    return begin


def _engine(db: DbConfig, begin: Callable[[Connection], None], *, is_scratch: bool = False) -> Engine:
    url = db.migration_url
    shared: dict[str, Any] = {
        "poolclass": NullPool,
        "pool_logging_name": APPLICATION_NAME,
        "hide_parameters": True,
        # A migration repeats few statements, and each statement in the cache keeps its tables in memory.
        "query_cache_size": 500 if is_scratch else 8,
    }
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **shared, connect_args={"factory": SqliteConnection})
        event.listen(engine, "connect", _prepare_sqlite(db))
    else:
        wanted = {"connect_timeout": db.connect_timeout, "application_name": APPLICATION_NAME, **_KEEPALIVES}
        wanted["client_encoding"] = "utf8"  # A database in SQL_ASCII would make the driver take ASCII only.
        own = {key: value for key, value in wanted.items() if key not in url.query}
        patience = 0 if is_scratch else max(db.migration_lock_timeout, _LEAST_PATIENCE)
        own["connection_factory"] = partial(patient, patience)
        # Set even if the role has another default: after waiting for a lock, a run must see what others changed.
        engine = create_engine(url, **shared, connect_args=own, isolation_level="READ COMMITTED")
    event.listen(engine, "begin", begin)
    return engine


def _prepare_sqlite(db: DbConfig) -> Callable[[sqlite3.Connection, object], None]:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {db.busy_timeout * 1000}")
        connection.execute("PRAGMA foreign_keys = OFF")

    return prepare
