"""Creates the FastAPI application with its routes, its errors and its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import antarest.dbmodel  # noqa: F401 - models name each other, so all of them must be known
from antarest import __version__
from antarest.core.config import AppConfig
from antarest.migration.project.project import Project
from antarest.web import answers
from antarest.web.api import status, studies, tasks
from antarest.web.reading.database import Database

_DESCRIPTION = "Reads the studies, variants and tasks of AntaREST. It cannot change anything."

_REFUSALS: dict[int | str, str] = {
    422: "A parameter is unknown, or its value is not allowed.",
    500: "The application failed.",
    503: "The database does not answer, is busy, or is not at the head of this version. Trying again can help.",
}


def create_app(config: AppConfig, project: Project) -> FastAPI:
    """Return the application. It is not connected to the database yet.

    `app.state` has the attributes `config`, `project` and `database`. Code that adds pages can also set
    `app.state.error_page` to an `ErrorPage`.

    Args:
        config: the configuration.
        project: the project. The database should be at the head of the project.
    """
    database = Database(config.db, project)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        database.close()

    app = FastAPIOffline(
        title="AntaREST",
        version=__version__,
        description=_DESCRIPTION,
        redoc_url=None,
        static_url="/docs/static",
        lifespan=lifespan,
        redirect_slashes=False,
        responses={status: {"model": answers.Refused, "description": text} for status, text in _REFUSALS.items()},
    )
    app.state.config, app.state.project, app.state.database = config, project, database
    for each in (status, studies, tasks):
        app.include_router(each.router)
    answers.install(app)
    return app
