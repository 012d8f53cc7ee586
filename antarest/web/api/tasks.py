"""The routes of the tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from antarest.web.api.parameters import TaskFilter
from antarest.web.reading import queries
from antarest.web.reading.database import Database
from antarest.web.reading.records import ResultPage, TaskSummary

router = APIRouter(prefix="/api/tasks", tags=["tasks"])


@router.get("")
async def tasks(request: Request, wanted: Annotated[TaskFilter, Query()]) -> ResultPage[TaskSummary]:
    """List the tasks, newest first."""
    database: Database = request.app.state.database
    return await database.read(
        queries.find_tasks, status=wanted.status, study=wanted.study, page=wanted.page, size=wanted.size
    )
