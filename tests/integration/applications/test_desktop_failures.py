"""The page of the desktop application when the database cannot be upgraded to its version."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from tests.support.data.database import HISTORY, Database
from tests.support.projects.checkouts import ROOT, Checkout
from tests.support.servers.desktop import Desk, wait_until
from tests.support.servers.server import HANGS, Server

HEAD = HISTORY.head
OLD = HISTORY.order[12]


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
    """Everything is undone, and the page says so. After the cause is fixed, a second try succeeds."""
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
    with sqlite3.connect(sqlite_desk.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with sqlite_desk.start("--no-browser") as app:
            assert_page_says(app, "Another program is using the database", str(sqlite_desk.file))
            other.execute("ROLLBACK")
            assert httpx.post(f"{app.url}/retry", timeout=60).status_code == 303

            assert "No studies yet" in app.get("/").text
            assert app.stop().code == 0
    other.close()


FAILS_THEN_WAITS = """def upgrade() -> None:
    import pathlib, time
    flag = pathlib.Path("flag")
    if not flag.exists():
        flag.touch()
        op.execute("nonsense")
    print("it runs", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_trying_again_can_be_interrupted(
    empty_database: URL, tmp_path: Path, checkout: Checkout, by: signal.Signals, code: int
) -> None:
    desk = Desk.create(empty_database, tmp_path)
    Database(desk.url).upgrade(HISTORY.order[-2])
    file = next(path for path in checkout.revisions if HEAD in path.name)
    file.write_text(file.read_text().replace("def upgrade() -> None:\n", FAILS_THEN_WAITS))
    before = Database(desk.url).rows()
    with desk.start("--no-browser", cwd=checkout.path, env={"PYTHONPATH": str(checkout.path)}) as app:
        address = app.url
        trying = threading.Thread(target=httpx.post, args=[f"{address}/retry"], kwargs={"timeout": HANGS})
        trying.start()
        app.says("it runs")
        ended = app.stop(by)
        trying.join()

    assert ended.code == code
    assert ended.err.count("error db.E601") == 1
    assert "Nothing was changed. The run was rolled back" in ended.err.rpartition("error ")[2]
    assert Database(desk.url).rows() == before
    assert Database(desk.url).workflow.current() == (HISTORY.order[-2],)


def test_a_second_start_after_a_failure_opens_the_page_about_it(sqlite_desk: Desk) -> None:
    Database(sqlite_desk.url).upgrade()
    backup = Database(sqlite_desk.url).workflow.backups.make()
    sqlite_desk.file.write_bytes(b"no database at all, and long enough to be looked at" * 50)
    with sqlite_desk.start("--no-browser") as first:
        assert backup
        assert_page_says(
            first, "The file is not a database, or is damaged", "The file was not changed", backup.path.name
        )
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


AS_NOBODY = """
import os, sys
sys.path.insert(0, os.environ["ROOT"])
import alembic.command, encodings.idna, platformdirs, sqlalchemy
import antarest.dbmodel, antarest.desktop.failures.failure, antarest.desktop.program
import antarest.migration.environment, antarest.web.serving.server
from antarest import gui
from antarest.desktop.pages.formatting import environment

# Modules that are imported late may be in folders that only root can read.
sqlalchemy.create_engine("sqlite://").connect().close()
environment().get_template("failure.html.jinja")
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(gui.main())
"""


def test_a_file_that_this_user_may_not_write() -> None:
    with tempfile.TemporaryDirectory() as name:  # others cannot enter the folder of pytest
        folder = Path(name)
        desk = Desk.create(URL.create("sqlite", database=str(folder / "studies.db")), folder)
        Database(desk.url).upgrade(OLD)
        (folder / "program.py").write_text(AS_NOBODY)
        for path in (folder, *folder.iterdir()):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            shutil.chown(folder / "runtime", 65534)
        (folder / "runtime").chmod(0o700)
        with desk.start("--no-browser", program=str(folder / "program.py"), env={"ROOT": str(ROOT)}) as app:
            assert_page_says(app, "The database cannot be written", str(folder / "studies.db"))
            assert app.stop().code == 1


def test_a_database_that_goes_away_comes_back(sqlite_desk: Desk) -> None:
    """The application does not stop. It shows the problem, and continues when the database is back."""
    with sqlite_desk.start("--no-browser") as app:
        assert app.get("/").status_code == 200
        file = sqlite_desk.file
        away = file.rename(file.with_suffix(".away"))
        gone = httpx.get(f"{app.url}/", headers={"accept": "text/html"})

        assert gone.status_code == 503
        assert "AntaREST is still running" in gone.text
        assert not file.exists()
        away.rename(file)
        assert app.get("/").status_code == 200
