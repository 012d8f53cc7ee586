"""uvicorn's HTTP protocol, with a time limit for the head of a request, and JSON answers to requests that are not HTTP.

uvicorn has no setting for these two things. It waits without limit for the first request of a connection, so idle
clients could use up all connections. If it cannot read a request, it answers with plain text and status 400. An ASGI
middleware cannot help, because it is called only after the head was read. So this module overrides methods of a private
class of uvicorn. The tests of slow and broken requests fail if a release of uvicorn changes this class.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

from antarest.web.answers import body_of, status_of
from antarest.web.errors.answering import HeadersTooLarge, MalformedRequest, RequestError, RequestTooLong

HEAD_TIMEOUT: Final = 10.0
"""The seconds for the head of a request, from the connection or from the previous answer."""

HEAD_LIMIT: Final = 16 * 1024
"""The largest number of bytes of the head of a request."""

_LINGER: Final = 5.0


class Protocol(H11Protocol):
    """The protocol of one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        """Start the time limit for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit, because the connection has ended."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data. Data after a refused request is ignored, so that the client can read the refusal."""
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        """Stop the time limit when a request has arrived."""
        super().handle_events()
        if self._answering:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Start the time limit for the next request. A client that sends single bytes does not extend the limit."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._answering:
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the same text for every failure
        """Answer a request that cannot be read, and close the connection a few seconds later."""
        error = self._refusal()
        body = json.dumps(body_of(error)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        status = status_of(error)
        head = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        # Closing while the client still sends would reset the connection, and the client would lose the answer.
        self._refused = True
        self._wait_no_more()
        self.transport.write_eof()
        self._deadline = self.loop.call_later(_LINGER, self.transport.close)

    @property
    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _refusal(self) -> RequestError:
        reason = sys.exception()
        if getattr(reason, "error_status_hint", 400) != 431:  # noqa: PLR2004 - the status of h11 for a head that is too large
            return MalformedRequest()
        received, _ = self.conn.trailing_data
        return HeadersTooLarge(HEAD_LIMIT) if b"\n" in received else RequestTooLong(HEAD_LIMIT)

    def _wait(self) -> None:
        self._wait_no_more()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
