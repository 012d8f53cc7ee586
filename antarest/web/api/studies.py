"""The routes of the studies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from antarest.web.answers import Refused
from antarest.web.api.parameters import StudyFilter, Text
from antarest.web.reading import queries
from antarest.web.reading.database import Database
from antarest.web.reading.records import ResultPage, StudyDetails, StudySummary

router = APIRouter(prefix="/api/studies", tags=["studies"])


@router.get("")
async def studies(request: Request, wanted: Annotated[StudyFilter, Query()]) -> ResultPage[StudySummary]:
    """List the studies. The study that was changed last comes first."""
    database: Database = request.app.state.database
    return await database.read(
        queries.find_studies, name=wanted.name, tags=wanted.tag, page=wanted.page, size=wanted.size
    )


@router.get("/{study_id}", responses={404: {"model": Refused, "description": "There is no such study."}})
async def study(request: Request, study_id: Annotated[Text, Path()]) -> StudyDetails:
    """Return a study with its details and its tree of variants."""
    database: Database = request.app.state.database
    return await database.read(queries.get_study, study_id)
