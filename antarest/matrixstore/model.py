"""The tables of the matrix store: matrices with their hash as id, and the datasets that contain them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, DateTime, ForeignKey, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import new_id, utc_now
from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.login.model import Group, Identity


class Matrix(Base):
    """A matrix in the store. Its id is the hash of its content, so equal matrices share one row."""

    __tablename__ = "matrix"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now)


class DataSet(Base):
    """Matrices that were imported together, with the groups that are allowed to see them."""

    __tablename__ = "dataset"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    public: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(DateTime, default=utc_now, onupdate=utc_now)
    # NULL: the account was deleted. Studies may still use the matrices.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)

    owner: Mapped[Identity | None] = relationship()
    groups: Mapped[list[Group]] = relationship(secondary="matrix_dataset_group", passive_deletes=True)
    matrices: Mapped[list[DataSetMatrix]] = relationship(
        back_populates="dataset", cascade="all, delete-orphan", passive_deletes=True
    )


class DataSetMatrix(Base):
    """The name of a matrix in a dataset."""

    __tablename__ = "dataset_matrices"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    # No delete action: a matrix stays as long as a dataset has it.
    matrix_id: Mapped[str] = mapped_column(ForeignKey("matrix.id"), index=True)

    dataset: Mapped[DataSet] = relationship(back_populates="matrices")
    matrix: Mapped[Matrix] = relationship()


class DataSetGroup(Base):
    """A group with which a dataset is shared."""

    __tablename__ = "matrix_dataset_group"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)
