"""The studies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from antarest.web import queries
from antarest.web.answers import Refused
from antarest.web.database import Database
from antarest.web.parameters import StudyFilter, Text
from antarest.web.records import Page, StudyDetails, StudySummary

router = APIRouter(prefix="/api/studies", tags=["studies"])


@router.get("")
async def studies(request: Request, wanted: Annotated[StudyFilter, Query()]) -> Page[StudySummary]:
    """List the studies, the one that changed last first."""
    database: Database = request.app.state.database
    return await database.read(
        queries.find_studies, name=wanted.name, tags=wanted.tag, page=wanted.page, size=wanted.size
    )


@router.get("/{study_id}", responses={404: {"model": Refused, "description": "There is no such study."}})
async def study(request: Request, study_id: Annotated[Text, Path()]) -> StudyDetails:
    """Show a study with what belongs to it, and its tree of variants."""
    database: Database = request.app.state.database
    return await database.read(queries.get_study, study_id)
