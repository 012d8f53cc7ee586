"""The tables of the variants: their commands, and the state of their generated files."""

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
    """A study that consists of its parent and a list of commands. The table has the columns that only variants have."""

    __tablename__ = "variantstudy"
    __mapper_args__ = {"polymorphic_identity": "variantstudy"}

    id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    # NULL: no generation of its files is running.
    generation_task_id: Mapped[str | None] = mapped_column(ForeignKey("taskjob.id", ondelete="SET NULL"), index=True)

    # The task refers to the study too. If both are new, this column is written last.
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
    """A command of a variant, with its position in the list."""

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
    """The state of the generated files of a variant."""

    __tablename__ = "variant_study_snapshot"

    id: Mapped[str] = mapped_column(ForeignKey("variantstudy.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
    # NULL: a copy of the parent, and no command was executed yet. This is not a foreign key: if the command was
    # deleted, the files are out of date.
    last_executed_command: Mapped[str | None] = mapped_column(String(36))

    study: Mapped[VariantStudy] = relationship(back_populates="snapshot")
