"""The desktop application runs only once for a database, even if a user starts it several times."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import URL

from tests.support.data.database import HISTORY, Database
from tests.support.servers.desktop import Desk, wait_until

HEAD = HISTORY.head
OLD = HISTORY.order[12]


def test_a_second_start_opens_the_page_of_the_first(desk: Desk) -> None:
    with desk.start("--no-browser") as first:
        url = first.url
        first.get("/")
        with desk.start() as second:
            ended = second.ended()

        assert (ended.code, ended.err) == (0, "")
        assert desk.opened == [f"{url}/"]
        assert f"running        {url}/ (process {first.process.pid})" in ended.out
        assert first.stop().code == 0


def test_of_starts_at_the_same_moment_one_serves(sqlite_desk: Desk) -> None:
    with ExitStack() as stack:
        apps = [stack.enter_context(sqlite_desk.start()) for _ in range(4)]
        wait_until(lambda: sum(app.process.poll() is None for app in apps) == 1)
        wait_until(lambda: len(sqlite_desk.opened) == 4)
        (serving,) = [app for app in apps if app.process.poll() is None]

        assert [app.ended().code for app in apps if app is not serving] == [0, 0, 0]
        assert set(sqlite_desk.opened) == {f"{serving.url}/"}
        assert sum("upgraded: 26 revisions" in app.out for app in apps) == 1


def test_a_start_waits_for_one_that_upgrades(sqlite_desk: Desk) -> None:
    sqlite_desk.config.write_text(sqlite_desk.config.read_text().replace("busy_timeout: 1", "busy_timeout: 60"))
    Database(sqlite_desk.url).upgrade(OLD)
    with sqlite3.connect(sqlite_desk.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with sqlite_desk.start("--no-browser") as first:
            first.says("upgrade ")
            with sqlite_desk.start() as second:
                second.says(f"waiting        another start (process {first.process.pid}) is upgrading this database")
                assert sqlite_desk.opened == []
                other.execute("ROLLBACK")

                assert second.ended().code == 0
            assert sqlite_desk.opened == [f"{first.url}/"]
    other.close()


def test_a_killed_one_leaves_nothing_in_the_way(sqlite_desk: Desk) -> None:
    with sqlite_desk.start("--no-browser") as first:
        first.get("/")
        first.send(signal.SIGKILL)
        first.ended()
    with sqlite_desk.start() as second:
        wait_until(lambda: bool(sqlite_desk.opened))

        assert sqlite_desk.opened == [f"{second.url}/"] == [f"http://127.0.0.1:{sqlite_desk.port}/"]


def test_two_databases_are_two_applications(sqlite_desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = Desk.create(URL.create("sqlite", database=str(folder / "other.db")), folder, sqlite_desk.port)
    with sqlite_desk.start("--no-browser") as first, other.start("--no-browser") as second:
        assert first.url != second.url
        assert (first.get("/").status_code, second.get("/").status_code) == (200, 200)
