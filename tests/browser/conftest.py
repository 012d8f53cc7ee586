"""The Chromium of this computer, and the desktop application in it.

If there is no Chromium, the tests fail, and name the package that is missing. They are not skipped, because only `make
test-browser` runs them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from sqlalchemy import URL

from tests.support.data.study_trees import add_many, add_tagged, fill
from tests.support.servers.desktop import Desk
from tests.support.servers.server import Server

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "ANTAREST_TEST_CHROMIUM"
FLAGS = (
    "--no-sandbox",  # which Chromium needs to run as root, as in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
# Chromium prints this for a page with an error status; the tests look at the status themselves.
_STATUS = "Failed to load resource: the server responded with a status of "

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, with a new profile."""
    path = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(f"no Chromium is on the PATH: apt-get install chromium, or name one in {VARIABLE}", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def running(folder: Path) -> Iterator[tuple[Desk, Server]]:
    """Start the application on a new database in this folder."""
    desk = Desk.create(URL.create("sqlite", database=str(folder / "studies.db")), folder)
    with desk.start("--no-browser") as app:
        app.get("/")
        yield desk, app


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the application, on a database with studies."""
    with running(tmp_path_factory.mktemp("filled")) as (desk, app):
        with desk.session() as session:
            fill(session)
        yield app.url


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the application, on a database with so many studies that the list has several pages."""
    with running(tmp_path_factory.mktemp("crowded")) as (desk, app):
        with desk.session() as session:
            add_many(session, 45)
        yield app.url


@pytest.fixture(scope="session")
def filled_with_tags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the application, on a database with a study that has thirty tags."""
    with running(tmp_path_factory.mktemp("tags")) as (desk, app):
        with desk.session() as session:
            add_tagged(session, 30)
        yield app.url


@pytest.fixture
def open_(browser: Browser) -> Iterator[Open]:
    """Open a page: `open_(address, color_scheme="dark", viewport=PHONE)`.

    At the end of the test, the console must have no errors, and the page must not have asked another host for anything.
    """
    contexts, complaints, foreign = [], list[str](), list[str]()

    def open_page(address: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.extend(_complaint(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        host = urlsplit(address).netloc
        page.on("request", lambda request: foreign.extend([request.url] * (urlsplit(request.url).netloc != host)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert foreign == []


def _complaint(message: ConsoleMessage) -> list[str]:
    is_one = message.type in {"error", "warning"} and not message.text.startswith(_STATUS)
    # A test may end before the browser has all files of its last page, and the application ends with the test.
    is_late = "net::ERR_" in message.text and urlsplit(message.location["url"]).path.startswith("/static/")
    return [f"{message.text}: {message.location['url']}"] if is_one and not is_late else []
