"""How the pages look in light and dark, on a phone and without motion, and that a keyboard can use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WIDE, Open, running
from tests.browser.looks import faint_texts, faults, scrolls_sideways
from tests.support.data.study_trees import ODD_NAMES, add_odd

PATHS = ("/", "/?search=cold&tag=winter", "/?search=nowhere", "/history", "/schema", "/schema?table=study", "/nowhere")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the application, on a database whose studies have odd names."""
    with running(tmp_path_factory.mktemp("odd")) as (desk, app):
        with desk.session() as session:
            add_odd(session)
        yield app.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_every_text_can_be_read(filled: str, open_: Open, path: str, scheme: str) -> None:
    assert faint_texts(open_(filled + path, color_scheme=scheme)) == []


@pytest.mark.parametrize("path", PATHS)
def test_every_page_has_what_a_screen_reader_needs(filled: str, open_: Open, path: str) -> None:
    assert faults(open_(filled + path)) == []


@pytest.mark.parametrize("path", [*PATHS, "first study"])
@pytest.mark.parametrize("width", [320, 375, 768, 1024])
def test_no_page_scrolls_sideways(filled: str, open_: Open, path: str, width: int) -> None:
    page = open_(filled + ("/" if path == "first study" else path), viewport={**PHONE, "width": width})
    if path == "first study":
        page.goto(filled + str(page.locator(".study a").first.get_attribute("href")))

    assert not scrolls_sideways(page)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_odd_names_are_text_and_fit(odd: str, open_: Open, viewport: dict[str, int]) -> None:
    page = open_(odd, viewport=viewport)

    for name in ODD_NAMES:
        expect(page.get_by_role("heading", level=2).filter(has_text=name)).to_be_visible()
    assert not scrolls_sideways(page)
    assert faults(page) == []
    page.get_by_role("heading", level=2).get_by_role("link", name=ODD_NAMES[0]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ODD_NAMES[0])
    page.goto(odd)
    page.get_by_role("heading", level=2).get_by_role("link", name=ODD_NAMES[3]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ODD_NAMES[3])
    assert not scrolls_sideways(page)


def test_dark_is_dark_and_light_is_light(filled: str, open_: Open) -> None:
    shades = {
        scheme: open_(filled, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }

    assert shades == {"light": "rgb(247, 245, 242)", "dark": "rgb(21, 20, 25)"}


def test_nothing_moves_for_who_does_not_want_it(filled: str, open_: Open) -> None:
    moves = "getComputedStyle(document.querySelector('summary'), '::before').transitionDuration"

    assert open_(filled).evaluate(moves) != "0s"
    assert open_(filled, reduced_motion="reduce").evaluate(moves) == "0s"


def test_the_documentation_of_the_api_works_without_a_network(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/docs")

    expect(page.locator(".opblock").first).to_be_visible()


def test_the_page_for_the_readme(filled: str, open_: Open, tmp_path: Path) -> None:
    """The page looks as in docs/images/desktop.png, except for dates that depend on today."""
    page = open_(filled, device_scale_factor=1, viewport={"width": 1280, "height": 860})
    picture = page.screenshot(path=tmp_path / "desktop.png")

    assert 20_000 < len(picture) < 300_000
