"""Serving an application: the socket, bound before anything else happens, and a server that stops as it is asked to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from antarest.migration.errors.base import EXIT_DONE, EXIT_INTERRUPTED
from antarest.web.errors.launching import HostNotOurs, PortForbidden, PortTaken
from antarest.web.port_holder import holder_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

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


def serve(app: ASGIApp, bound: socket.socket, *, on_ready: Callable[[], None], command: str = _PROGRAM) -> int:
    """Serve an application until Ctrl-C or SIGTERM, then finish the running requests and return.

    Requests get ten seconds to finish. A second Ctrl-C does not wait for them.

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
    from antarest.web.server import Server  # uvicorn is not needed before

    # Connections of a server that ran here until now may linger on the port. Not set before, else a second process
    # could take the port as long as nobody listens on it.
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
