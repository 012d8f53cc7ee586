"""The list of studies, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.looks import scrolls_sideways


def names(page: Page) -> list[str]:
    """Return the names that the list shows."""
    return [each.inner_text() for each in page.locator(".study h2, .study h3, .study h4").all() if each.is_visible()]


def test_a_search_narrows_the_list(filled: str, open_: Open) -> None:
    page = open_(filled)
    page.get_by_label("Search by name").fill("reactors")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("1 study found with “reactors” in the name.")
    assert names(page) == [
        "Adequacy outlook 2026-2030, reference",
        "Cold spell of January 2012",
        "Cold spell, two reactors out",
    ]
    expect(page.locator("mark")).to_have_text("reactors")
    expect(page.locator(".lead")).to_have_text("1 of 15 studies, last changed first")
    page.get_by_role("link", name="Show all studies").click()
    expect(page.get_by_role("status")).to_have_count(0)


def test_a_search_without_hits(filled: str, open_: Open) -> None:
    page = open_(filled)
    page.get_by_label("Search by name").fill("<nothing>")
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("status")).to_contain_text("No study found with “<nothing>” in the name.")


def test_tags_filter_together_with_the_search(filled: str, open_: Open) -> None:
    page = open_(filled)
    tags = page.get_by_role("navigation", name="Filter by tag")
    tags.get_by_role("link", name="winter").click()
    tags.get_by_role("link", name="draft").click()

    expect(page.get_by_role("status")).to_contain_text("1 study found, tagged winter and draft.")
    assert "Cold spell, two reactors out" in names(page)
    page.get_by_label("Search by name").fill("gas")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("No study found")
    tags.get_by_role("link", name="draft").click()
    expect(page.get_by_role("status")).to_contain_text("1 study found with “gas” in the name, tagged winter.")


def test_the_title_and_the_numbers_of_the_tags_follow_the_search(filled: str, open_: Open) -> None:
    page = open_(filled + "/?search=cold")
    tags = page.get_by_role("navigation", name="Filter by tag").get_by_role("link")

    expect(page).to_have_title("cold · Studies · AntaREST")
    expect(tags).to_have_text(["winter 3 studies", "adequacy 1 study", "draft 1 study"])
    tags.filter(has_text="draft").click()
    expect(page).to_have_title("cold · draft · Studies · AntaREST")
    expect(tags).to_have_text([re.compile("^draft 1 study, chosen"), "winter 1 study"])


@pytest.mark.parametrize("path", ["", "/?tag=tag25"])
def test_on_a_phone_the_tags_leave_room_for_the_studies(filled_with_tags: str, open_: Open, path: str) -> None:
    page = open_(filled_with_tags + path, viewport={"width": 390, "height": 844})
    tags = page.get_by_role("navigation", name="Filter by tag")
    first = page.locator(".study").first.bounding_box()
    box = tags.bounding_box()

    assert box is not None
    assert box["height"] < 844 / 8
    assert first is not None
    assert first["y"] < 844
    assert first["height"] < 844 / 2
    tags.get_by_role("link").last.focus()
    expect(tags.get_by_role("link").last).to_be_in_viewport(ratio=0.9)
    assert not scrolls_sideways(page)


def test_the_tree_is_opened_and_closed_with_the_keyboard(filled: str, open_: Open) -> None:
    page = open_(filled)
    assert "Cold spell, two reactors out" not in names(page)
    page.get_by_text("2 variants of Cold spell of January 2012").focus()
    page.keyboard.press("Enter")
    assert "Cold spell, two reactors out" in names(page)
    page.keyboard.press("Space")
    assert "Cold spell, two reactors out" not in names(page)


def test_a_study_is_reached_with_the_keyboard_alone(filled: str, open_: Open) -> None:
    page = open_(filled)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Flow-based"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Flow-based domain, hours of 2025")


def test_from_a_study_to_its_variant_and_back(filled: str, open_: Open) -> None:
    page = open_(filled)
    page.get_by_role("link", name="Long-term pathways, 2050 N1").click()
    page.get_by_role("link", name="N1 without new nuclear").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("N1 without new nuclear")
    expect(page.get_by_text("not generated")).to_be_visible()
    page.get_by_role("navigation", name="Where this study stands").get_by_role("link", name="Long-term").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Long-term pathways, 2050 N1")


def test_the_pages_of_the_list(crowded: str, open_: Open) -> None:
    page = open_(crowded)
    assert names(page)[0] == "Study 045"
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    assert names(page)[0] == "Study 025"
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 3 of 3")).to_be_visible()
    assert names(page) == [f"Study {number:03d}" for number in range(5, 0, -1)]
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    assert names(page)[0] == "Study 025"


def test_the_history_is_a_time_line(filled: str, open_: Open) -> None:
    page = open_(filled)
    page.get_by_role("link", name="History").click()
    marks = page.locator(".timeline li")

    expect(marks).to_have_count(26)
    expect(page.locator("[aria-current=step]")).to_contain_text("Add solver stats")
    tops = [box["y"] for mark in marks.all() if (box := mark.bounding_box())]
    assert tops == sorted(tops)
    expect(page.get_by_role("heading", level=2)).to_have_text(["2024", "2023", "2022", "2021"])
