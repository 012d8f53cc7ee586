"""Serving an application: the socket, bound before anything else happens, and a server that stops as it is asked to."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final

from antarest.core.errors import EXIT_DONE, EXIT_INTERRUPTED
from antarest.web.errors import HostNotOurs, PortForbidden, PortTaken
from antarest.web.port_holder import holder_of

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE: Final = 10
"""The seconds that running requests get to finish when the server stops."""

_KEEP_ALIVE: Final = 5
_PROGRAM: Final = "python3 antarest/main.py"


def bind(host: str, port: int, *, command: str = _PROGRAM) -> socket.socket:
    """Take a port, and do not listen yet: whoever connects now is refused at once, and does not wait.

    Args:
        host: an address or a name of this machine.
        port: the port; 0 takes a free one.
        command: the program, for the ways on that an error names.

    Raises:
        PortTaken: somebody else has it.
        HostNotOurs: the host is not one of this machine.
        PortForbidden: this user may not have it.
    """
    try:
        family, kind, protocol, _, address = _resolve(host, port)
    except (OSError, UnicodeError) as error:
        reason = "no such name is known" if isinstance(error, OSError) else "that is no name"
        raise HostNotOurs(host, reason, command=command) from error
    try:
        return _bound(family, kind, protocol, address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, holder=holder_of(port), command=command) from error
        reason = (error.strerror or "it is refused").lower()
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PortForbidden(port, reason, command=command) from error
        raise HostNotOurs(host, reason, command=command) from error


def address_of(bound: socket.socket) -> str:
    """The address of a socket, for a browser."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: FastAPI, bound: socket.socket, *, on_ready: Callable[[], None], command: str = _PROGRAM) -> int:
    """Serve an application until Ctrl-C or SIGTERM, then finish the running requests and return.

    Requests get `GRACE` seconds to finish. A second Ctrl-C does not wait for them.

    Args:
        app: the application.
        bound: what `bind` returned.
        on_ready: called when connections are accepted.
        command: the program, for the ways on that an error names.

    Returns:
        The exit code: 130 when requests were cut off by a second Ctrl-C.

    Raises:
        PortTaken: somebody else listens on the port by now.
    """
    import uvicorn

    from antarest.web.protocol import Protocol

    class Server(uvicorn.Server):
        """A server that tells when it is ready, and returns when it has stopped, whatever stopped it."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal wants it
            # The method of the base would remember the signal as well, to raise it again at the end.
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    # Connections of a server that ran here until now may linger on the port. Not set before, else a second process
    # could take the port as long as nobody listens on it.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host, port = bound.getsockname()[:2]
    server = Server(config)
    try:
        server.run([bound])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(host, port, holder=holder_of(port), command=command) from error
    return EXIT_INTERRUPTED if server.force_exit else EXIT_DONE


def _resolve(host: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name of both worlds is taken in the older one, which every client tries.
    return min(found, key=lambda each: each[0] != socket.AF_INET)  # type: ignore[return-value]


def _bound(family: int, kind: int, protocol: int, address: tuple[str, int]) -> socket.socket:
    # First without SO_REUSEADDR, which would let two processes have the port until one of them listens.
    for reuse in (0, 1):
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            bound.bind(address)
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE or reuse:
                raise
        else:
            return bound
    raise AssertionError  # the loop returned or raised
