"""The declarative base of the models, and the upgrade at the start of an application."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from antarest.core.config import load_config
from antarest.migration.database.engines import create_db_engine

__all__ = ["NAMING_CONVENTION", "Base", "create_db_engine", "upgrade_db"]

# Every constraint has a name on both engines, so that a later revision can drop it. "ck" needs the name of the
# constraint itself: `CheckConstraint("width > 0", name="width_positive")` becomes `ck_matrix_width_positive`.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The declarative base of every model."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


def upgrade_db(config_file: str | Path | None = None) -> None:
    """Upgrade the configured database to head, unless it is already at head.

    Args:
        config_file: the path of the configuration file; None to find the file as `load_config` does.
    """
    # Imported here, so that models, which import Base, do not load Alembic.
    from antarest.migration.workflow.workflow import MigrationWorkflow

    MigrationWorkflow.from_config(load_config(config_file)).upgrade()
