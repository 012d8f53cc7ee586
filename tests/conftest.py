"""Databases for tests: each test its own, on SQLite and on PostgreSQL, cloned and not migrated again.

One PostgreSQL server serves the whole run: its workers, and the commands that tests run. With pytest-xdist it starts
before the workers; without, it starts once it is known that a selected test needs it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import URL

from antarest.migration.scratch import (
    KIND_VARIABLE,
    URL_VARIABLE,
    NoPostgres,
    PostgresServer,
    postgres_server,
    scratch_database,
)
from antarest.migration.testing import (
    database_at,
    empty_database,
    engine_name,
    migrated_database,
    migration_templates,
    postgres,
)
from tests import support
from tests.support import Checkout, ConfigFile, Run

__all__ = ["database_at", "empty_database", "engine_name", "migrated_database", "migration_templates", "postgres"]

_SERVER = pytest.StashKey[PostgresServer]()

# Variables that mean something to us, to libpq, to git or to make, and are none of a test's.
_FOREIGN = ("ANTAREST_", "PG", "GIT_", "MAKE", "MFLAGS")
_OF_THE_MAKEFILE = {"ARGS", "PYTHON", "VENV"}  # make exports those of its command line to the next make
_OURS = "ANTAREST_TEST_"


def pytest_configure(config: pytest.Config) -> None:
    """With pytest-xdist, start the server before the workers."""
    # A shell starts what runs in the background with Ctrl-C ignored, and so would be whatever a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("dist", "no") != "no" and not config.getoption("collectonly"):
        _share_server(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Without pytest-xdist, start the server if a selected test needs it."""
    in_worker = hasattr(session.config, "workerinput")
    needed = any("postgres" in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and not in_worker and not session.config.getoption("collectonly"):
        _share_server(session.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which PostgreSQL runs."""
    return _server_lines(config)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say which PostgreSQL runs, where the header could not know it yet."""
    return _server_lines(config)


def _server_lines(config: pytest.Config) -> list[str]:
    server = config.stash.get(_SERVER, None)
    return [f"postgresql: {server.version} ({server.kind})"] if server else []


def _share_server(config: pytest.Config) -> None:
    """Find or start a server for this process and for all that it starts, until pytest ends."""
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        server = stack.enter_context(postgres_server())
    except NoPostgres as error:
        details = [f"  {label}: {value}" for label, value in error.details.items()]
        pytest.exit("\n".join([error.message, *details]), returncode=error.exit_code)
    environment = stack.enter_context(pytest.MonkeyPatch.context())
    environment.setenv(URL_VARIABLE, server.url.render_as_string(hide_password=False))
    environment.setenv(KIND_VARIABLE, "url")
    config.stash[_SERVER] = server


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on who runs it."""
    for name in os.environ:
        if name in _OF_THE_MAKEFILE or (name.startswith(_FOREIGN) and not name.startswith(_OURS)):
            monkeypatch.delenv(name)


@pytest.fixture
def sqlite_database() -> Iterator[URL]:
    """An empty SQLite database (a file that does not exist yet)."""
    with scratch_database("sqlite") as url:
        yield url


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[URL]:
    """An empty PostgreSQL database."""
    with scratch_database("postgresql", postgres) as url:
        yield url


@pytest.fixture
def config_file(tmp_path: Path) -> ConfigFile:
    """Write configuration files: `config_file(url, db={"pool_size": 1}, environment="production")` returns the path."""

    def write(url: URL | str, *, name: str = "application.yaml", db: dict[str, Any] | None = None, **top: Any) -> Path:
        text = url.render_as_string(hide_password=False) if isinstance(url, URL) else url
        path = tmp_path / name
        path.write_text(yaml.safe_dump({"db": {"url": text, **(db or {})}, **top}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run() -> Run:
    """Run commands as a user does; see `tests.support.run`."""
    return support.run


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of this repository that the test may change."""
    return Checkout.create(tmp_path / "checkout")
