"""The tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from antarest.web import queries
from antarest.web.database import Database
from antarest.web.parameters import TaskFilter
from antarest.web.records import Page, TaskSummary

router = APIRouter(prefix="/api/tasks", tags=["tasks"])


@router.get("")
async def tasks(request: Request, wanted: Annotated[TaskFilter, Query()]) -> Page[TaskSummary]:
    """List the tasks, the newest first."""
    database: Database = request.app.state.database
    return await database.read(
        queries.find_tasks, status=wanted.status, study=wanted.study, page=wanted.page, size=wanted.size
    )
