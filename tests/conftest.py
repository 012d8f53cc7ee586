"""Databases for tests: each test has its own, on SQLite and on PostgreSQL, copied from a template."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import URL

from antarest.migration.errors.revision import HEAD
from antarest.migration.scratch.databases import PostgresServer
from tests.support.projects import checkouts
from tests.support.projects.checkouts import Checkout, ConfigFile, Run

if TYPE_CHECKING:  # pytest imports it as a plugin below
    from antarest.migration.testing import NewDatabase

pytest_plugins = ["antarest.migration.testing.plugin"]

# Variables that have a meaning for us, libpq, git or make, and must not have an effect on tests.
_FOREIGN = ("ANTAREST_", "PG", "GIT_", "MAKE", "MFLAGS")
_OF_THE_MAKEFILE = {"ARGS", "PYTHON", "VENV"}  # make exports the variables of its command line to the next make
_OURS = "ANTAREST_TEST_"


def pytest_configure() -> None:
    """Make Ctrl-C work in a run in the background."""
    # A shell lets programs in the background ignore Ctrl-C. A command that a test interrupts would inherit this.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use PostgreSQL, so that `-m postgresql` can run them on another server."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()) and "sqlite" not in item.name:
            item.add_marker("postgresql")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Remove the user's variables, so that no test depends on them. Commands in this process are named as in `inv`."""
    monkeypatch.setattr(sys, "argv", ["inv"])
    own = tmp_path_factory.getbasetemp() / f"cache-{secrets.token_hex(4)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))  # Tests do not share proofs.
    for name in os.environ:
        if name in _OF_THE_MAKEFILE or (name.startswith(_FOREIGN) and not name.startswith(_OURS)):
            monkeypatch.delenv(name)


@pytest.fixture
def sqlite_database(new_database: NewDatabase) -> URL:
    """Return an empty SQLite database (a file that does not exist yet)."""
    return new_database("sqlite")


@pytest.fixture
def sqlite_migrated(new_database: NewDatabase) -> URL:
    """Return an SQLite database at head, for tests that do not depend on the engine."""
    return new_database("sqlite", HEAD)


@pytest.fixture
def postgres_database(postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts it
    """Return an empty PostgreSQL database."""
    return new_database("postgresql")


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
    """Run commands as a user does; see `tests.support.projects.checkouts.run`."""
    return checkouts.run


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a copy of this repository that the test may change."""
    return Checkout.create(tmp_path / "checkout")
