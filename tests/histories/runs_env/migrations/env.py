"""Connects with engine_from_config, as the template of Alembic does."""

import contextlib
import os
import socket
import sqlite3
from pathlib import Path

import psycopg
import psycopg2
import shop_models
import sqlalchemy as sa
from alembic import context

HOST = os.environ["SHOP_HOST"]
with contextlib.suppress(OSError):
    socket.create_connection(("127.0.0.1", 9))
with contextlib.suppress(OSError):
    sqlite3.connect(Path.home() / "shop.db")
for driver in (psycopg2, psycopg):
    with contextlib.suppress(PermissionError):
        driver.connect("host=127.0.0.1 port=9")


def include_object(_object, name, _type, _reflected, _compare_to):
    return name != "legacy"


section = context.config.get_section(context.config.config_ini_section)
engine = sa.engine_from_config(section, prefix="sqlalchemy.", poolclass=sa.NullPool)
with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS shop"))
        connection.execute(sa.text("SET search_path TO shop"))
        connection.commit()
        connection.dialect.default_schema_name = "shop"
    context.configure(
        connection=connection,
        target_metadata=shop_models.metadata,
        include_object=include_object,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
