"""How the server stops: on Ctrl-C and SIGTERM, during a request, during the start, and after a second signal."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED
from tests.support.data.database import HISTORY, Database
from tests.support.programs.user import assert_shows
from tests.support.projects.checkouts import Checkout, ConfigFile
from tests.support.servers.server import HANGS, Server, server, wait_until

CODES = {SIGINT: EXIT_INTERRUPTED, SIGTERM: EXIT_TERMINATED}
SLOW = '''"""wait for a signal"""

import time

import sqlalchemy as sa
from alembic import op

revision = "5105105105ff"
down_revision = "{head}"


def upgrade():
    op.create_table("slow", sa.Column("id", sa.Integer, primary_key=True))
    print("it runs", flush=True)
    time.sleep(600)


def downgrade():
    op.drop_table("slow")
'''

signals = pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)


@contextmanager
def held(url: URL) -> Iterator[None]:
    """Lock the table of studies, so that a request for studies waits."""
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.close()
    else:
        with create_engine(url, poolclass=NullPool).connect() as holder:
            holder.execute(text("LOCK TABLE study"))
            yield


@contextmanager
def serving(config: Path) -> Iterator[Server]:
    """A server that is ready."""
    with server(config) as started:
        started.get("/api/health")
        yield started


class Request:
    """A request that waits for its answer."""

    def __init__(self, to: Server, path: str = "/api/studies") -> None:
        self._connection = HTTPConnection(to.url.removeprefix("http://"), timeout=HANGS)
        self._connection.request("GET", path)
        to.get("/api/version")  # this answer shows that the server has read the earlier requests

    def answered(self) -> tuple[int, Any]:
        """Return the status and the JSON of the answer."""
        with closing(self._connection):
            answer = self._connection.getresponse()
            return answer.status, json.load(answer)


@signals
def test_a_request_under_way_is_finished(migrated_database: URL, config_file: ConfigFile, sent: Signals) -> None:
    with server(config_file(migrated_database)) as started:
        address = started.url.removeprefix("http://").split(":")
        with held(migrated_database):
            request = Request(started)
            started.send(sent)
            wait_until(lambda: _refuses(address[0], int(address[1])))
            assert started.process.poll() is None
        status, found = request.answered()
        assert (status, found["total"]) == (200, 0)
        ended = started.ended()

    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert ended.out.endswith("stopped\n")


def test_a_request_that_does_not_end_is_told_so(migrated_database: URL, config_file: ConfigFile) -> None:
    with serving(config_file(migrated_database, db={"busy_timeout": 60})) as started, held(migrated_database):
        request = Request(started)
        started.send(SIGTERM)
        ended = started.ended()
        status, found = request.answered()

    assert (status, found["error"]["code"]) == (503, "app.E503")
    assert ended.code == EXIT_DONE
    assert ended.out.endswith("stopped\n")
    assert "Traceback" not in ended.err


def test_a_second_ctrl_c_waits_for_nobody(migrated_database: URL, config_file: ConfigFile) -> None:
    with serving(config_file(migrated_database, db={"busy_timeout": 60})) as started, held(migrated_database):
        address = started.url.removeprefix("http://").split(":")
        request = Request(started)
        started.send(SIGINT)
        wait_until(lambda: _refuses(address[0], int(address[1])))
        started.send(SIGINT)
        ended = started.ended()
        status, found = request.answered()

    assert (status, found["error"]["code"]) == (503, "app.E503")
    assert ended.code == EXIT_INTERRUPTED
    assert ended.out.endswith("stopped; running requests were cut off\n")
    assert "Traceback" not in ended.err


@signals
def test_connections_that_ask_for_nothing_do_not_keep_it(
    migrated_database: URL, config_file: ConfigFile, sent: Signals
) -> None:
    with server(config_file(migrated_database)) as started:
        host, port = started.url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(20)]
        idle[0].sendall(b"GET /api/health HT")
        with httpx.Client(base_url=started.url) as client:
            client.get("/api/version")  # and is kept open
            ended = started.stop(sent)
        for each in idle:
            each.close()

    assert (ended.code, ended.err) == (EXIT_DONE, "")


@signals
def test_a_signal_during_an_upgrade_undoes_it(
    empty_database: URL, config_file: ConfigFile, checkout: Checkout, sent: Signals
) -> None:
    Database(empty_database).upgrade()
    slow = SLOW.format(head=HISTORY.head)
    (checkout.path / "alembic" / "versions" / "5105105105ff_slow.py").write_text(slow, encoding="utf-8")
    with server(config_file(empty_database), "--auto-upgrade-db", cwd=checkout.path) as started:
        started.says("it runs")
        ended = started.stop(sent)

    assert ended.code == CODES[sent]
    word = {SIGINT: "interrupted", SIGTERM: "terminated"}[sent]
    assert_shows(ended.err, word, "Nothing was changed. The run was rolled back", "inv db.status")
    assert "Traceback" not in ended.err
    assert Database(empty_database).workflow.current() == (HISTORY.head,)
    assert "slow" not in Database(empty_database).schema().tables


@signals
@pytest.mark.parametrize("moment", range(8))
def test_a_signal_at_any_moment_of_the_start_ends_it(
    sqlite_database: URL, config_file: ConfigFile, sent: Signals, moment: int
) -> None:
    """At each moment, the server prints only the text of an interrupted program, and leaves no file."""
    with server(config_file(sqlite_database)) as started:
        wait_until(lambda: _handles(started, SIGTERM))  # before this, only Python itself starts
        time.sleep(0.15 * moment)
        ended = started.stop(sent)

    # The server may have ended by itself, because it refuses an empty database.
    assert ended.code in {CODES[sent], EXIT_FAILED}
    assert "Traceback" not in ended.err
    assert not Path(str(sqlite_database.database)).exists()


def _handles(process: Server, sent: Signals) -> bool:
    """Return whether a process has its own handler for a signal, or has ended."""
    try:
        status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return True
    handled = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(handled >> (sent - 1) & 1) or process.process.poll() is not None


def _refuses(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
