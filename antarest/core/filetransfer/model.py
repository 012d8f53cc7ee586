"""The table of the downloads."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, DateTime, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import new_id
from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.login.model import Identity


class FileDownload(Base):
    """A file that is prepared in the background, kept for some time, and then deleted."""

    __tablename__ = "file_download"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    filename: Mapped[str] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(String(255))
    ready: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # NULL: not ready yet.
    expiration_date: Mapped[datetime | None] = mapped_column(DateTime)
    # NULL: the preparation did not fail.
    error_message: Mapped[str | None] = mapped_column(Text)
    # NULL: the account was deleted. The row stays, because the file still has to be deleted.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)

    owner: Mapped[Identity | None] = relationship()
