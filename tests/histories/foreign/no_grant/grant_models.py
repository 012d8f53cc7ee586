import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(sa.Integer, sa.Sequence("t_seq"), primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(20))


metadata = Base.metadata
