"""How the server stops: on Ctrl-C and SIGTERM, with a request under way, while it starts, and when it is told twice."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import httpx
import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.core.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_TERMINATED
from tests.database import HISTORY, Database
from tests.server import HANGS, Server, server, wait_until
from tests.support import Checkout, ConfigFile
from tests.user import assert_shows

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
    """Hold the studies, so that whoever asks for them waits."""
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.close()
    else:
        with create_engine(url, poolclass=NullPool).connect() as holder:
            holder.execute(text("LOCK TABLE study"))
            yield


class Request:
    """A request under way."""

    def __init__(self, to: Server, path: str = "/api/studies") -> None:
        self.answer: httpx.Response | None = None
        self.error: httpx.HTTPError | None = None
        self._thread = threading.Thread(target=self._ask, args=[to, path])
        before = _connections(to)
        self._thread.start()
        wait_until(lambda: _connections(to) > before)
        to.get("/api/version")  # what came before this was read before

    def _ask(self, to: Server, path: str) -> None:
        try:
            self.answer = to.get(path)
        except httpx.HTTPError as error:
            self.error = error

    def answered(self) -> httpx.Response:
        """Its answer."""
        self._thread.join(HANGS)
        assert self.answer is not None, self.error
        return self.answer

    def cut_off(self) -> bool:
        """Whether it got no answer."""
        self._thread.join(HANGS)
        return self.answer is None


def _connections(to: Server) -> int:
    """How many connections the process has accepted, the listening socket included."""
    fds = Path(f"/proc/{to.process.pid}/fd").iterdir()
    return sum(str(each.readlink()).startswith("socket:") for each in fds if each.is_symlink())


@signals
def test_a_request_under_way_is_finished(migrated_database: URL, config_file: ConfigFile, sent: Signals) -> None:
    with server(config_file(migrated_database)) as started:
        address = started.url.removeprefix("http://").split(":")
        with held(migrated_database):
            request = Request(started)
            started.send(sent)
            wait_until(lambda: _refuses(address[0], int(address[1])))
            assert started.process.poll() is None
        assert request.answered().json()["total"] == 0
        ended = started.ended()

    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert ended.out.endswith("stopped\n")


def test_a_request_that_does_not_end_is_told_so(migrated_database: URL, config_file: ConfigFile) -> None:
    with server(config_file(migrated_database, db={"busy_timeout": 60})) as started, held(migrated_database):
        request = Request(started)
        started.send(SIGTERM)
        ended = started.ended()
        answer = request.answered()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "app.E503")
    assert ended.code == EXIT_DONE
    assert ended.out.endswith("stopped\n")
    assert "Traceback" not in ended.err


def test_a_second_ctrl_c_waits_for_nobody(migrated_database: URL, config_file: ConfigFile) -> None:
    with server(config_file(migrated_database, db={"busy_timeout": 60})) as started, held(migrated_database):
        address = started.url.removeprefix("http://").split(":")
        request = Request(started)
        started.send(SIGINT)
        wait_until(lambda: _refuses(address[0], int(address[1])))
        started.send(SIGINT)
        ended = started.ended()
        assert request.cut_off()

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
    assert_shows(ended.err, "interrupted: a run that was not committed was rolled back", "inv db.status")
    assert "Traceback" not in ended.err
    assert Database(empty_database).workflow.current() == (HISTORY.head,)
    assert "slow" not in Database(empty_database).schema().tables


@signals
@pytest.mark.parametrize("moment", range(12))
def test_a_signal_at_any_moment_of_the_start_ends_it(
    sqlite_database: URL, config_file: ConfigFile, sent: Signals, moment: int
) -> None:
    """Whatever it does just then: nothing is printed but what an interrupted program prints, and no file is left."""
    with server(config_file(sqlite_database)) as started:
        threading.Event().wait(0.1 * moment)
        ended = started.stop(sent)

    # It may have ended by itself: this database is empty, and so it is refused.
    assert ended.code in {CODES[sent], -sent, 1}
    assert "Traceback" not in ended.err
    assert not Path(str(sqlite_database.database)).exists()


def _refuses(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
