"""The diagram, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open
from tests.browser.looks import scrolls_sideways, texts_that_do_not_fit
from tests.support.servers.server import wait_until


def zoom(page: Page) -> int:
    """Return the size at which the diagram is shown, in per cent."""
    return int(page.get_by_label("Zoom").inner_text().removesuffix("%").strip())


def scrolled(page: Page) -> tuple[float, float]:
    """Return how far the diagram was moved."""
    left, top = page.locator(".canvas").evaluate("canvas => [canvas.scrollLeft, canvas.scrollTop]")
    return left, top


def chosen(page: Page) -> list[str]:
    return page.locator(".box.chosen").evaluate_all("boxes => boxes.map(box => box.dataset.select)")  # type: ignore[no-any-return]


def near(page: Page) -> set[str]:
    return set(page.locator(".box.near").evaluate_all("boxes => boxes.map(box => box.dataset.select)"))


def test_the_buttons_change_the_size(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    begun, width = zoom(page), page.locator("svg.diagram").bounding_box()
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Larger").click()
    grown = page.locator("svg.diagram").bounding_box()
    assert zoom(page) == pytest.approx(begun * 1.44, abs=2)
    assert width
    assert grown
    assert grown["width"] == pytest.approx(width["width"] * 1.44, rel=0.01)
    page.get_by_role("button", name="Smaller").click()
    assert zoom(page) == pytest.approx(begun * 1.2, abs=2)
    page.get_by_role("button", name="Fit").click()
    assert zoom(page) == begun


def test_the_keyboard_changes_the_size_and_moves_it(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    begun = zoom(page)
    page.locator(".canvas").focus()
    for _ in range(4):
        page.keyboard.press("+")
    assert zoom(page) == pytest.approx(begun * 1.2**4, abs=3)
    before = scrolled(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    right, down = scrolled(page)
    assert (right > before[0], down > before[1]) == (True, True)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert scrolled(page) == before
    page.keyboard.press("-")
    assert zoom(page) == pytest.approx(begun * 1.2**3, abs=3)
    page.keyboard.press("0")
    assert zoom(page) == begun


def test_the_wheel_changes_the_size_where_the_pointer_is_and_alone_it_scrolls(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    begun = zoom(page)
    box = page.locator(".box[data-select=study]")
    place = box.bounding_box()
    assert place
    page.mouse.move(place["x"] + 10, place["y"] + 10)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(page.get_by_label("Zoom")).not_to_have_text(f"{begun} %")
    after = box.bounding_box()
    assert after
    grown_by = zoom(page) / begun
    assert after["x"] + 10 * grown_by == pytest.approx(place["x"] + 10, abs=3)
    assert after["y"] + 10 * grown_by == pytest.approx(place["y"] + 10, abs=3)
    grown, before = zoom(page), scrolled(page)
    page.mouse.wheel(0, 120)
    wait_until(lambda: scrolled(page)[1] > before[1])  # The policy of the page forbids code in a text.
    assert zoom(page) == grown


def test_the_mouse_moves_it_without_choosing_what_it_grips(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    for _ in range(4):
        page.get_by_role("button", name="Larger").click()
    before = scrolled(page)
    place = page.locator(".canvas").bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 50, steps=5)
    page.mouse.up()

    assert scrolled(page) == pytest.approx((before[0] + 60, before[1] + 50), abs=2)
    assert chosen(page) == []


def test_the_size_has_ends(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    page.locator(".canvas").focus()
    for _ in range(30):
        page.keyboard.press("+")
    assert zoom(page) == 300
    for _ in range(40):
        page.keyboard.press("-")
    assert zoom(page) == 20


def test_a_click_chooses_a_table(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    page.locator(".box[data-select=variantstudy] .name").click()

    assert chosen(page) == ["variantstudy"]
    assert near(page) == {"study", "taskjob", "commandblock", "variant_study_snapshot"}
    expect(page.locator(".edge.near")).to_have_count(4)
    expect(page.get_by_role("heading", level=2)).to_have_text("variantstudy")
    expect(page.locator(".summary:visible")).to_contain_text("consists of its parent and a list of commands")
    expect(page.get_by_role("rowheader", name="generation_task_id")).to_be_visible()
    assert page.url.endswith("/schema?table=variantstudy")
    page.go_back()
    assert chosen(page) == []
    expect(page.get_by_role("heading", level=2)).to_have_text("What the tables hold")


def test_the_keyboard_chooses_a_table(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema")
    page.locator(".box[data-select=tag]").focus()
    page.keyboard.press("Enter")

    assert chosen(page) == ["tag"]
    assert near(page) == {"study_tag"}
    expect(page.get_by_role("heading", level=2)).to_have_text("tag")


def test_the_panel_leads_from_table_to_table(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema?table=tag")
    page.get_by_role("link", name="study_tag.tag_label").click()
    assert chosen(page) == ["study_tag"]
    page.get_by_role("link", name="study.id").click()
    assert chosen(page) == ["study"]
    expect(page.locator(".count:visible")).to_have_text("15 rows")
    page.get_by_role("link", name="All tables").click()
    assert chosen(page) == []


def test_a_table_that_is_out_of_sight_comes_into_view(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema?table=users_ldap", viewport=PHONE)
    box, canvas = page.locator(".box.chosen").bounding_box(), page.locator(".canvas").bounding_box()

    assert box
    assert canvas
    assert canvas["x"] <= box["x"] <= canvas["x"] + canvas["width"] - box["width"]
    assert canvas["y"] <= box["y"] <= canvas["y"] + canvas["height"] - box["height"]


def test_without_scripts_it_scrolls_and_a_choice_loads_the_page(filled: str, open_: Open) -> None:
    page = open_(f"{filled}/schema", java_script_enabled=False)
    page.locator(".box[data-select=tag] .name").click()

    expect(page.locator(".box.chosen .name")).to_have_text("tag")
    expect(page.get_by_role("heading", level=2)).to_have_text("tag")
    expect(page.get_by_role("button", name="Larger")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_texts_fit_into_their_boxes(filled: str, open_: Open, scheme: str) -> None:
    page = open_(f"{filled}/schema", color_scheme=scheme)

    assert texts_that_do_not_fit(page) == []
    assert not scrolls_sideways(page)
