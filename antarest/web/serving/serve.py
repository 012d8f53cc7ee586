"""Binds a socket, and serves an application on it until a signal comes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from antarest.migration.errors.base import EXIT_DONE, EXIT_INTERRUPTED
from antarest.web.errors.launching import HostNotOurs, PortForbidden, PortTaken
from antarest.web.serving.port_holder import holder_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PROGRAM: Final = "python3 antarest/main.py"


def bind(host: str, port: int, *, command: str = _PROGRAM) -> socket.socket:
    """Bind a port without listening on it. Clients that connect now are refused at once.

    Args:
        host: an address or a name of this machine.
        port: the port; 0 takes a free port.
        command: the command line of the program, for the hints of errors.

    Returns:
        The bound socket.

    Raises:
        PortTaken: another program has the port.
        HostNotOurs: the host is not an address of this machine.
        PortForbidden: this user is not allowed to use the port.
    """
    try:
        family, kind, protocol, _, address = _resolve(host, port)
    except (OSError, UnicodeError) as error:
        reason = "no such name is known" if isinstance(error, OSError) else "that is not a name"
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
    """Return the address that a browser needs to connect to a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, bound: socket.socket, *, on_ready: Callable[[], None], command: str = _PROGRAM) -> int:
    """Serve an application until Ctrl-C or SIGTERM. Finish the running requests before returning.

    The running requests get ten seconds to finish. A second Ctrl-C ends them at once.

    Args:
        app: the application.
        bound: the socket from `bind`.
        on_ready: called when the server accepts connections.
        command: the command line of the program, for the hints of errors.

    Returns:
        The exit code: 130 if a second Ctrl-C ended requests, otherwise 0.

    Raises:
        PortTaken: another program listens on the port now.
    """
    from antarest.web.serving.server import Server  # imported here, since uvicorn is slow to import

    # Old connections of a previous server may still occupy the port. This is set only now, because with it a second
    # process could bind the port before this one listens.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host, port = bound.getsockname()[:2]
    server = Server(app, on_ready)
    try:
        server.run([bound])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(host, port, holder=holder_of(port), command=command) from error
    return EXIT_INTERRUPTED if server.is_hurried else EXIT_DONE


def _resolve(host: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # For a name with IPv4 and IPv6 addresses, take IPv4, which every client tries.
    return min(found, key=lambda each: each[0] != socket.AF_INET)  # type: ignore[return-value]


def _bound(family: int, kind: int, protocol: int, address: tuple[str, int]) -> socket.socket:
    # First without SO_REUSEADDR, with which two processes could bind the port.
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
