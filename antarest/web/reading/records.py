"""The records of studies, variants and tasks that the API returns and the pages show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, computed_field

from antarest.core.tasks.model import TaskStatus, TaskType
from antarest.study.model import PublicMode, StudyContentStatus

T = TypeVar("T")

# The database has UTC times without a time zone. The records add the time zone.
Time = Annotated[datetime, AfterValidator(lambda value: value.replace(tzinfo=UTC))]


class FrozenModel(BaseModel):
    """The base of every record. A record cannot be changed."""

    model_config = ConfigDict(frozen=True)


class ResultPage(FrozenModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    total: int = Field(description="The number of items on all pages.")
    page: int = Field(description="The number of this page, from 1.")
    size: int = Field(description="The largest number of items on a page.")

    @computed_field(description="The number of pages; 0 if nothing was found.")
    def pages(self) -> int:
        """The number of pages; 0 if nothing was found."""
        return -(-self.total // self.size)


class TagSummary(FrozenModel):
    """A tag of a study."""

    label: str
    color: str | None = Field(description="Null: no color was chosen.")


class Owner(FrozenModel):
    """The owner of a study or a task."""

    id: int
    name: str


class GroupSummary(FrozenModel):
    """A group with which a study is shared."""

    id: str
    name: str


class StudySummary(FrozenModel):
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
    parent_id: str | None = Field(description="The study of which it is a variant; null for the root of a tree.")
    owner: Owner | None
    tags: list[TagSummary]


class Relative(FrozenModel):
    """A study in the tree of variants of another study."""

    id: str
    name: str
    type: str
    version: str
    parent_id: str | None
    depth: int = Field(description="The distance from the requested study: -1 is its parent, 1 are its variants.")


class RawPart(FrozenModel):
    """The part of a study that only raw studies have."""

    content_status: StudyContentStatus
    workspace: str
    missing_since: Time | None = Field(description="Null: the files are not missing.")


class SnapshotSummary(FrozenModel):
    """The state of the generated files of a variant."""

    created_at: Time
    last_executed_command: str | None


class VariantPart(FrozenModel):
    """The part of a study that only variants have."""

    commands: int = Field(description="The number of its commands.")
    generation_task_id: str | None = Field(description="Null: no generation of its files is running.")
    snapshot: SnapshotSummary | None = Field(description="Null: its files were never generated.")


class StudyDetails(StudySummary):
    """A study with all its details."""

    last_access: Time | None
    path: str | None
    public_mode: PublicMode
    groups: list[GroupSummary]
    raw: RawPart | None = Field(description="Null: it is not a raw study.")
    variant: VariantPart | None = Field(description="Null: it is not a variant.")
    ancestors: list[Relative] = Field(description="Its parent, and the parents above it, the root of the tree first.")
    descendants: list[Relative] = Field(description="Its variants and their variants, each after its parent.")


class TaskSummary(FrozenModel):
    """A task in a list."""

    id: str
    name: str
    type: TaskType
    status: TaskStatus
    created_at: Time
    completed_at: Time | None = Field(description="Null: not completed yet.")
    owner: Owner | None
    study_id: str | None = Field(description="Null: it is about no particular study.")
