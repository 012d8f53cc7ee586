"""The settings of a run do not stay on the connections to the server, which other programs get from the pool."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from tests.pgbouncer.conftest import Start
from tests.support.programs.user import User
from tests.support.projects.checkouts import ConfigFile
from tests.support.projects.workshop import Workshop
from tests.support.servers.bouncer import Bouncer
from tests.support.servers.roles import connected

LEFT = {
    "settings": "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY name",
    "locks": "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "prepared statements": "SELECT name FROM pg_prepared_statements",
    "temporary tables": "SELECT oid::regclass FROM pg_class WHERE relpersistence = 't'",
    "channels": "SELECT * FROM pg_listening_channels()",
}


def state(connection: Connection) -> set[tuple[object, ...]]:
    """Return the settings and locks that belong to a session."""
    return {(what, *row) for what, query in LEFT.items() for row in connection.exec_driver_sql(query)}


def assert_nothing_is_left(behind: Bouncer) -> None:
    """Assert that each connection of the pool is like a new one."""
    servers = behind.show("SERVERS")
    with ExitStack() as stack:
        fresh = state(stack.enter_context(connected(behind.direct)))
        # Each client stays in its transaction, so that the next client gets another connection of the pool.
        used = [stack.enter_context(connected(behind.url)) for _ in servers]
        processes = {connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() for connection in used}
        assert processes == {server["remote_pid"] for server in servers}
        for connection in used:
            assert state(connection) - fresh == set()


@pytest.mark.parametrize("program", ["inv db.upgrade", "alembic upgrade head"])
def test_by_a_run(start: Start, config_file: ConfigFile, program: str) -> None:
    behind = start()
    user = User(behind.url, config_file(behind.url))

    assert user.run(*program.split()).code == EXIT_DONE

    assert_nothing_is_left(behind)


def test_by_a_run_that_fails(start: Start, tmp_path: Path) -> None:
    behind = start()
    here = Workshop.create(tmp_path, "broken_upgrade", behind.url)

    assert here.run("inv db.upgrade").code == EXIT_FAILED

    assert_nothing_is_left(behind)
