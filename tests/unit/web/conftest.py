"""Fixtures of the tests of the application: its database, and the API, called without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import URL
from sqlalchemy.orm import Session

from antarest.core.config import AppConfig
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.web.application import create_app
from antarest.web.reading.database import Database

Ask = Callable[..., Any]
Get = Callable[..., httpx.Response]


@pytest.fixture
def session(migrated_database: URL) -> Iterator[Session]:
    """A session that writes the rows of a test, on a database at head."""
    engine = create_db_engine(migrated_database)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def app(migrated_database: URL) -> FastAPI:
    """The application on the database at head."""
    return create_app(AppConfig(DbConfig(migrated_database), Path("application.yaml")), Project.own())


@pytest.fixture
def database(app: FastAPI) -> Iterator[Database]:
    """The database as the application sees it."""
    database: Database = app.state.database
    yield database
    database.close()


@pytest.fixture
def ask(database: Database) -> Ask:
    """Run a query as the application does: `ask(query, **parameters)`."""
    return lambda query, *args, **parameters: asyncio.run(database.read(query, *args, **parameters))


@pytest.fixture
def get(app: FastAPI, database: Database) -> Get:  # noqa: ARG001 - which closes it
    """Ask the application for a path: `get("/api/studies", name="x")`."""

    def get(path: str, method: str = "GET", **parameters: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, params=parameters or None)

        return asyncio.run(request())

    return get
