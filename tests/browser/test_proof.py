"""The page of a proof, in a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Open
from tests.browser.looks import faint_texts, faults, scrolls_sideways
from tests.support.projects.verify import ini_of


@pytest.fixture(scope="module")
def page_of_proof(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page: a revision of this history fails on SQLite."""
    page = tmp_path_factory.mktemp("proof") / "proof.html"
    command = [sys.executable, "-m", "antarest.migration.verify", f"--project={ini_of('cast_on_sqlite')}"]
    subprocess.run([*command, f"--html={page}"], check=False, capture_output=True)
    return Path(page).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_result_opens_its_findings_with_the_schema_before_and_after(
    page_of_proof: str, open_: Open, scheme: str
) -> None:
    page = open_(page_of_proof, color_scheme=scheme)
    failed, changed = page.locator("#revision-b10000000000"), page.locator("#revision-b20000000000")
    expect(failed).to_be_hidden()

    page.get_by_role("link", name="V301").click()
    expect(failed).to_be_visible()
    expect(failed.locator("h3:target")).to_contain_text("V301")
    expect(failed).to_contain_text("the upgrade fails on empty tables")
    expect(failed).to_contain_text('unrecognized token: ":"')
    assert faint_texts(page) == []
    assert faults(page) == []
    page.get_by_role("link", name="b20000000000").click()
    expect(failed).to_be_hidden()
    expect(changed.locator("del").first).to_have_text("(no such table)")
    expect(changed.locator("ins").last).to_have_text("PRIMARY KEY (id)")


def test_the_page_fits_on_a_phone(page_of_proof: str, open_: Open) -> None:
    page = open_(f"{page_of_proof}#revision-b20000000000", viewport=PHONE)

    assert not scrolls_sideways(page)
