"""The table of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.persistence import Base

if TYPE_CHECKING:
    from antarest.login.model import Identity


class ConfigData(Base):
    """A setting that an administrator changes while the server runs, such as the maintenance mode."""

    __tablename__ = "configdata"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    # JSON text.
    value: Mapped[str] = mapped_column(Text)
    # The account that set it. NULL: the server itself set it, or the account was deleted.
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="SET NULL"), index=True)

    owner: Mapped[Identity | None] = relationship()
