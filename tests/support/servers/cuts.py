"""A proxy before a PostgreSQL server, which cuts connections at a commit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import URL


class Proxy:
    """A proxy between a run and the server. It cuts the connection at the first commit.

    Attributes:
        url: the URL with which the run connects to the proxy.
        has_cut: whether the proxy has cut a connection.
    """

    def __init__(self, url: URL, *, cuts: bool = True, lets_it_pass: bool = True, lets_in: int | None = None) -> None:
        """Start the proxy.

        Args:
            url: the database.
            cuts: whether to cut the connection.
            lets_it_pass: whether the server still receives the commit.
            lets_in: how many connections are possible after the commit; None for no limit.
        """
        self._cuts, self._lets_it_pass, self._lets_in = cuts, lets_it_pass, lets_in
        self._has_seen, self.has_cut = False, False
        self._server = (str(url.host), url.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Cut all connections, and accept no more."""
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
                if self._has_seen and self._lets_in is not None:
                    self._lets_in -= 1
                    if self._lets_in == 0:
                        _shut(self._listener)
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._start(self._pass, client, server, True)
                self._start(self._pass, server, client, False)

    def _pass(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if is_client and not self._has_seen and b"COMMIT\x00" in data:
                    self._has_seen = True
                    if self._lets_in == 0:
                        _shut(self._listener)
                    if self._cuts:
                        self._cut(source, target, data)
                        break
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _cut(self, client: socket.socket, server: socket.socket, commit: bytes) -> None:
        self.has_cut = True
        _shut(client)
        if self._lets_it_pass:
            server.sendall(commit)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
