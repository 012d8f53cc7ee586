"""Creates the desktop application: the API, the pages, and the refusal of requests from other computers and sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from antarest.desktop.instance import INSTANCE_PATH
from antarest.desktop.pages.formatting import FOLDER
from antarest.desktop.pages.pages import Pages
from antarest.web.application import create_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from antarest.core.config import AppConfig
    from antarest.migration.project.project import Project

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# FastAPI puts scripts into the page of the API's documentation. This page shows no data of the database.
_DOCUMENTATION = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Another site can point its host name to this computer (DNS rebinding). The browser then sends that name.
_HOSTS = ["127.0.0.1", "localhost"]


def create_desktop_app(config: AppConfig, project: Project, instance: str) -> FastAPI:
    """Return the desktop application. It is not connected to the database yet.

    Args:
        config: the configuration.
        project: the project. The database should be at the head of the project.
        instance: the id of this running instance of the application.
    """
    app = create_app(config, project)
    Pages(app.state.database).install(app)
    protect(app, instance)
    return app


def protect(app: FastAPI, instance: str) -> None:
    """Add routes for the static files and for the instance id. Refuse requests from other computers and other sites."""

    async def who() -> JSONResponse:
        return JSONResponse({"id": instance})

    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    app.add_api_route(INSTANCE_PATH, who, include_in_schema=False)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)


class SecurityHeaders:
    """Adds headers to answers: the browser loads no files from other sites, and sends them no addresses of pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and add the headers to the answer."""

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
