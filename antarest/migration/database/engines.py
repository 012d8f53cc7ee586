"""The engine that an application connects with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event

from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import is_memory

if TYPE_CHECKING:
    from sqlite3 import Connection

    from sqlalchemy.engine import URL, Engine

# A server whose host died, or was cut off, is noticed within half a minute. Without this, after hours.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


def create_db_engine(db: DbConfig | URL, *, application_name: str = "antarest", **options: Any) -> Engine:
    """The application's engine: nothing is connected yet.

    On SQLite every connection enforces foreign keys and waits for other writers; on PostgreSQL it gives up on a server
    that does not answer, and says who it is. Bound values stay out of logs and errors.

    Args:
        db: the configuration, or a normalised URL to connect to with the defaults.
        application_name: what the server's list of sessions shows.
        options: anything else that SQLAlchemy's `create_engine` takes; it wins.
    """
    db = db if isinstance(db, DbConfig) else DbConfig(db)
    settings: dict[str, Any] = {"hide_parameters": True}
    if not is_memory(db.url):
        names = ("pool_size", "max_overflow", "pool_recycle", "pool_pre_ping")
        settings |= {name: getattr(db, name) for name in names if "poolclass" not in options}
    if db.url.get_backend_name() == "postgresql":
        defaults = {"connect_timeout": db.connect_timeout, "application_name": application_name, **_KEEPALIVES}
        # A parameter in the URL is somebody's decision, and wins.
        settings["connect_args"] = {name: value for name, value in defaults.items() if name not in db.url.query}
    engine = create_engine(db.url, **settings | options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite(db.busy_timeout))
    return engine


def _prepare_sqlite(busy_timeout: int) -> Any:
    def prepare(connection: Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={busy_timeout * 1000}")

    return prepare
