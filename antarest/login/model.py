"""The tables of the accounts: identities (people and bots), groups and roles."""

# ruff: noqa: RUF012 - SQLAlchemy reads __mapper_args__ from the class

from __future__ import annotations

from enum import Enum

from sqlalchemy import Boolean, ForeignKey, Integer, String, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from antarest.core.columns import enum_type, new_id
from antarest.core.persistence import Base


class RoleType(Enum):
    """The role of a member in a group. The role with the most rights is first."""

    ADMIN = 40
    RUNNER = 30
    WRITER = 20
    READER = 10


class Identity(Base):
    """An account of any kind: one row for each person and each bot."""

    __tablename__ = "identities"
    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "identities"}

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(50))

    roles: Mapped[list[Role]] = relationship(
        back_populates="identity", cascade="all, delete-orphan", passive_deletes=True
    )
    # A bot is deleted as a bot, with its row here. The database refuses to delete an identity that owns bots.
    bots: Mapped[list[Bot]] = relationship(back_populates="owner", foreign_keys="Bot.owner_id", passive_deletes="all")


class User(Identity):
    """A person who signs in with a password. The table has the hash of the password."""

    __tablename__ = "users"
    __mapper_args__ = {"polymorphic_identity": "users"}

    id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))


class UserLdap(Identity):
    """A person who signs in through the directory of the company."""

    __tablename__ = "users_ldap"
    __mapper_args__ = {"polymorphic_identity": "users_ldap"}

    id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    firstname: Mapped[str] = mapped_column(String(255))
    lastname: Mapped[str] = mapped_column(String(255))


class Bot(Identity):
    """A token with which a program acts in the name of the token's owner, or in the name of the token."""

    __tablename__ = "bots"

    id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    # No delete action: the cascade would take this row and leave the bot's row in identities behind.
    owner_id: Mapped[int] = mapped_column(ForeignKey("identities.id"), index=True)
    is_author: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())

    owner: Mapped[Identity] = relationship(back_populates="bots", foreign_keys=owner_id, remote_side=Identity.id)

    # Both foreign keys lead to identities: this one is the inheritance.
    __mapper_args__ = {
        "polymorphic_identity": "bots",
        "inherit_condition": id == Identity.id,  # noqa: A003 - the column above, not the builtin
    }


class Group(Base):
    """A group of people who work together. Studies are shared with groups."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))

    roles: Mapped[list[Role]] = relationship(back_populates="group", cascade="all, delete-orphan", passive_deletes=True)


class Role(Base):
    """The role of an identity in a group."""

    __tablename__ = "roles"

    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)
    type: Mapped[RoleType] = mapped_column(enum_type(RoleType, "roletype"))

    identity: Mapped[Identity] = relationship(back_populates="roles")
    group: Mapped[Group] = relationship(back_populates="roles")
