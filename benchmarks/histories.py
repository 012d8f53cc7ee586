"""Writes Alembic projects like those of real applications. Their revisions create, change, fill and rebuild tables."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.projects.checkouts import ROOT

TABLES = 20

_INI = """\
[alembic]
script_location = %(here)s/{location}
version_locations = %(here)s/versions
path_separator = os
{more}
"""
_PLAIN_ENV = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

target_metadata = None
{models}
engine = create_engine(os.environ["BENCH_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=target_metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
"""
_OUR_ENV = """\
from alembic import context
from antarest.migration import environment

environment.run(context)
"""
_REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {down}
Create Date: 2026-01-01 00:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {down!r}
branch_labels = None
depends_on = None

lossy: dict[str, dict[str, str]] = {lossy!r}


def upgrade() -> None:
    """Upgrade."""
    {up}


def downgrade() -> None:
    """Go back to the revision before."""
    {undo}
'''


@dataclass(frozen=True)
class Bench:
    """A project with two settings files: `plain.ini` for plain Alembic, and `alembic.ini` for the workflow.

    Attributes:
        folder: the folder of the project.
        head: the id of the last revision; `base` if there is none.
    """

    folder: Path
    head: str


def write(folder: Path, number: int, models: str = "", tables: int = TABLES) -> Bench:
    """Write a project with a number of revisions.

    Args:
        folder: the folder of the project, which is created.
        number: the number of revisions.
        models: the text of a module with `metadata`; empty if no models are compared.
        tables: the number of tables that the first revisions create.
    """
    versions = folder / "versions"
    versions.mkdir(parents=True)
    down = None
    for position in range(number):
        down = add(versions, position, tables)
    for location, env in (("plain", _PLAIN_ENV), ("ours", _OUR_ENV)):
        (folder / location).mkdir()
        imported = "from models import metadata as target_metadata" if models else ""
        (folder / location / "env.py").write_text(env.format(models=imported) if location == "plain" else env)
        shutil.copy(ROOT / "alembic" / "script.py.mako", folder / location)
    section = "[antarest]\nmetadata = models:metadata\n" if models else ""
    (folder / "plain.ini").write_text(_INI.format(location="plain", more="prepend_sys_path = %(here)s"))
    (folder / "alembic.ini").write_text(_INI.format(location="ours", more=f"prepend_sys_path = %(here)s\n{section}"))
    if models:
        (folder / "models.py").write_text(models)
    shutil.copy(ROOT / "tasks.py", folder)
    return Bench(folder, down or "base")


def add(versions: Path, position: int, tables: int = TABLES) -> str:
    """Write one revision, and return its id.

    Args:
        versions: the folder of the revisions.
        position: the number of revisions before this one.
        tables: the number of tables that the first revisions create.
    """
    message, up, undo, lossy = _operation(position, tables)
    id_, down = f"{position:012x}", f"{position - 1:012x}" if position else None
    text = _REVISION.format(id=id_, down=down, message=message, up=up, undo=undo, lossy=lossy)
    (versions / f"{id_}_{message.replace(' ', '_')}.py").write_text(text)
    return id_


def _operation(position: int, tables: int) -> tuple[str, str, str, dict[str, dict[str, str]]]:
    """Return the message, the upgrade, the downgrade and `lossy` of a revision.

    Each of the first revisions creates a table, and each later revision changes a table.
    """
    table = f"t{position % tables}"
    if position < tables:
        return _create(table, position)
    column, kind = f"c{position}", position // tables % 5
    if kind in (0, 3):
        up = f'op.add_column("{table}", sa.Column("{column}", sa.Integer(), nullable=True))'
        undo = f'with op.batch_alter_table("{table}") as batch:\n        batch.drop_column("{column}")'
        return f"add {column}", up, undo, {"downgrade": {f"{table}.{column}": "it adds it"}}
    if kind == 1:
        up, undo = (
            f'op.create_index("ix_{position}", "{table}", ["name"])',
            f'op.drop_index("ix_{position}", "{table}")',
        )
        return f"index {position}", up, undo, {}
    if kind == 2:
        return f"fill {position}", f"op.execute(\"UPDATE {table} SET name = 'x' WHERE name IS NULL\")", "pass", {}
    change = (
        f'with op.batch_alter_table("{table}") as batch:\n        batch.alter_column("name", type_=sa.String({{}}))'
    )
    length = 50 + position % 100
    return f"widen {position}", change.format(length), change.format(50), {}


def _create(table: str, position: int) -> tuple[str, str, str, dict[str, dict[str, str]]]:
    key = 'sa.Column("id", sa.Integer(), primary_key=True)'
    refers = f', sa.ForeignKey("t{position - 1}.id", name="fk_{position}")' if position else ""
    columns = f'{key}, sa.Column("name", sa.String(50)), sa.Column("parent", sa.Integer(){refers})'
    up = f'op.create_table("{table}", {columns})'
    return f"create {table}", up, f'op.drop_table("{table}")', {"downgrade": {table: "it makes it"}}
