"""The tables of the background tasks."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import DateTime, ForeignKey, Integer, Sequence, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import enum_type, new_id, utc_now
from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.login.model import Identity
    from antarest.study.model import Study


class TaskType(Enum):
    """The kind of a task."""

    OTHER = "OTHER"
    ARCHIVE = "ARCHIVE"
    UNARCHIVE = "UNARCHIVE"
    COPY = "COPY"
    EXPORT = "EXPORT"
    SCAN = "SCAN"
    UPGRADE_STUDY = "UPGRADE_STUDY"
    VARIANT_GENERATION = "VARIANT_GENERATION"


class TaskStatus(Enum):
    """The state of a task."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


class TaskJob(Base):
    """A task that the server does in the background, often with a study."""

    __tablename__ = "taskjob"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[TaskType] = mapped_column(
        enum_type(TaskType, "tasktype"), default=TaskType.OTHER, server_default=TaskType.OTHER.name
    )
    status: Mapped[TaskStatus] = mapped_column(
        enum_type(TaskStatus, "taskstatus"), default=TaskStatus.PENDING, index=True
    )
    creation_date: Mapped[datetime] = mapped_column(DateTime, default=utc_now, index=True)
    # NULL: not completed yet.
    completion_date: Mapped[datetime | None] = mapped_column(DateTime)
    # JSON text; NULL: not completed yet, or without a result.
    result: Mapped[str | None] = mapped_column(Text)
    # NULL: started by the server itself, or the account was deleted.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)
    # NULL: the task is about no particular study.
    ref_id: Mapped[str | None] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)

    owner: Mapped[Identity | None] = relationship()
    study: Mapped[Study | None] = relationship(back_populates="tasks")
    logs: Mapped[list[TaskJobLog]] = relationship(
        back_populates="task", cascade="all, delete-orphan", passive_deletes=True, order_by="TaskJobLog.id"
    )


class TaskJobLog(Base):
    """A message of a task. Messages are ordered by `id`, which has its own sequence on PostgreSQL."""

    __tablename__ = "taskjoblog"

    id: Mapped[int] = mapped_column(Integer, Sequence("tasklog_id_sequence"), primary_key=True)
    message: Mapped[str] = mapped_column(Text)
    task_id: Mapped[str] = mapped_column(ForeignKey("taskjob.id", ondelete="CASCADE"), index=True)

    task: Mapped[TaskJob] = relationship(back_populates="logs")
