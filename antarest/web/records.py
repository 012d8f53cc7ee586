"""What the application tells about studies, variants and tasks: plain records, for the API and for pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, computed_field

from antarest.core.tasks.model import TaskStatus, TaskType
from antarest.study.model import PublicMode, StudyContentStatus

T = TypeVar("T")

# The database holds UTC without saying so; what leaves the application says so.
Time = Annotated[datetime, AfterValidator(lambda value: value.replace(tzinfo=UTC))]


class Record(BaseModel):
    """Base of every record: it does not change any more."""

    model_config = ConfigDict(frozen=True)


class Page(Record, Generic[T]):
    """Some of many: those of one page."""

    items: list[T]
    total: int = Field(description="How many there are on all pages.")
    page: int = Field(description="Which page this is, from 1.")
    size: int = Field(description="How many a page holds at most.")

    @computed_field(description="How many pages there are; none where nothing was found.")
    def pages(self) -> int:
        """How many pages there are; none where nothing was found."""
        return -(-self.total // self.size)


class Tag(Record):
    """A label that a study carries."""

    label: str
    color: str | None = Field(description="Null: nobody chose one.")


class Owner(Record):
    """Whom a study or a task belongs to."""

    id: int
    name: str


class Group(Record):
    """A group that a study is shared with."""

    id: str
    name: str


class StudySummary(Record):
    """A study in a list."""

    id: str
    name: str
    type: str = Field(description="`rawstudy` or `variantstudy`.")
    version: str
    author: str
    created_at: Time
    updated_at: Time
    archived: bool
    folder: str | None
    parent_id: str | None = Field(description="What it is a variant of; null for the root of a tree.")
    owner: Owner | None
    tags: list[Tag]


class Relative(Record):
    """A study in the tree of variants of another one."""

    id: str
    name: str
    type: str
    version: str
    parent_id: str | None
    depth: int = Field(description="The steps from the study that was asked for: -1 its parent, 1 its variants.")


class RawPart(Record):
    """What only a raw study has."""

    content_status: StudyContentStatus
    workspace: str
    missing_since: Time | None = Field(description="Null: its files are where they should be.")


class Snapshot(Record):
    """How far the files of a variant were generated."""

    created_at: Time
    last_executed_command: str | None


class VariantPart(Record):
    """What only a variant has."""

    commands: int = Field(description="How many commands make it from its parent.")
    generation_task_id: str | None = Field(description="Null: its files are not being generated.")
    snapshot: Snapshot | None = Field(description="Null: its files were never generated.")


class StudyDetails(StudySummary):
    """A study with all that belongs to it."""

    last_access: Time | None
    path: str | None
    public_mode: PublicMode
    groups: list[Group]
    raw: RawPart | None = Field(description="Null: it is no raw study.")
    variant: VariantPart | None = Field(description="Null: it is no variant.")
    ancestors: list[Relative] = Field(description="What it is a variant of, the root of the tree first.")
    descendants: list[Relative] = Field(description="Its variants and theirs, each after its parent.")


class TaskSummary(Record):
    """A task in a list."""

    id: str
    name: str
    type: TaskType
    status: TaskStatus
    created_at: Time
    completed_at: Time | None = Field(description="Null: not completed yet.")
    owner: Owner | None
    study_id: str | None = Field(description="Null: it concerns no study in particular.")
