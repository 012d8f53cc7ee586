"""Measures how a page looks, and whether it is accessible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def _measure(page: Page, what: str) -> Any:
    return _evaluate(page, f"({_SCRIPT}).{what}()")


def _evaluate(page: Page, expression: str) -> Any:
    page.wait_for_load_state()  # After a click, the new page has its text before it has its style.
    return page.evaluate(expression)


def faint_texts(page: Page) -> list[dict[str, Any]]:
    """Return the texts whose contrast is lower than WCAG AA requires."""
    found: list[dict[str, Any]] = _measure(page, "contrasts")
    assert len(found) > 5
    return [each for each in found if each["contrast"] < each["enough"]]


def faults(page: Page) -> list[str]:
    """Return the faults that hinder a user with a screen reader or a keyboard."""
    found: list[str] = _measure(page, "faults")
    return found


def scrolls_sideways(page: Page) -> bool:
    """Return whether the page as a whole is wider than the window."""
    return bool(_evaluate(page, "document.documentElement.scrollWidth > window.innerWidth"))


def texts_that_do_not_fit(page: Page) -> list[str]:
    """Return the tables of the diagram with a text that leaves its box, or overlaps another text."""
    found: list[str] = _measure(page, "tooWide")
    return found
