"""The desktop application, started as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import URL

from antarest import __version__
from tests.database import HISTORY, Database
from tests.desktop import Desk, wait_until
from tests.server import Server
from tests.support import ROOT, Checkout, Run
from tests.support_desktop import fill

HEAD = HISTORY.head
OLD = HISTORY.order[12]


@pytest.fixture
def desk(empty_database: URL, tmp_path: Path) -> Desk:
    """A computer with an empty database, on each engine in turn."""
    return Desk.create(empty_database, tmp_path)


@pytest.fixture
def sqlite_desk(sqlite_database: URL, tmp_path: Path) -> Desk:
    return Desk.create(sqlite_database, tmp_path)


def file_of(desk: Desk) -> Path:
    return Path(str(desk.url.database))


# ---- starting


def test_a_start_upgrades_and_opens_the_page(desk: Desk) -> None:
    """The upgrade runs with a line for each revision, and the browser sees a page that answers."""
    with desk.start() as app:
        wait_until(lambda: bool(desk.opened))
        page = httpx.get(desk.opened[0])

        assert desk.opened == [f"http://127.0.0.1:{desk.port}/"]
        assert page.status_code == 200
        assert "No studies yet" in page.text
        assert f"upgrade        base -> {HEAD} (26 revisions)" in app.out
        assert "create accounts" in app.out
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
    """Also where the configuration says otherwise for the server."""
    with sqlite_desk.config.open("a") as file:
        file.write("  host: 0.0.0.0\n")
    with sqlite_desk.start("--no-browser") as app:
        assert app.url == f"http://127.0.0.1:{sqlite_desk.port}"
        with pytest.raises(OSError), socket.create_connection((_other_address(), sqlite_desk.port), timeout=5):
            pass


def _other_address() -> str:
    """An address of this machine that is not 127.0.0.1: the whole of 127/8 leads here."""
    return "127.0.0.2"


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
    assert not file_of(sqlite_desk).exists()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(sqlite_desk: Desk, by: signal.Signals) -> None:
    with sqlite_desk.start("--no-browser") as app:
        assert app.get("/").status_code == 200
        stopped = app.stop(by)

    assert (stopped.code, stopped.err) == (0, "")


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_upgrade_that_is_interrupted_changes_nothing(sqlite_desk: Desk, by: signal.Signals, code: int) -> None:
    Database(sqlite_desk.url).upgrade(OLD)
    with sqlite3.connect(file_of(sqlite_desk), isolation_level=None) as other:
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


# ---- one for each database


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
        assert sum("create accounts" in app.out for app in apps) == 1


def test_a_start_waits_for_one_that_upgrades(sqlite_desk: Desk) -> None:
    sqlite_desk.config.write_text(sqlite_desk.config.read_text().replace("busy_timeout: 1", "busy_timeout: 60"))
    Database(sqlite_desk.url).upgrade(OLD)
    with sqlite3.connect(file_of(sqlite_desk), isolation_level=None) as other:
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


# ---- what goes wrong


def assert_page_says(app: Server, title: str, *parts: str) -> None:
    """Every address shows one page, with status 503."""
    page = app.get("/studies/x")

    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
    for part in (f"<h1>{title}</h1>", *parts):
        assert part in page.text
    assert "Traceback" not in page.text


def test_a_database_of_a_newer_version(desk: Desk) -> None:
    database = Database(desk.url)
    database.upgrade()
    database.execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
    with desk.start() as app:
        wait_until(lambda: bool(desk.opened))
        assert_page_says(app, "This database belongs to a newer AntaREST", "db.E211", "was not changed")
        ended = app.stop()

    assert ended.code == 1
    assert ended.err.startswith("error db.E211: this database was upgraded by a newer version of AntaREST")
    assert "says what to do" in ended.out


def test_a_revision_that_fails(empty_database: URL, tmp_path: Path, checkout: Checkout) -> None:
    """Everything is undone, the page says so, and trying again helps once the cause is gone."""
    desk = Desk.create(empty_database, tmp_path)
    Database(desk.url).upgrade(HISTORY.order[-2])
    file = next(path for path in checkout.revisions if HEAD in path.name)
    text = file.read_text()
    file.write_text(text.replace("def upgrade() -> None:\n", "def upgrade() -> None:\n    op.execute('nonsense')\n"))
    before = Database(desk.url).rows()
    with desk.start("--no-browser", cwd=checkout.path, env={"PYTHONPATH": str(checkout.path)}) as app:
        assert_page_says(app, "The database could not be upgraded", "db.E601", "Your data is safe")
        assert Database(desk.url).rows() == before
        assert httpx.post(f"{app.url}/retry", timeout=60).status_code == 303
        assert_page_says(app, "The database could not be upgraded")
        ended = app.stop()

    assert ended.code == 1
    assert ended.err.count("error db.E601") == 2


def test_trying_again_after_the_cause_is_gone_starts_the_application(sqlite_desk: Desk) -> None:
    Database(sqlite_desk.url).upgrade(OLD)
    with sqlite3.connect(file_of(sqlite_desk), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with sqlite_desk.start("--no-browser") as app:
            assert_page_says(app, "Another program is using the database", str(file_of(sqlite_desk)))
            other.execute("ROLLBACK")
            assert httpx.post(f"{app.url}/retry", timeout=60).status_code == 303

            assert "No studies yet" in app.get("/").text
            assert app.stop().code == 0
    other.close()


def test_a_second_start_after_a_failure_opens_the_page_about_it(sqlite_desk: Desk) -> None:
    file_of(sqlite_desk).write_bytes(b"no database at all, and long enough to be looked at" * 50)
    with sqlite_desk.start("--no-browser") as first:
        assert_page_says(first, "The file is not a database, or is damaged", "The file was not changed")
        with sqlite_desk.start() as second:
            assert second.ended().code == 0
        assert sqlite_desk.opened == [f"{first.url}/"]
        assert first.stop().code == 1


def test_a_server_that_is_gone(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = URL.create("postgresql+psycopg2", "ada", "seventeen", "127.0.0.1", nobody.getsockname()[1], "antarest")
        with Desk.create(url, tmp_path).start("--no-browser") as app:
            assert_page_says(app, "The database server does not answer", "Nothing was changed")
            assert "seventeen" not in app.get("/").text
            assert app.stop().code == 3


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "nowhere" / "studies.db"))
    with Desk.create(url, tmp_path).start("--no-browser") as app:
        assert_page_says(app, "The database cannot be opened", str(tmp_path / "nowhere"))
        assert app.stop().code == 2


def test_a_database_that_goes_away_comes_back(sqlite_desk: Desk) -> None:
    """The application stays up, says what it is, and goes on."""
    with sqlite_desk.start("--no-browser") as app:
        assert app.get("/").status_code == 200
        file = file_of(sqlite_desk)
        away = file.rename(file.with_suffix(".away"))
        gone = httpx.get(f"{app.url}/", headers={"accept": "text/html"})

        assert gone.status_code == 503
        assert "AntaREST goes on running" in gone.text
        assert not file.exists()
        away.rename(file)
        assert app.get("/").status_code == 200


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
    """A Python that has nothing installed, from wherever it is started."""
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
