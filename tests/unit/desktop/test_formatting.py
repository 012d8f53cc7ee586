from __future__ import annotations

from datetime import UTC, datetime

import pytest

from antarest.desktop.pages import formatting
from antarest.desktop.pages.row_counts import RowCount
from antarest.study.model import PublicMode

MORNING = datetime(2026, 11, 3, 9, 5, 59, 123)  # noqa: DTZ001 - as the database has it
SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("count", "words", "short"),
    [
        (RowCount(0), "0 rows", "0"),
        (RowCount(1), "1 row", "1"),
        (RowCount(9_999), "9,999 rows", "9,999"),
        (RowCount(12_345), "12,345 rows", "12.3 k"),
        (RowCount(1_234_567, is_exact=False), "about 1.23 million rows", "1.23 m"),
        (RowCount(100_000, is_exact=False), "about 100 thousand rows", "100 k"),
    ],
)
def test_counts_are_for_people(count: RowCount, words: str, short: str) -> None:
    assert (count.words, count.short) == (words, short)


def test_times_say_that_they_are_utc() -> None:
    assert formatting.moment(MORNING) == '<time datetime="2026-11-03T09:05:59Z">3 Nov 2026, 09:05 UTC</time>'
    assert formatting.moment(MORNING.replace(tzinfo=UTC)) == formatting.moment(MORNING)
    assert "title=" in formatting.day(MORNING)
    assert formatting.day(MORNING).striptags() == "3 Nov 2026"
    assert formatting.day(MORNING, year=False).striptags() == "3 Nov"


@pytest.mark.parametrize(
    ("name", "search", "shown"),
    [
        ("Winter 2030", "", "Winter 2030"),
        ("Winter 2030", "WIN", "<mark>Win</mark>ter 2030"),
        ("a.b.a", "a", "<mark>a</mark>.b.<mark>a</mark>"),
        ("a.b", ".", "a<mark>.</mark>b"),
        ("<b>", "b", "&lt;<mark>b</mark>&gt;"),
        (SCRIPT, SCRIPT, "<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>"),
        ("&amp;", "amp", "&amp;<mark>amp</mark>;"),
    ],
)
def test_what_was_searched_for_is_marked_and_the_rest_is_text(name: str, search: str, shown: str) -> None:
    assert formatting.marked(name, search) == shown


def test_whatever_is_put_into_a_page_is_text() -> None:
    template = formatting.environment().from_string("{{ x }}{{ x | isolate }}{{ x | code }}{{ x | sentence }}")

    assert "<script>" not in template.render(x=SCRIPT)


def test_backquotes_are_code() -> None:
    assert formatting.code("the table that `type` names") == "the table that <code>type</code> names"


def test_parameters_are_quoted() -> None:
    assert formatting.query([("tag", "a&b=c d"), ("page", 2)]) == "tag=a%26b%3Dc+d&page=2"


def test_every_right_of_everybody_has_words() -> None:
    assert len({formatting.rights(mode) for mode in PublicMode}) == len(PublicMode)
