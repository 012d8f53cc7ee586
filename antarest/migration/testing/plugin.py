"""The pytest plugin. `conftest.py` names it: `pytest_plugins = ["antarest.migration.testing.plugin"]`.

The plugin gives all tests the fixtures of `antarest.migration.testing`. One PostgreSQL server serves the whole run, its
workers, and the commands that tests run. With pytest-xdist this server starts before the workers. Otherwise the server
starts if a selected test needs it. With `--keep-db` the server continues to run if a test fails.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from typing import Any

import pytest

from ..errors.rendering import render_error
from ..scratch.databases import KIND_VARIABLE, URL_VARIABLE, NoPostgres, PostgresServer, postgres_server
from .fixtures import *  # noqa: F403 - all of them belong to the plugin
from .pytest_run import IN_WORKER, KEPT, RUN_IN_WORKER, SERVER, run_id
from .templates import drop_templates_of

_NO_TESTS_RUN = ("collectonly", "setupplan", "show_fixtures_per_test", "showfixtures")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag `--keep-db`."""
    parser.getgroup("databases").addoption(
        "--keep-db",
        action="store_true",
        help="keep the PostgreSQL that was started for the tests, with the databases of failed tests",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest prints its header
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the PostgreSQL server before the workers of pytest-xdist."""
    if session.config.getoption("keep_db"):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # Ryuk removes each container when this process ends.
    if session.config.getoption("dist", "no") != "no":
        _share_server(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the PostgreSQL server and the id of the run to a worker of pytest-xdist."""
    server = node.config.stash.get(SERVER, None)
    if isinstance(server, PostgresServer):
        server = (server.url.render_as_string(hide_password=False), server.kind, server.version)
    node.workerinput[IN_WORKER] = server
    node.workerinput[RUN_IN_WORKER] = run_id(node.config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the PostgreSQL server if a selected test needs it, unless it is started already."""
    in_worker = hasattr(session.config, "workerinput")
    if not in_worker and any("postgres" in getattr(item, "fixturenames", ()) for item in session.items):
        _share_server(session.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return the lines of the header about the PostgreSQL server: its version and its kind."""
    return _server_lines(config)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Return the lines about the PostgreSQL server, which perhaps started after the header was printed."""
    return _server_lines(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the URLs of the databases of failed tests, and keep the server of these databases running."""
    reports = [each for outcome in terminalreporter.stats.values() for each in outcome]
    kept = [
        (report.nodeid, where)
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, where in report.user_properties
        if name == KEPT
    ]
    if not kept:
        return
    terminalreporter.section("databases of the failed tests")
    for test, where in kept:
        terminalreporter.write_line(f"{test}\n  {where}")
    server = config.stash.get(SERVER, None)
    if not isinstance(server, PostgresServer) or all(where.startswith("sqlite") for _, where in kept):
        return
    if command := server.leave():
        terminalreporter.write_line("PostgreSQL goes on. This command stops it, and deletes its databases:")
        terminalreporter.write_line(f"  {command}")


def _server_lines(config: pytest.Config) -> list[str]:
    server = config.stash.get(SERVER, None)
    if isinstance(server, str):
        return server.splitlines()
    return [f"postgresql: {server.version} ({server.kind})"] if server else []


def _share_server(config: pytest.Config) -> None:
    """Find or start a PostgreSQL server for this process and its child processes, until pytest ends."""
    if any(config.getoption(name, False) for name in _NO_TESTS_RUN):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        server = stack.enter_context(postgres_server())
    except NoPostgres as error:
        config.stash[SERVER] = render_error(error, io.StringIO())
        return
    environment = stack.enter_context(pytest.MonkeyPatch.context())
    environment.setenv(URL_VARIABLE, server.url.render_as_string(hide_password=False))
    environment.setenv(KIND_VARIABLE, "url")
    config.stash[SERVER] = server
    if server.kind == "url":
        stack.callback(drop_templates_of, run_id(config), server.url)
