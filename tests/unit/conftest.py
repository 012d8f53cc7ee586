"""Fixtures of the tests of the models: the application's engine and a session, on a database with their tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from antarest.dbmodel import metadata
from antarest.migration.database.engines import create_db_engine


@pytest.fixture
def engine(empty_database: URL) -> Iterator[Engine]:
    """The application's engine, on a database that has the tables of the models."""
    engine = create_db_engine(empty_database)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
