"""The uvicorn server of this project: one process, plain HTTP, no access log, and a clean stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from antarest.web.serving.protocol import Protocol

GRACE: Final = 10
"""The seconds that running requests get to finish when the server stops."""

_KEEP_ALIVE: Final = 5
_TICK: Final = 0.05


class Server(uvicorn.Server):
    """A server that reports when it is ready. After a signal has stopped the server, its `run` returns normally."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
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
        super().__init__(config)
        self._on_ready = on_ready
        self.is_hurried = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and report that the server is ready."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the running requests, unless a second Ctrl-C comes."""
        hurry = asyncio.create_task(self._hurry())
        await super().shutdown(sockets)
        hurry.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - `signal` passes both
        """Stop the server after the running requests. A second Ctrl-C stops the server at once."""
        # The method of the base would also keep the signal, and raise it again at the end.
        self.is_hurried = self.is_hurried or (self.should_exit and sig == signal.SIGINT)
        self.should_exit = True

    async def _hurry(self) -> None:
        """After a second Ctrl-C, end the running requests, and the connections of clients that do not read.

        The base class has the attribute `force_exit` for this, but with it, the application cannot close its database.
        """
        while not self.is_hurried:  # noqa: ASYNC110 - a signal handler cannot set an event of the loop
            await asyncio.sleep(_TICK)
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(4 * _TICK)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
