"""The desktop application: the API, the pages, and what keeps both to this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from antarest.desktop.instance import INSTANCE_PATH
from antarest.desktop.pages import Pages
from antarest.desktop.presentation import FOLDER
from antarest.web.application import create_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from antarest.core.config import Config
    from antarest.migration.project.project import Project

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The documentation of the API is made elsewhere, with its scripts in the page. It shows nothing from the database.
_DOCUMENTATION = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A page somewhere else can let its name point to this computer; the browser then sends that name.
_HOSTS = ["127.0.0.1", "localhost"]


def create_desktop_app(config: Config, project: Project, instance: str) -> FastAPI:
    """Make the desktop application; nothing is connected yet.

    Args:
        config: the configuration.
        project: the revisions that its database has.
        instance: what it answers when it is asked who it is.
    """
    app = create_app(config, project)
    Pages(app.state.database).install(app)
    protect(app, instance)
    return app


def protect(app: FastAPI, instance: str) -> None:
    """Give an application its style sheet and its name, and let nobody but this computer's browser use it."""

    async def who() -> JSONResponse:
        return JSONResponse({"id": instance})

    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    app.add_api_route(INSTANCE_PATH, who, include_in_schema=False)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)


class SecurityHeaders:
    """Tells the browser to load nothing from elsewhere, to run no script but ours, and to tell nobody the address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_documentation = scope["path"] == "/docs" or scope["path"].startswith("/docs/")
                headers["Content-Security-Policy"] = _DOCUMENTATION if is_documentation else _POLICY
                headers["Referrer-Policy"] = "same-origin"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, send_on)
