"""Revisions as SQL, for a DBA: written by Alembic without a database, for PostgreSQL."""

from __future__ import annotations

import io
from dataclasses import replace

from alembic import command
from sqlalchemy import make_url

from antarest.core.config import DbConfig
from antarest.migration.environment import ATTRIBUTE
from antarest.migration.history import BASE
from antarest.migration.move import Move
from antarest.migration.project import Project
from antarest.migration.revision_files import importing

_NOWHERE = DbConfig(make_url("postgresql+psycopg2://"))


def upgrade_sql(project: Project, start: str, end: str) -> str:
    """The SQL that upgrades from one revision to another."""
    return _write(project, f"{start}:{end}", command.upgrade) if start != end else ""


def downgrade_sql(project: Project, start: str, end: str) -> str:
    """The SQL that goes back from one revision to another."""
    return _write(project, f"{start}:{end}", command.downgrade) if start != end else ""


def _write(project: Project, range_: str, call: object) -> str:
    output = io.StringIO()
    config = project.alembic_config(**{ATTRIBUTE: Move(project, replace(_NOWHERE))})
    config.output_buffer = output
    with importing(project.versions):
        call(config, range_.replace(f"{BASE}:", "base:"), sql=True)  # type: ignore[operator]  # upgrade or downgrade
    return output.getvalue()
