"""The application: its routes, its errors, and its database from the first request to the last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import antarest.dbmodel  # noqa: F401 - models name each other, so all of them must be known
from antarest import __version__
from antarest.core.config import Config
from antarest.migration.project.project import Project
from antarest.web import answers
from antarest.web.api import status, studies, tasks
from antarest.web.database import Database

_DESCRIPTION = "Reads the studies, variants and tasks of AntaREST. Nothing can be changed here."

_REFUSALS: dict[int | str, str] = {
    422: "A parameter is unknown, or has a value that it cannot have.",
    500: "The application failed.",
    503: "The database is gone, busy, or not at the head of this version. Trying again can help.",
}


def create_app(config: Config, project: Project) -> FastAPI:
    """Make the application; nothing is connected yet.

    `app.state` has `config`, `project` and `database`; whoever adds pages may put a function into `error_page` that
    shows errors to people.

    Args:
        config: the configuration.
        project: the revisions that its database should have.
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
