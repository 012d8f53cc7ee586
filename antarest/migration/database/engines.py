"""The engine with which an application connects, and connections that wait only a limited time for an answer."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine

from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import is_memory
from .driver_connections import postgres_connection

# With these, a host that is down or cut off is noticed within half a minute. Without these settings it takes hours.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


def create_db_engine(db: DbConfig | URL, *, application_name: str = "antarest", **options: Any) -> Engine:
    """Return the application's engine. It is not connected yet.

    On SQLite every connection enforces foreign keys and waits for other writers. On PostgreSQL a connection has an
    application name, and fails if the server does not answer in time. Bound values stay out of logs and errors.

    Args:
        db: the configuration; or a normalised URL, for a configuration with default values.
        application_name: the name of the connections in the server's list of sessions (PostgreSQL).
        options: other arguments of SQLAlchemy's `create_engine`, which override ours.
    """
    db = db if isinstance(db, DbConfig) else DbConfig(db)
    settings: dict[str, Any] = {"hide_parameters": True}
    if not is_memory(db.url):
        names = ("pool_size", "max_overflow", "pool_recycle", "pool_pre_ping")
        settings |= {name: getattr(db, name) for name in names if "poolclass" not in options}
    if db.url.get_backend_name() == "postgresql":
        defaults = {"connect_timeout": db.connect_timeout, "application_name": application_name, **_KEEPALIVES}
        # The user chose the parameters in the URL, so they override ours.
        settings["connect_args"] = {name: value for name, value in defaults.items() if name not in db.url.query}
    engine = create_engine(db.url, **settings | options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite(db.busy_timeout))
    return engine


def patient(seconds: float, *arguments: Any) -> Any:
    """Return a driver connection that waits for the answer to the first statement of a transaction with a time limit.

    Args:
        seconds: the time limit; 0 for no limit.
        arguments: the arguments that psycopg2 gives to a connection factory.
    """
    connection = postgres_connection()(*arguments)
    connection.patience = seconds
    return connection


def _prepare_sqlite(busy_timeout: int) -> Any:
    def prepare(connection: Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={busy_timeout * 1000}")

    return prepare
