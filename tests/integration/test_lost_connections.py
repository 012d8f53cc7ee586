"""A connection that is cut: all or nothing, an error that says which, and a second run that completes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.core.errors import EXIT_DONE, EXIT_UNREACHABLE, NOTHING_CHANGED
from tests.support_histories import Script
from tests.support_runs import GATE, Runner, Start, refused

FIRST = Script("first", upgrade='sql("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)")')
SECOND = Script("second", upgrade=f'sql("INSERT INTO t VALUES (2)")\n{GATE}sql("INSERT INTO t VALUES (3)")')


def test_a_session_that_an_administrator_ends(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, FIRST, SECOND)
    here.database.workflow.upgrade("first")
    run = here.started()
    # The one that migrates: the other one, which holds the first lock, runs no INSERT.
    here.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'INSERT INTO t%' AND datname = current_database()"
    )
    here.open()

    error = refused(run, "db.E309", EXIT_UNREACHABLE)

    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at first.")
    assert error.details["during"] == "the upgrade of revision second"
    assert here.database.value("SELECT count(*) FROM t") == 1
    assert here.module("upgrade").end().code == EXIT_DONE
    assert here.database.value("SELECT count(*) FROM t") == 3


class Proxy:
    """Stands between a run and the server, and cuts the connection when a commit passes.

    Attributes:
        url: how the run reaches it.
        lets_it_pass: whether the server still hears of the commit.
        goes_too: whether nobody can connect any more after that.
        has_cut: whether it has.
    """

    def __init__(self, url: URL, *, lets_it_pass: bool, goes_too: bool) -> None:
        self.lets_it_pass, self.goes_too, self.has_cut = lets_it_pass, goes_too, False
        self._server = (str(url.host), url.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Cut all connections, and take no more."""
        for each in self._sockets:
            _shut(each)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._start(self._pass, client, server, True)
                self._start(self._pass, server, client, False)

    def _pass(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if is_client and not self.has_cut and b"COMMIT\x00" in data:
                    self._cut(source, target, data)
                    break
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _cut(self, client: socket.socket, server: socket.socket, commit: bytes) -> None:
        self.has_cut = True
        if self.goes_too:
            _shut(self._listener)
        _shut(client)
        if self.lets_it_pass:
            server.sendall(commit)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cut(runner: Start, postgres_database: URL) -> Iterator[Callable[..., tuple[Runner, Proxy]]]:
    """A database behind a proxy, at its first revision: `cut(lets_it_pass=True)`."""
    with ExitStack() as stack:

        def build(*, lets_it_pass: bool, goes_too: bool = False) -> tuple[Runner, Proxy]:
            here = runner(postgres_database, FIRST, SECOND)
            here.database.workflow.upgrade("first")
            here.open()
            proxy = Proxy(postgres_database, lets_it_pass=lets_it_pass, goes_too=goes_too)
            stack.callback(proxy.close)
            here.configure(proxy.url)
            return here, proxy

        yield build


def test_a_commit_whose_answer_is_lost_is_seen_by_a_second_connection(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    here, proxy = cut(lets_it_pass=True)

    ended = here.module("upgrade").end()

    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert proxy.has_cut
    assert "upgraded: 1 revision" in ended.out
    assert here.database.workflow.current() == ("second",)
    assert here.database.value("SELECT count(*) FROM t") == 3


def test_a_commit_that_did_not_arrive_is_none(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    here, proxy = cut(lets_it_pass=False)

    error = refused(here.module("upgrade"), "db.E309", EXIT_UNREACHABLE)

    assert proxy.has_cut
    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at first.")
    assert here.database.value("SELECT count(*) FROM t") == 1
    assert here.module("upgrade").end().code == EXIT_DONE


def test_a_commit_of_which_nobody_can_be_asked_is_not_called_anything_else(
    cut: Callable[..., tuple[Runner, Proxy]],
) -> None:
    here, _ = cut(lets_it_pass=True, goes_too=True)

    error = refused(here.module("upgrade"), "db.E309", EXIT_UNREACHABLE)

    assert error.state == "The connection was lost during a commit: the database is at first, or where that led to."
