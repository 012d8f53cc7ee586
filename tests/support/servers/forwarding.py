"""Make a PostgreSQL server on another host, or in a container, available on this host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import URL


@contextmanager
def forwarded(url: URL) -> Iterator[URL]:
    """Return the URL of the same PostgreSQL server on a loopback address."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def copy(source: socket.socket, target: socket.socket) -> None:
            try:
                while part := source.recv(65_536):
                    target.sendall(part)
                target.shutdown(socket.SHUT_WR)
            except OSError:  # one of the two has gone
                pass

        def accept() -> None:
            while True:
                try:
                    client = stack.enter_context(listener.accept()[0])
                except OSError:  # the test is over
                    return
                server = stack.enter_context(socket.create_connection((str(url.host), url.port or 5432)))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=ends, daemon=True).start()

        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=accept, daemon=True).start()
        yield url.set(host="127.0.0.1", port=listener.getsockname()[1])
