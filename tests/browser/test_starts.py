"""The pages that a user sees when the start does not go as usual."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL

from tests.browser.conftest import PHONE, Open, running
from tests.browser.looks import faint_texts, faults, scrolls_sideways
from tests.support.data.database import Database
from tests.support.servers.desktop import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A computer whose database a newer version has upgraded."""
    desk = Desk.create(URL.create("sqlite", database=str(tmp_path / "studies.db")), tmp_path)
    Database(desk.url).upgrade()
    Database(desk.url).execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
    return desk


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_failed_upgrade_is_a_page_in_words(desk: Desk, open_: Open, scheme: str) -> None:
    with desk.start("--no-browser") as app:
        page = open_(f"{app.url}/", color_scheme=scheme)

        expect(page.get_by_role("heading", level=1)).to_have_text("This database belongs to a newer AntaREST")
        expect(page.get_by_text(str(desk.url.database), exact=True).first).to_be_visible()
        expect(page.get_by_text("Install the newest version of AntaREST.")).to_be_visible()
        expect(page.get_by_text("db.E211")).to_be_hidden()
        page.get_by_text("Technical details").click()
        expect(page.get_by_text("db.E211")).to_be_visible()
        assert faint_texts(page) == []
        assert faults(page) == []
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a dict of the right keys
        assert not scrolls_sideways(page)


def test_trying_again_leads_to_the_application(desk: Desk, open_: Open) -> None:
    with desk.start("--no-browser") as app:
        page = open_(f"{app.url}/")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("This database belongs to a newer AntaREST")
        head = Database(desk.url).workflow.project.history.head
        Database(desk.url).execute(f"UPDATE alembic_version SET version_num = '{head}'")
        page.get_by_role("button", name="Try again").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Studies")
        expect(page.get_by_role("heading", level=2)).to_have_text("No studies yet")


def test_a_second_start_opens_what_the_first_one_serves(tmp_path: Path, open_: Open) -> None:
    with running(tmp_path) as (desk, app):
        with desk.start() as second:
            assert second.ended().code == 0
        (address,) = desk.opened

        expect(open_(address).get_by_role("heading", level=1)).to_have_text("Studies")
        assert address == f"{app.url}/"


def test_a_database_that_is_busy_and_gone_while_the_application_runs(tmp_path: Path, open_: Open) -> None:
    with running(tmp_path) as (desk, app):
        page = open_(f"{app.url}/")
        file = Path(str(desk.url.database))
        away = file.rename(file.with_suffix(".away"))
        page.reload()
        expect(page.get_by_role("heading", level=1)).not_to_have_text("Studies")
        expect(page.get_by_text("AntaREST is still running")).to_be_visible()
        away.rename(file)
        with sqlite3.connect(file, isolation_level=None) as writer:
            writer.execute("BEGIN IMMEDIATE")
            page.get_by_role("link", name="Try again").click()

            expect(page.get_by_role("heading", level=1)).to_have_text("Studies")
            writer.execute("ROLLBACK")
        writer.close()
