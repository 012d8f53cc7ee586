"""The tables of the studies: the common columns, the raw studies, the tags, and the sharing with groups."""

# ruff: noqa: RUF012 - SQLAlchemy reads __mapper_args__ from the class

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, DateTime, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import enum_type, new_id, utc_now
from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.core.tasks.model import TaskJob
    from antarest.launcher.model import JobResult
    from antarest.login.model import Group, Identity

DEFAULT_WORKSPACE = "default"


class PublicMode(Enum):
    """The rights that every user has on a study, even without a role in the groups of the study."""

    NONE = "NONE"
    READ = "READ"
    EXECUTE = "EXECUTE"
    EDIT = "EDIT"
    FULL = "FULL"


class StudyContentStatus(Enum):
    """The result of the last check of a raw study's files."""

    VALID = "VALID"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Study(Base):
    """A power-system study of any kind. Columns that only one kind has are in the table that `type` names.

    The database deletes the rows that belong to a study when the study is deleted. A study with variants cannot be
    deleted: delete the variants first. So no statement deletes a whole tree of studies by mistake.
    """

    __tablename__ = "study"
    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "study"}

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255), index=True)
    type: Mapped[str] = mapped_column(String(50))
    version: Mapped[str] = mapped_column(String(255))
    author: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now, onupdate=utc_now)
    # NULL: nobody opened it yet.
    last_access: Mapped[datetime | None] = mapped_column(DateTime)
    # NULL: no files yet. A variant has files when it was generated once.
    path: Mapped[str | None] = mapped_column(String(255))
    # NULL: in no folder.
    folder: Mapped[str | None] = mapped_column(String(255), index=True)
    public_mode: Mapped[PublicMode] = mapped_column(
        enum_type(PublicMode, "publicmode"), default=PublicMode.NONE, server_default=PublicMode.NONE.name
    )
    archived: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # NULL: found on the disk by a scan, or its owner's account was deleted.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)
    # NULL: not a variant, but the root of a tree. There is no delete action, for the reason in the docstring.
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("study.id"), index=True)

    owner: Mapped[Identity | None] = relationship()
    parent: Mapped[Study | None] = relationship(back_populates="children", remote_side="Study.id")
    children: Mapped[list[Study]] = relationship(back_populates="parent", passive_deletes="all")
    groups: Mapped[list[Group]] = relationship(secondary="group_metadata", passive_deletes=True)
    tags: Mapped[list[Tag]] = relationship(secondary="study_tag", back_populates="studies", passive_deletes=True)
    jobs: Mapped[list[JobResult]] = relationship(
        back_populates="study", cascade="all, delete-orphan", passive_deletes=True
    )
    tasks: Mapped[list[TaskJob]] = relationship(
        back_populates="study", cascade="all, delete-orphan", passive_deletes=True
    )


class RawStudy(Study):
    """A study that has its own input files. The table has the columns that only such studies have."""

    __tablename__ = "rawstudy"
    __mapper_args__ = {"polymorphic_identity": "rawstudy"}

    id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    content_status: Mapped[StudyContentStatus] = mapped_column(
        enum_type(StudyContentStatus, "studycontentstatus"), default=StudyContentStatus.VALID
    )
    workspace: Mapped[str] = mapped_column(String(255), default=DEFAULT_WORKSPACE, server_default=DEFAULT_WORKSPACE)
    # NULL: the files are not missing.
    missing_since: Mapped[datetime | None] = mapped_column(DateTime, index=True)


class StudyGroup(Base):
    """A group with which a study is shared."""

    __tablename__ = "group_metadata"

    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True, index=True)


class Tag(Base):
    """A label that studies can carry, shared by all users."""

    __tablename__ = "tag"

    label: Mapped[str] = mapped_column(String(255), primary_key=True)
    # NULL: no color was chosen, and the interface chooses one.
    color: Mapped[str | None] = mapped_column(String(20))

    studies: Mapped[list[Study]] = relationship(secondary="study_tag", back_populates="tags", passive_deletes=True)


class StudyTag(Base):
    """A tag that a study carries."""

    __tablename__ = "study_tag"

    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    tag_label: Mapped[str] = mapped_column(ForeignKey("tag.label", ondelete="CASCADE"), primary_key=True, index=True)
