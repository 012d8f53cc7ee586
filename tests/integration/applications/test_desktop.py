"""The desktop application, started by a user."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from antarest import __version__
from tests.support.data.database import HISTORY, Database
from tests.support.data.study_trees import fill
from tests.support.projects.checkouts import ROOT, Run
from tests.support.servers.desktop import Desk, wait_until

HEAD = HISTORY.head
OLD = HISTORY.order[12]


def test_a_start_upgrades_and_opens_the_page(desk: Desk) -> None:
    """A new database loads the snapshot, and the browser sees a page that answers."""
    with desk.start() as app:
        wait_until(lambda: bool(desk.opened))
        page = httpx.get(desk.opened[0])

        assert desk.opened == [f"http://127.0.0.1:{desk.port}/"]
        assert page.status_code == 200
        assert "No studies yet" in page.text
        assert f"upgrade        base -> {HEAD} (26 revisions)" in app.out
        assert "snapshot       26 revisions from alembic/snapshot/" in app.out
        assert f"listening      http://127.0.0.1:{desk.port}" in app.out
        stopped = app.stop()

    assert (stopped.code, stopped.err) == (0, "")
    assert Database(desk.url).workflow.current() == (HEAD,)


def test_every_study_of_an_old_database_is_there(desk: Desk) -> None:
    database = Database(desk.url)
    database.upgrade(OLD)
    database.fill()
    names = {name for (name,) in database.query("SELECT name FROM study")}
    with desk.start("--no-browser") as app:
        found = app.get("/api/studies", size=100).json()

        assert {study["name"] for study in found["items"]} == names
        pages = {
            study["id"]: app.get(f"/studies/{quote(study['id'], safe='')}") for study in found["items"] if study["id"]
        }
        assert len(pages) >= len(names) - 1
        assert {id_: page.status_code for id_, page in pages.items()} == dict.fromkeys(pages, 200)


def test_for_a_script_no_browser_opens_and_the_address_is_printed(sqlite_desk: Desk) -> None:
    with sqlite_desk.start("--no-browser") as app:
        assert app.get("/").status_code == 200
        app.stop()

    assert sqlite_desk.opened == []


def test_without_a_browser_the_address_is_said(sqlite_desk: Desk) -> None:
    with sqlite_desk.start(env={"BROWSER": "/nowhere/browser", "PATH": "/nowhere", "DISPLAY": ""}) as app:
        app.says(f"none was found; open http://127.0.0.1:{sqlite_desk.port}/ yourself")


def test_it_listens_on_this_computer_alone(sqlite_desk: Desk) -> None:
    """The configuration may name another address for the server."""
    with sqlite_desk.config.open("a") as file:
        file.write("  host: 0.0.0.0\n")
    with sqlite_desk.start("--no-browser") as app:
        assert app.url == f"http://127.0.0.1:{sqlite_desk.port}"
        # All addresses in 127/8 lead to this machine, and so do its other addresses.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", sqlite_desk.port), timeout=5)


def test_a_free_port_is_taken_where_the_usual_one_is_not_free(sqlite_desk: Desk) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", sqlite_desk.port))
        other.listen()
        with sqlite_desk.start() as app:
            wait_until(lambda: bool(sqlite_desk.opened))

            assert app.url != f"http://127.0.0.1:{sqlite_desk.port}"
            assert sqlite_desk.opened == [f"{app.url}/"]
            assert f"port {sqlite_desk.port} of 127.0.0.1 is taken" in app.out


def test_a_port_that_was_asked_for_is_not_replaced(sqlite_desk: Desk) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with sqlite_desk.start(f"--port={port}") as app:
            ended = app.ended()

    assert (ended.code, ended.err.partition(":")[0]) == (1, "error app.E101")
    assert sqlite_desk.opened == []
    assert not sqlite_desk.file.exists()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(sqlite_desk: Desk, by: signal.Signals) -> None:
    with sqlite_desk.start("--no-browser") as app:
        assert app.get("/").status_code == 200
        stopped = app.stop(by)

    assert (stopped.code, stopped.err) == (0, "")


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_upgrade_that_is_interrupted_changes_nothing(sqlite_desk: Desk, by: signal.Signals, code: int) -> None:
    Database(sqlite_desk.url).upgrade(OLD)
    with sqlite3.connect(sqlite_desk.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        sqlite_desk.config.write_text(sqlite_desk.config.read_text().replace("busy_timeout: 1", "busy_timeout: 60"))
        with sqlite_desk.start() as app:
            app.says("upgrade ")
            app.send(by)
            other.execute("ROLLBACK")
            ended = app.ended()
    other.close()

    assert ended.code == code
    assert sqlite_desk.opened == []
    assert Database(sqlite_desk.url).workflow.current() == (OLD,)


@pytest.mark.parametrize(
    ("content", "code"),
    [("db:\n  url: mysql://x/y\n", "config.E109"), ("db:\n  url: sqlite://\n", "db.E701"), ("nonsense", "config.E104")],
)
def test_a_configuration_that_names_no_database_has_no_page(sqlite_desk: Desk, content: str, code: str) -> None:
    sqlite_desk.config.write_text(content)
    with sqlite_desk.start() as app:
        ended = app.ended()

    assert (ended.code, ended.err.partition(":")[0]) == (2, f"error {code}")
    assert sqlite_desk.opened == []


@pytest.mark.parametrize("flag", ["--host=0.0.0.0", "--port=x", "--port=70000", "--config=", "--nonsense"])
def test_a_flag_that_it_does_not_have(sqlite_desk: Desk, flag: str) -> None:
    with sqlite_desk.start(flag) as app:
        ended = app.ended()

    assert (ended.code, ended.err.partition(":")[0]) == (2, "error usage.E101")


def test_it_says_its_version_and_its_flags(run: Run) -> None:
    assert run("python", "antarest/gui.py", "--version").out == f"AntaREST {__version__}\n"
    shown = run("python", "antarest/gui.py", "--help").out
    assert all(flag in shown for flag in ("--config", "--port", "--no-browser", "--debug", "--version"))


def test_without_its_packages_it_says_what_to_run_first(tmp_path: Path) -> None:
    """The Python has no packages, and the application is started from any folder."""
    done = subprocess.run(
        [sys.executable, "-S", "-I", str(ROOT / "antarest/gui.py")],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "make install" in done.stderr
    assert "antarest/gui.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_pages_of_a_filled_database(desk: Desk) -> None:
    Database(desk.url).upgrade()
    with desk.session() as session:
        roots = fill(session)
    with desk.start("--no-browser") as app:
        pages = {path: app.get(path) for path in ("/", f"/studies/{roots[0]}", "/history", "/schema", "/docs")}

        assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
        assert "Cold spell of January 2012" in pages["/"].text
        assert app.get("/", search="reactors").text.count("<mark>reactors</mark>") == 1
