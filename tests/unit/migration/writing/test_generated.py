"""The generated part of a page, and the other parts, which stay."""

from __future__ import annotations

import pytest

from antarest.migration.branches.generated import block, with_block

PAGE = """\
# Title

<!-- generated: keys (by make docs) -->
old
<!-- end -->

Words.

<!-- generated: key -->
<!-- end -->
"""


def test_a_part_is_found_by_its_name() -> None:
    assert (block(PAGE, "keys"), block(PAGE, "key"), block(PAGE, "ke")) == ("old\n", "", None)


def test_a_part_is_replaced_and_the_rest_stays() -> None:
    text = with_block(with_block(PAGE, "keys", r"\1 new" + "\n"), "key", "more\n")

    assert text == PAGE.replace("old\n", r"\1 new" + "\n").replace(
        "<!-- generated: key -->\n", "<!-- generated: key -->\nmore\n"
    )


@pytest.mark.parametrize(
    "text", ["", "<!-- generated: keys -->\n", "<!-- end -->\n", "a <!-- generated: keys -->\n<!-- end -->"]
)
def test_a_page_without_the_place_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="there is no <!-- generated: keys -->"):
        with_block(text, "keys", "new\n")
