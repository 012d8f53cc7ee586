"""Schemas and helpers for the tests of inventories and rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import URL, Connection, MetaData, Table

from antarest.migration.schema.inventory import Inventory
from antarest.migration.schema.reflection import reflect
from antarest.migration.verify.rows.snapshots import snapshot

_NEXT_STATEMENT = re.compile(r";\s*(?=CREATE|INSERT|ALTER|DROP|UPDATE|DELETE|COMMENT|$)")

EVERY_TYPE = MetaData()
THING = Table(
    "thing",
    EVERY_TYPE,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(12), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("fixed", sa.CHAR(4)),
    sa.Column("kind", sa.Enum("RAW", "VARIANT", "O'K", name="kind", create_constraint=True), nullable=False),
    sa.Column("soft", sa.Enum("A", "B", name="soft", native_enum=False, create_constraint=True)),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Column("small", sa.SmallInteger),
    sa.Column("count", sa.Integer),
    sa.Column("big", sa.BigInteger),
    sa.Column("ratio", sa.Float),
    sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("args", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("half", sa.Integer, sa.Computed("small / 2", persisted=True)),
)


MODELS = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
sa.Table(
    "job",
    MODELS,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("big", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.ForeignKey("big.id", ondelete="CASCADE")),
    sa.Column("name", sa.String(36), nullable=False, unique=True, server_default="it's"),
    sa.Column("kind", sa.Enum("RAW", "VARIANT", "O'K", name="kind", create_constraint=True), server_default="RAW"),
    sa.Column("soft", sa.Enum("A", "B", name="soft", native_enum=False, create_constraint=True)),
    sa.Column("done", sa.Boolean(create_constraint=True, name="done"), server_default=sa.false(), nullable=False),
    sa.Column("count", sa.Integer, server_default="-1"),
    sa.Column("ratio", sa.Float),
    sa.Column("single", sa.Double),
    sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("at", sa.DateTime, server_default=sa.func.now()),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("args", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("token", sa.Uuid),
    sa.Column("text", sa.Text),
    sa.CheckConstraint("count >= -1 AND (ratio < 3 OR NOT done)", name="range"),
    sa.CheckConstraint("name IN ('a', 'b, c') AND text LIKE 'x%'", name="names"),
    sa.Index("ix_job_at", sa.column("at").desc()),
    sa.Index("ix_job_lower", sa.func.lower(sa.column("name")), unique=True),
)
sa.Table("big", MODELS, sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True))
sa.Table("child", MODELS, sa.Column("id", sa.ForeignKey("job.id"), primary_key=True))
sa.Table(
    "log",
    MODELS,
    sa.Column("id", sa.Integer, sa.Sequence("log_id_sequence"), primary_key=True),
    sa.Column("job_id", sa.ForeignKey("job.id", ondelete="SET NULL", onupdate="CASCADE"), index=True),
)


@contextmanager
def opened(url: URL) -> Iterator[Connection]:
    """Open a connection with foreign keys for the block."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
                connection.rollback()
            yield connection
    finally:
        engine.dispose()


def run(connection: Connection, statements: str) -> None:
    """Run statements separated by semicolons, and commit."""
    for statement in filter(None, _NEXT_STATEMENT.split(statements)):
        connection.exec_driver_sql(statement)
    connection.commit()


def read(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def column(connection: Connection, table: str, name: str) -> list[object]:
    """Return the values of a column, in the order of the table's key."""
    rows = snapshot(connection).tables[table]
    return [row[0] for row in rows.pick([name])]


def create_things(connection: Connection) -> None:
    EVERY_TYPE.create_all(connection)
    connection.commit()


def inventory_of(connection: Connection, ddl: str) -> Inventory:
    """Create a schema, return its inventory, and drop it again."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    else:
        for kind, name in connection.exec_driver_sql(
            "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite%'"
        ).all():
            connection.exec_driver_sql(f"DROP {kind} {name}")
    run(connection, ddl)
    return reflect(connection)
