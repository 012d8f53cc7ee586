"""A network between a program and its PostgreSQL server that can hang without closing a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL


class Network:
    """Forwards data in both directions, until it is frozen."""

    def __init__(self, server: URL) -> None:
        self._server = (str(server.host), server.port or 5432)
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.url = server.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Stop forwarding. New connections are accepted, but nothing answers."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again."""
        self._flows.set()

    def close(self) -> None:
        """Close every connection."""
        self.thaw()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._server)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=[one, other], daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                self._flows.wait()
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def network(server: URL) -> Iterator[Network]:
    """Start a network before a server. Connect to its `url`."""
    made = Network(server)
    try:
        yield made
    finally:
        made.close()
