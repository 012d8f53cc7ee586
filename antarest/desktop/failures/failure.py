"""The application after a failed upgrade: one page that shows the failure, until another try succeeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from antarest.desktop.application import protect
from antarest.desktop.failures.explanations import explain
from antarest.desktop.pages.address import DatabaseAddress
from antarest.desktop.pages.formatting import environment
from antarest.migration.backup.files import Folder
from antarest.migration.errors.base import AntarestError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from antarest.core.config import AppConfig

_SEE_OTHER = 303
_FORBIDDEN = 403
_UNAVAILABLE = 503

Attempt = Callable[[], FastAPI | AntarestError]
"""Upgrades the database, and returns the application or the error of the upgrade. A signal raises an error."""


class RetryingApp:
    """Serves the desktop application, or a page about the error that prevents its start.

    Attributes:
        error: the error of the last try to upgrade the database; None while the desktop application is served.
        stopped: the error of a signal that ended a try; None if no signal ended a try.
    """

    def __init__(self, config: AppConfig, instance: str, attempt: Attempt) -> None:
        """Try for the first time to upgrade the database.

        Args:
            config: the configuration.
            instance: the id of this running instance of the application.
            attempt: upgrades the database. It is called again when the user asks for another try.
        """
        self._attempt = attempt
        self.error: AntarestError | None = None
        self.stopped: AntarestError | None = None
        self._app: FastAPI | None = None
        self.try_()
        self._failure = create_failure_app(config, instance, self)

    def try_(self) -> None:
        """Upgrade the database. From now on, serve the application, or the error if the upgrade failed.

        Do nothing if the application is already served.

        Raises:
            RunInterrupted, RunTerminated: a signal has stopped the upgrade.
        """
        if self._app or self.stopped:  # While the server stops, there is no further try.
            return
        try:
            found = self._attempt()
        except AntarestError as stopped:
            self.error = self.stopped = stopped
            raise
        if isinstance(found, AntarestError):
            self.error = found
        else:
            self.error, self._app = None, found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or handle the start and the end of the server."""
        if scope["type"] != "lifespan":
            await (self._app or self._failure)(scope, receive, send)
            return
        # These messages are not passed on, since the application may be replaced while the server runs.
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._app:
            self._app.state.database.close()
        await send({"type": "lifespan.shutdown.complete"})


def create_failure_app(config: AppConfig, instance: str, retrying: RetryingApp) -> FastAPI:
    """Create the application that shows the failure at every address.

    Args:
        config: the configuration.
        instance: the id of this running instance of the application.
        retrying: the object that has the error, and that can try the upgrade again.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    protect(app, instance)
    template = environment().get_template("failure.html.jinja")

    async def retry(request: Request) -> Response:
        # A page of another site can send a form here too. The browser then sends the origin of that page.
        if request.headers.get("origin", f"http://{request.headers['host']}") != f"http://{request.headers['host']}":
            return JSONResponse({"error": {"message": "the request comes from another site"}}, _FORBIDDEN)
        with suppress(AntarestError):  # A signal has stopped the try, and stops the server too.
            retrying.try_()  # This blocks the main thread, which handles signals. Other requests wait.
        return RedirectResponse("/", _SEE_OTHER)

    async def page(request: Request) -> Response:
        error = retrying.error
        if error is None:
            return RedirectResponse("/", _SEE_OTHER)
        if request.url.path.startswith("/api/"):
            facts = {"code": error.code, "message": explain(error).title}
            return JSONResponse({"error": facts}, _UNAVAILABLE)
        backups = (each for each in Folder.of(config.db).list() if each.contents)  # Our own backups were verified.
        newest = next((str(each.path) for each in backups), "")
        text = template.render(
            error=error,
            explanation=explain(error, newest),
            place=DatabaseAddress.of(config.db.url),
            source=config.source,
        )
        return HTMLResponse(text, _UNAVAILABLE)

    app.add_api_route("/retry", retry, methods=["POST"])
    app.add_api_route("/{path:path}", page)
    return app
