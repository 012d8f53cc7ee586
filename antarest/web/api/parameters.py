"""The query parameters of each list, with their checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from antarest.core.tasks.model import TaskStatus

MOST_TAGS = 20
LARGEST_PAGE = 100


def _storable(text: str) -> str:
    # PostgreSQL cannot store a NUL, and no driver sends half of a surrogate pair.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("has a character that is not allowed")
    return text


Text = Annotated[str, Field(max_length=255), AfterValidator(_storable)]


class Paging(BaseModel):
    """The number and the size of a page. An unknown parameter is refused, because it is probably misspelt."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=10**9, description="The number of the page, from 1.")
    size: int = Field(20, ge=1, le=LARGEST_PAGE, description="The largest number of items on a page.")


class StudyFilter(Paging):
    """The parameters of the list of studies: a filter, and the page."""

    name: Text | None = Field(None, description="A part of the name, in upper or lower case.")
    tag: list[Text] = Field(
        [], max_length=MOST_TAGS, description="The label of a tag. Where it is given twice, a study must have both."
    )


class TaskFilter(Paging):
    """The parameters of the list of tasks: a filter, and the page."""

    status: TaskStatus | None = Field(None, description="The state of the tasks.")
    study: Text | None = Field(None, description="The id of the study that the tasks are about.")
