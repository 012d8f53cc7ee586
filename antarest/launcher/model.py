"""The tables of the simulations: one job for each launch of a study, and its output."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import DateTime, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import enum_type, new_id, utc_now
from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.login.model import Identity
    from antarest.study.model import Study


class JobStatus(Enum):
    """The state of a simulation."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class JobLogType(Enum):
    """Whether a line was printed while the simulation was prepared, or after its start."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"


class JobResult(Base):
    """A simulation of a study: its launcher, its state and its result."""

    __tablename__ = "job_result"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    launcher: Mapped[str] = mapped_column(String(255))
    job_status: Mapped[JobStatus] = mapped_column(enum_type(JobStatus, "jobstatus"), default=JobStatus.PENDING)
    creation_date: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
    # NULL: not completed yet.
    completion_date: Mapped[datetime | None] = mapped_column(DateTime)
    # NULL: not completed yet, or never started.
    exit_code: Mapped[int | None] = mapped_column(Integer)
    # NULL: not completed yet, or the solver wrote no statistics.
    solver_stats: Mapped[str | None] = mapped_column(Text)
    # NULL: the account was deleted.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)

    study: Mapped[Study] = relationship(back_populates="jobs")
    owner: Mapped[Identity | None] = relationship()
    logs: Mapped[list[JobLog]] = relationship(
        back_populates="job", cascade="all, delete-orphan", passive_deletes=True, order_by="JobLog.id"
    )


class JobLog(Base):
    """A line that a simulation printed. Lines are ordered by `id`."""

    __tablename__ = "launcherjoblog"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    message: Mapped[str] = mapped_column(Text)
    log_type: Mapped[JobLogType] = mapped_column(enum_type(JobLogType, "joblogtype"))
    job_id: Mapped[str] = mapped_column(ForeignKey("job_result.id", ondelete="CASCADE"), index=True)

    job: Mapped[JobResult] = relationship(back_populates="logs")
