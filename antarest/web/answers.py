"""Turns errors into HTTP answers: a status, and JSON that always has the same form.

The form is `{"error": {"code": ..., "message": ..., "details": {...}, "hints": [{"text": ..., "command": ...}]}}`.
Only errors that were written for clients are shown completely. The log has the details of all errors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.project import UnknownRevision
from antarest.migration.errors.text import first_line
from antarest.web.errors.answering import (
    Failure,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchRoute,
    RequestError,
    Stopping,
    shown,
)
from antarest.web.errors.launching import AppError

log = logging.getLogger("antarest.web")

ErrorPage = Callable[[Request, AntarestError, int], Response | None]
"""A function that returns a page about an error; None if the answer should be JSON."""

_FOR_THE_OPERATOR = ("database", "reason")
_UNAVAILABLE = 503


class Suggestion(BaseModel):
    """A next step that an error suggests."""

    text: str
    command: str = Field(description="The command or the request for it; empty if there is none.")


class Problem(BaseModel):
    """An error, as a client sees it."""

    code: str = Field(description="A stable code, such as `app.E422`.")
    message: str
    details: dict[str, str]
    hints: list[Suggestion]


class Refused(BaseModel):
    """The answer to a request that failed."""

    error: Problem


def status_of(error: AntarestError) -> int:
    """Return the HTTP status of an error: 503 for all errors of the database."""
    return int(getattr(error, "status", _UNAVAILABLE))


def body_of(error: AntarestError) -> dict[str, Any]:
    """Return the body of the answer, with the parts of the error that a client is allowed to see."""
    facts = error.to_dict()
    del facts["state"]
    if not isinstance(error, RequestError):
        facts["details"] = {label: text for label, text in error.details.items() if label not in _FOR_THE_OPERATOR}
        if not isinstance(error, AppError | UnknownRevision):
            # The message may name a server or a file, so the client gets the meaning of the code instead.
            facts |= {"message": meaning_of(error), "details": {}, "hints": []}
    return {"error": facts}


def meaning_of(error: AntarestError) -> str:
    """Return what the code of an error means in general, without the values of this error."""
    first = first_line(type(error).__doc__ or "the database cannot be used").rstrip(".")
    return first[:1].lower() + first[1:]


def answer(request: Request, error: AntarestError, **headers: str) -> Response:
    """Return the answer to a request that failed."""
    status = status_of(error)
    if status >= 500:  # noqa: PLR2004 - in HTTP, these are faults of the server
        _report(request, error)
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    shown_page = page(request, error, status) if page else None
    response = shown_page or JSONResponse(body_of(error), status)
    response.headers.update(headers)
    if status == _UNAVAILABLE:
        response.headers.setdefault("Retry-After", "5")
    return response


def install(app: FastAPI) -> None:
    """Let an application answer errors with the JSON that this module describes."""

    @app.exception_handler(AntarestError)
    async def known(request: Request, error: AntarestError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, InvalidRequest({_place(each): _problem(each) for each in error.errors()}))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        ours = {404: NoSuchRoute, 405: MethodNotAllowed}.get(error.status_code)
        return answer(request, ours() if ours else _other(error), **(error.headers or {}))

    app.add_middleware(Boundary)


def _place(problem: Mapping[str, Any]) -> str:
    return shown(".".join(str(part) for part in problem["loc"][1:]))


def _problem(problem: Mapping[str, Any]) -> str:
    """Return Pydantic's message about a parameter, without technical words."""
    if problem["type"] == "extra_forbidden":
        return "there is no such parameter"
    text = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def _other(error: HTTPException) -> RequestError:
    other = RequestError(str(error.detail))
    other.status = error.status_code
    return other


def _report(request: Request, error: AntarestError) -> None:
    facts = "; ".join([error.message, *(f"{label}: {text}" for label, text in error.details.items())])
    log.warning("%s %s: error %s: %s", request.method, shown(request.url.path), error.code, facts)


class Boundary:
    """The outermost layer of the application. It answers a request that raised an exception, and treats HEAD as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        # For HEAD, the server itself leaves the body out.
        scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self.app(scope, receive, send_on)
        except Exception:
            log.exception("%s %s: an unexpected error", scope["method"], shown(scope["path"]))
            if begun:
                raise
            await answer(Request(scope), Failure())(scope, receive, send_on)
        except asyncio.CancelledError:  # The server stops, and does not wait longer.
            if not begun:
                await answer(Request(scope), Stopping())(scope, receive, send_on)


_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
