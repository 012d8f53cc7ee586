"""What probes and people ask about the application itself: is it well, which version is it, where is its database."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from antarest import __version__
from antarest.migration.errors.settings.urls import redact_url
from antarest.web.database import Database
from antarest.web.errors.launching import refuse_other_than_head
from antarest.web.records import Record

router = APIRouter(prefix="/api", tags=["application"])


class Health(Record):
    """The application can do its work."""

    status: Literal["ok"] = "ok"
    revision: str


class Version(Record):
    """Which version of the application this is."""

    name: Literal["AntaREST"] = "AntaREST"
    version: str


class DatabaseFacts(Record):
    """Where the database is, and how this version stands to it."""

    engine: str
    engine_version: str
    current: list[str]
    head: str
    pending: list[str]
    up_to_date: bool


@router.get("/health")
async def health(request: Request) -> Health:
    """Say whether the application can do its work; answers within a few seconds, whatever the database does."""
    database: Database = request.app.state.database
    standing = await database.probe()
    refuse_other_than_head(database.project, standing.current, redact_url(database.db.url))
    return Health(revision=standing.head)


@router.get("/version")
async def version() -> Version:
    """Say which version this is."""
    return Version(version=__version__)


@router.get("/database")
async def database_facts(request: Request) -> DatabaseFacts:
    """Say where the database is."""
    database: Database = request.app.state.database
    standing = await database.standing()
    return DatabaseFacts(
        engine=standing.engine,
        engine_version=standing.engine_version,
        current=list(standing.current),
        head=standing.head,
        pending=list(standing.pending),
        up_to_date=standing.up_to_date,
    )
