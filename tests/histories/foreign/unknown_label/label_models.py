import enum

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Mode(enum.Enum):
    FILESYSTEM = "filesystem"
    DATABASE = "database"


class Base(DeclarativeBase):
    pass


class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[Mode] = mapped_column(sa.Enum(Mode, name="mode"), server_default="filesystem")


metadata = Base.metadata
