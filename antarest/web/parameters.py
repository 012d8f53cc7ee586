"""What a request may ask for: the parameters of each list, and what they accept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from antarest.core.tasks.model import TaskStatus

MOST_TAGS = 20
LARGEST_PAGE = 100


def _storable(text: str) -> str:
    # PostgreSQL has no NUL in its texts, and no driver sends half of a surrogate pair.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("has a character that no name has")
    return text


Text = Annotated[str, Field(max_length=255), AfterValidator(_storable)]


class Paging(BaseModel):
    """Which page. A parameter that does not exist is refused: it is a misspelt one."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=10**9, description="Which page, from 1.")
    size: int = Field(20, ge=1, le=LARGEST_PAGE, description="How many a page holds at most.")


class StudyFilter(Paging):
    """Which studies."""

    name: Text | None = Field(None, description="A part of the name, in upper or lower case.")
    tag: list[Text] = Field([], max_length=MOST_TAGS, description="A label that they carry. Given twice: both labels.")


class TaskFilter(Paging):
    """Which tasks."""

    status: TaskStatus | None = Field(None, description="How far they are.")
    study: Text | None = Field(None, description="The id of the study that they concern.")
