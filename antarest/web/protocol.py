"""HTTP on one connection: as uvicorn speaks it, but it waits for a request for a limited time, and says what is wrong.

uvicorn has no limit for the time until the first request, and answers whatever it cannot read with 400.
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
"""The seconds in which the head of a request must have arrived: after the connection, or after the answer before."""

HEAD_LIMIT: Final = 16 * 1024
"""The bytes that the head of a request has at most."""

_LINGER: Final = 5.0


class Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what follows a refused request is read and forgotten, so that the client can read the refusal."""
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        """Stop waiting once a request is there."""
        super().handle_events()
        if self._answering:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request: a byte now and then does not make the connection last."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._answering:
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the base knows one text only
        """Answer what cannot be read, and close once the client has had time to read the answer."""
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
        # Closing at once while the client still sends would reset the connection, and the answer with it.
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
        if getattr(reason, "error_status_hint", 400) != 431:  # noqa: PLR2004 - as h11 says it
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
