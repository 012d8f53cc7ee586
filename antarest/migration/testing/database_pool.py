"""A pool of PostgreSQL databases, which are created in advance for the tests of one process.

Used databases are dropped in the background.
"""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from sqlalchemy import URL, text

from ..scratch.databases import PostgresServer, create_database
from ..scratch.leftovers import owned_databases
from .templates import TEST, Template, drop_unused, note_use, postgres_template

_THREADS = 2  # one makes a database while the other drops one


class DatabasePool:
    """A pool that copies databases from templates in its own threads. The pool must be closed at the end.

    Args:
        server: the server of the databases.
        run: the id of the run of pytest.
    """

    def __init__(self, server: PostgresServer, run: str) -> None:
        self._server = server
        self._run = run
        self._ownership = ExitStack()
        self._engine, self._prefix = self._ownership.enter_context(owned_databases(server.url, TEST))
        self._numbers = itertools.count()
        # Signals must reach the main thread: a signal in another thread does not wake up a test that waits.
        self._threads = ThreadPoolExecutor(_THREADS, "databases", _block_signals)
        self._templates: dict[Template, str] = {}
        self._in_advance: dict[str, Future[URL]] = {}
        self._used_templates: set[str] = set()
        self._names: set[str] = set()  # the names of the databases that exist

    def take(self, template: Template | None) -> URL:
        """Return a database that only the caller uses, until it is given back or kept.

        Args:
            template: the template to copy; None for an empty database.

        Raises:
            TemplateFailed: a revision does not run.
        """
        source = self._database_of(template) if template else "template0"
        taken = self._in_advance.pop(source, None)
        if taken is None or taken.exception():  # Perhaps the server was unreachable before.
            taken = self._threads.submit(self._make, source)
        if source in self._used_templates:  # A template that is used twice is usually used often.
            self._in_advance[source] = self._threads.submit(self._make, source)
        self._used_templates.add(source)
        return taken.result()

    def give_back(self, url: URL) -> None:
        """Drop a database in the background, even if somebody is still connected."""
        self._threads.submit(self._drop, str(url.database))

    def keep(self, url: URL) -> None:
        """Keep a database after the test, so that somebody can look at it."""
        self._names.discard(str(url.database))
        with self._engine.connect() as connection:
            note_use(connection, str(url.database))

    def close(self) -> None:
        """Drop the remaining databases, and the templates that were not used for some time."""
        self._threads.shutdown()
        with self._ownership:
            for name in sorted(self._names):
                self._drop(name)
            with self._engine.connect() as connection:
                drop_unused(connection)

    def _database_of(self, template: Template) -> str:
        if template not in self._templates:
            unfinished = f"{self._prefix}t{next(self._numbers)}"
            with self._engine.connect() as connection:
                found = postgres_template(template, self._server.url, connection, self._run, unfinished)
            self._templates[template] = found
        return self._templates[template]

    def _make(self, source: str) -> URL:
        name = f"{self._prefix}{next(self._numbers)}"
        with self._engine.connect() as connection:
            create_database(connection, name, source)
        self._names.add(name)
        return self._server.url.set(database=name)

    def _drop(self, name: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        self._names.discard(name)


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
