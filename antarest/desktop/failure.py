"""What is served when the upgrade failed: one page that says so, until trying again succeeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from antarest.desktop.application import protect
from antarest.desktop.place import Place
from antarest.desktop.presentation import environment
from antarest.desktop.words import explain
from antarest.migration.errors.base import AntarestError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from antarest.core.config import Config

_SEE_OTHER = 303
_FORBIDDEN = 403
_UNAVAILABLE = 503

Attempt = Callable[[], FastAPI | AntarestError]
"""Upgrades the database: returns the application that can be served then, or why it cannot; raises what says that a
signal has stopped it."""


class Stage:
    """What is served right now: the application, or the page about what keeps it from being served.

    Attributes:
        error: why the application is not served; None while it is.
        stopped: what says that a signal has ended an attempt; None until then.
    """

    def __init__(self, config: Config, instance: str, attempt: Attempt) -> None:
        """Try for the first time.

        Args:
            config: the configuration.
            instance: what the application answers when it is asked who it is.
            attempt: upgrades the database; called again when somebody asks for it.
        """
        self._attempt = attempt
        self.error: AntarestError | None = None
        self.stopped: AntarestError | None = None
        self._app: FastAPI | None = None
        self.try_()
        self._failure = create_failure_app(config, instance, self)

    def try_(self) -> None:
        """Upgrade, and serve what came of it; nothing to do when the application is served already.

        Raises:
            RunInterrupted, RunTerminated: a signal has stopped it.
        """
        if self._app or self.stopped:  # Whoever asks once more while the server stops gets nothing more.
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
        """Answer a request, or live as long as the server does."""
        if scope["type"] != "lifespan":
            await (self._app or self._failure)(scope, receive, send)
            return
        # Not passed on: the application may come and go while the server stays.
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._app:
            self._app.state.database.close()
        await send({"type": "lifespan.shutdown.complete"})


def create_failure_app(config: Config, instance: str, stage: Stage) -> FastAPI:
    """Make the application that shows, at every address, what keeps the real one from being served.

    Args:
        config: the configuration.
        instance: what the application answers when it is asked who it is.
        stage: what knows the error, and tries again.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    protect(app, instance)
    template = environment().get_template("failure.html.jinja")

    async def retry(request: Request) -> Response:
        # A page somewhere else can send a form here too; only its browser says where it comes from.
        if request.headers.get("origin", f"http://{request.headers['host']}") != f"http://{request.headers['host']}":
            return JSONResponse({"error": {"message": "this comes from another site"}}, _FORBIDDEN)
        with suppress(AntarestError):  # A signal has stopped it, and stops the server too.
            stage.try_()  # In the main thread, which serves signals; there is nothing else to serve meanwhile.
        return RedirectResponse("/", _SEE_OTHER)

    async def page(request: Request) -> Response:
        error = stage.error
        if error is None:
            return RedirectResponse("/", _SEE_OTHER)
        if request.url.path.startswith("/api/"):
            facts = {"code": error.code, "message": explain(error).title}
            return JSONResponse({"error": facts}, _UNAVAILABLE)
        text = template.render(
            error=error, explanation=explain(error), place=Place.of(config.db.url), source=config.source
        )
        return HTMLResponse(text, _UNAVAILABLE)

    app.add_api_route("/retry", retry, methods=["POST"])
    app.add_api_route("/{path:path}", page)
    return app
