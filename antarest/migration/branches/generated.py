"""The generated parts of a page. A program writes these parts between two comments. People write the other parts."""

from __future__ import annotations

import re


def block(text: str, name: str) -> str | None:
    """Return the text between `<!-- generated: NAME ... -->` and `<!-- end -->`; None without such comments."""
    found = _place(name).search(text)
    return found["content"] if found else None


def with_block(text: str, name: str, content: str) -> str:
    """Return the text with new content between the comments of this name.

    Raises:
        ValueError: the text does not have these comments.
    """
    new, count = _place(name).subn(lambda found: f"{found['begin']}{content}{found['end']}", text, count=1)
    if not count:
        raise ValueError(f"there is no <!-- generated: {name} --> with an <!-- end --> below it")
    return new


def _place(name: str) -> re.Pattern[str]:
    begin = rf"(?P<begin>^<!-- generated: {re.escape(name)}(?: [^\n]*)?-->\n)"
    return re.compile(rf"{begin}(?P<content>.*?)(?P<end>^<!-- end -->$)", re.MULTILINE | re.DOTALL)
