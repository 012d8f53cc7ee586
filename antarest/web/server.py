"""uvicorn, as this project runs it: one process, plain HTTP, quiet, and gone when it is told to go."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from antarest.web.protocol import Protocol

GRACE: Final = 10
"""The seconds that running requests get to finish when the server stops."""

_KEEP_ALIVE: Final = 5
_TICK: Final = 0.05


class Server(uvicorn.Server):
    """A server that says when it is ready, and returns when it has stopped, whatever stopped it."""

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
        """Listen, and say so."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the running requests, unless somebody is in a hurry."""
        hurry = asyncio.create_task(self._hurry())
        await super().shutdown(sockets)
        hurry.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal wants it
        """Stop; a second Ctrl-C does not wait for running requests."""
        # The method of the base would remember the signal as well, to raise it again at the end.
        self.is_hurried = self.is_hurried or (self.should_exit and sig == signal.SIGINT)
        self.should_exit = True

    async def _hurry(self) -> None:
        """Once somebody is in a hurry, end the requests, and the connections of those who do not read their answer.

        The base has `force_exit` for this, which leaves the application without its own end.
        """
        while not self.is_hurried:  # noqa: ASYNC110 - the handler of a signal cannot wake the loop by an event
            await asyncio.sleep(_TICK)
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(4 * _TICK)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
