import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The models."""


metadata = Base.metadata


class River(Base):
    """Its code comes from a function that SQLite does not have; no comparison of tables shows that."""

    __tablename__ = "river"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40), default=sa.func.md5("river"))
