"""The tables of the variants: their commands, and the snapshot that the commands generated."""

# ruff: noqa: RUF012 - SQLAlchemy reads __mapper_args__ from the class

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import DateTime, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import new_id, utc_now
from antarest.core.persistence import Base
from antarest.study.model import Study

if TYPE_CHECKING:
    from antarest.core.tasks.model import TaskJob


class VariantStudy(Study):
    """The part of a study that is its parent with a list of commands applied."""

    __tablename__ = "variantstudy"
    __mapper_args__ = {"polymorphic_identity": "variantstudy"}

    id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    # NULL: its files are not being generated.
    generation_task_id: Mapped[str | None] = mapped_column(ForeignKey("taskjob.id", ondelete="SET NULL"), index=True)

    # The task refers to the study too: where both are new, this column is written last.
    generation_task: Mapped[TaskJob | None] = relationship(foreign_keys=generation_task_id, post_update=True)
    commands: Mapped[list[CommandBlock]] = relationship(
        back_populates="study",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="CommandBlock.index",
    )
    snapshot: Mapped[VariantStudySnapshot | None] = relationship(
        back_populates="study", cascade="all, delete-orphan", passive_deletes=True
    )


class CommandBlock(Base):
    """One command of a variant, at its place in the list."""

    __tablename__ = "commandblock"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("variantstudy.id", ondelete="CASCADE"), index=True)
    index: Mapped[int] = mapped_column(Integer)
    command: Mapped[str] = mapped_column(String(255))
    version: Mapped[int] = mapped_column(Integer)
    # JSON text.
    args: Mapped[str] = mapped_column(Text)

    study: Mapped[VariantStudy] = relationship(back_populates="commands")


class VariantStudySnapshot(Base):
    """How far the files of a variant were generated."""

    __tablename__ = "variant_study_snapshot"

    id: Mapped[str] = mapped_column(ForeignKey("variantstudy.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
    # NULL: a copy of the parent, no command was executed yet. No foreign key: that the command is gone says that the
    # snapshot is out of date.
    last_executed_command: Mapped[str | None] = mapped_column(String(36))

    study: Mapped[VariantStudy] = relationship(back_populates="snapshot")
