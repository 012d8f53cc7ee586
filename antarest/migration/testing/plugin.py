"""A plugin for pytest, named in `conftest.py`: `pytest_plugins = ["antarest.migration.testing.plugin"]`.

All tests have the fixtures of `antarest.migration.testing` then. One PostgreSQL server serves the whole run: its
workers, and the commands that tests run. With pytest-xdist it starts before the workers; without, it starts once it is
known that a selected test needs it. `--keep-db` lets it run on where a test fails.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import pytest

from antarest.migration.scratch import KIND_VARIABLE, URL_VARIABLE, NoPostgres, postgres_server
from antarest.migration.testing.fixtures import (
    database_at,
    database_pool,
    empty_database,
    engine_name,
    migrated_database,
    new_database,
    postgres,
    sqlite_templates,
)
from antarest.migration.testing.run import IN_WORKER, SERVER

__all__ = [
    "database_at",
    "database_pool",
    "empty_database",
    "engine_name",
    "migrated_database",
    "new_database",
    "postgres",
    "sqlite_templates",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flag of this plugin."""
    parser.getgroup("databases").addoption(
        "--keep-db",
        action="store_true",
        help="let the PostgreSQL that was started for the tests run on with the databases of those that fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """With pytest-xdist, start the server before the workers."""
    if config.getoption("keep_db"):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # It removes each container when this process ends.
    if config.getoption("dist", "no") != "no" and not config.getoption("collectonly"):
        _share_server(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist which server there is."""
    if server := node.config.stash.get(SERVER, None):
        url = server.url.render_as_string(hide_password=False)
        node.workerinput[IN_WORKER] = (url, server.kind, server.version)


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Let the server run on for whoever wants to see why a test failed, and say how to stop it."""
    server = config.stash.get(SERVER, None)
    has_failed = any(terminalreporter.stats.get(outcome) for outcome in ("failed", "error"))
    if server and has_failed and config.getoption("keep_db") and (command := server.leave()):
        terminalreporter.section("databases")
        terminalreporter.write_line("PostgreSQL runs on. This stops it, and deletes what is on it:")
        terminalreporter.write_line(f"  {command}")


def _server_lines(config: pytest.Config) -> list[str]:
    server = config.stash.get(SERVER, None)
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
    config.stash[SERVER] = server
