import datetime
import enum

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates


class Base(DeclarativeBase):
    """The models."""


class Kind(enum.Enum):
    """A label."""

    WIDE = "wide"
    DEEP = "deep"


class ShortText(sa.TypeDecorator[str]):
    """A type that passes values on as they are."""

    impl = sa.String
    cache_ok = True


class Water(Base):
    """The base of joined inheritance: it has no rows of its own."""

    __tablename__ = "water"
    __mapper_args__ = {"polymorphic_on": "type"}  # noqa: RUF012 - as SQLAlchemy has it
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(10))
    name: Mapped[str] = mapped_column(ShortText(3))


class River(Water):
    """A class whose constructor wants something, with a row in two tables, that may refer to itself."""

    __tablename__ = "river"
    __mapper_args__ = {"polymorphic_identity": "river"}  # noqa: RUF012 - as above
    id: Mapped[int] = mapped_column(sa.ForeignKey("water.id"), primary_key=True)
    into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("river.id"))
    kind: Mapped[Kind] = mapped_column(sa.Enum(Kind, native_enum=False, length=4))

    def __init__(self, source: str) -> None:
        super().__init__(name=source)


class Level(Base):
    """A table that refers to a river, with a value that is checked."""

    __tablename__ = "level"
    river_id: Mapped[int] = mapped_column(sa.ForeignKey("river.id"), primary_key=True)
    day: Mapped[datetime.date] = mapped_column(primary_key=True)
    height: Mapped[float] = mapped_column(sa.Float, default=1.5)
    river: Mapped[River] = relationship()

    @validates("height")
    def _check(self, _: str, value: float) -> float:
        return abs(value)
