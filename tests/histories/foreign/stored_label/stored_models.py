import enum

import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class State(enum.Enum):
    OPEN = "open"
    DONE = "done"


class T(Base):
    __tablename__ = "t"
    id = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    name = sa.Column(sa.String(20))
    state = sa.Column(sa.Enum(State, native_enum=False, length=20))


metadata = Base.metadata
