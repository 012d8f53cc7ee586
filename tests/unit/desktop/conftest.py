"""Fixtures of the tests of the pages: the desktop application, called without a server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import URL
from sqlalchemy.orm import Session
from starlette.types import ASGIApp

from antarest.core.config import AppConfig
from antarest.desktop.application import create_desktop_app
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project

INSTANCE = "0123456789abcdef"
HOST = "http://127.0.0.1:8080"
Get = Callable[..., "Page"]
Write = Callable[[Callable[[Session], Any]], Any]


_INLINE = {"a", "b", "bdi", "code", "mark", "time"}


class _Reader(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.text += [] if tag in _INLINE else [" "]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@dataclass(frozen=True)
class Page:
    """An answer, parsed as a browser does."""

    status: int
    headers: httpx.Headers
    source: str = field(repr=False)

    @property
    def text(self) -> str:
        """The text that a person reads, on one line."""
        return re.sub(r"\s+", " ", "".join(self._read().text)).strip()

    @property
    def links(self) -> list[str]:
        """The targets of the links."""
        return [attributes["href"] for tag, attributes in self._read().elements if tag == "a"]

    def elements(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self._read().elements if name == tag]

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.source)
        return reader


def request(app: ASGIApp, path: str, *, method: str = "GET", base: str = HOST, **options: Any) -> Page:
    """Ask an application for a path, as a browser does."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        headers = {"accept": "text/html,*/*;q=0.8", **options.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
            return await client.request(method, path, **options)

    answer = asyncio.run(ask())
    return Page(answer.status_code, answer.headers, answer.text)


@pytest.fixture
def config(migrated_database: URL) -> AppConfig:
    """The configuration of the application under test: a database at head, on each engine in turn."""
    return AppConfig(DbConfig(migrated_database), Path("/etc/antarest/application.yaml"))


@pytest.fixture
def app(config: AppConfig) -> Iterator[FastAPI]:
    """The desktop application."""
    app = create_desktop_app(config, Project.own(), INSTANCE)
    yield app
    app.state.database.close()


@pytest.fixture
def get(app: FastAPI) -> Get:
    """Ask the application for a page: `get("/", params={"search": "x"})`."""
    return lambda path, **options: request(app, path, **options)


@pytest.fixture
def write(migrated_database: URL) -> Write:
    """Write into the database of the application: `write(function)` calls the function with a session."""

    def write(what: Callable[[Session], Any]) -> Any:
        engine = create_db_engine(migrated_database)
        with Session(engine) as session:
            result = what(session)
        engine.dispose()
        return result

    return write
