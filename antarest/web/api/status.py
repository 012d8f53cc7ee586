"""The health of the application, its version, and the state of its database."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from antarest import __version__
from antarest.migration.errors.settings.urls import redact_url
from antarest.web.errors.launching import refuse_other_than_head
from antarest.web.reading.database import Database
from antarest.web.reading.records import FrozenModel

router = APIRouter(prefix="/api", tags=["application"])


class Health(FrozenModel):
    """The answer of a healthy application."""

    status: Literal["ok"] = "ok"
    revision: str


class Version(FrozenModel):
    """The version of the application."""

    name: Literal["AntaREST"] = "AntaREST"
    version: str


class DatabaseFacts(FrozenModel):
    """The current revisions of the database, and the revisions that this version of the application would apply."""

    engine: str
    engine_version: str
    current: list[str]
    head: str
    pending: list[str]
    unknown: list[str] = Field(description="The current revisions that this version does not have: it is too old.")
    up_to_date: bool


@router.get("/health")
async def health(request: Request) -> Health:
    """Return the health of the application. The answer comes in a few seconds, even if the database hangs."""
    database: Database = request.app.state.database
    status = await database.probe()
    refuse_other_than_head(database.project, status.current, redact_url(database.db.url))
    return Health(revision=status.head)


@router.get("/version")
async def version() -> Version:
    """Return the version of the application."""
    return Version(version=__version__)


@router.get("/database")
async def database_facts(request: Request) -> DatabaseFacts:
    """Return the state of the database."""
    database: Database = request.app.state.database
    status = await database.status()
    return DatabaseFacts(
        engine=status.engine,
        engine_version=status.engine_version,
        current=list(status.current),
        head=status.head,
        pending=list(status.pending),
        unknown=list(status.unknown),
        up_to_date=status.up_to_date,
    )
