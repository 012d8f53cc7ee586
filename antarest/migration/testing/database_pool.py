"""The PostgreSQL databases of one process's tests: made ahead of the test that asks for one, and dropped behind it."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from sqlalchemy import URL, text

from ..scratch.databases import PostgresServer
from ..scratch.leftovers import owned_databases
from .templates import TEST, Template, drop_unused, note_use, postgres_template

_THREADS = 2  # one makes a database while the other drops one


class DatabasePool:
    """Databases of a server, copied from templates by threads of their own. Close it at the end.

    Args:
        server: where they are.
        run: as for `Template.key`.
    """

    def __init__(self, server: PostgresServer, run: str) -> None:
        self._server = server
        self._run = run
        self._ownership = ExitStack()
        self._engine, self._prefix = self._ownership.enter_context(owned_databases(server.url, TEST))
        self._numbers = itertools.count()
        # Signals are for the tests: where a thread took one, a test that waits would not wake up.
        self._threads = ThreadPoolExecutor(_THREADS, "databases", _block_signals)
        self._templates: dict[Template, str] = {}
        self._ahead: dict[str, Future[URL]] = {}
        self._asked: set[str] = set()
        self._names: set[str] = set()  # of the databases that are there

    def take(self, start: Template | None) -> URL:
        """Return a database for the caller alone, until it is given back or kept.

        Args:
            start: what it begins with; None for an empty one.

        Raises:
            TemplateFailed: a revision does not run.
        """
        template = self._template(start) if start else "template0"
        taken = self._ahead.pop(template, None)
        if taken is None or taken.exception():  # The server may have been away for a moment.
            taken = self._threads.submit(self._make, template)
        if template in self._asked:  # Most are asked for once, or often.
            self._ahead[template] = self._threads.submit(self._make, template)
        self._asked.add(template)
        return taken.result()

    def give_back(self, url: URL) -> None:
        """Drop a database, with whoever is still connected; nobody waits for it."""
        self._threads.submit(self._drop, str(url.database))

    def keep(self, url: URL) -> None:
        """Let a database be: somebody wants to look at it."""
        self._names.discard(str(url.database))
        with self._engine.connect() as connection:
            note_use(connection, str(url.database))

    def close(self) -> None:
        """Drop what nobody has taken, what could not be dropped before, and what nobody has asked for of late."""
        self._threads.shutdown()
        with self._ownership:
            for name in sorted(self._names):
                self._drop(name)
            with self._engine.connect() as connection:
                drop_unused(connection)

    def _template(self, start: Template) -> str:
        if start not in self._templates:
            unfinished = f"{self._prefix}t{next(self._numbers)}"
            with self._engine.connect() as connection:
                self._templates[start] = postgres_template(start, self._server.url, connection, self._run, unfinished)
        return self._templates[start]

    def _make(self, template: str) -> URL:
        name = f"{self._prefix}{next(self._numbers)}"
        with self._engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        self._names.add(name)
        return self._server.url.set(database=name)

    def _drop(self, name: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        self._names.discard(name)


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
