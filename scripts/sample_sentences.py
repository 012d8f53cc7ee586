"""Draw random docstrings of the package and random sentences of the pages, to read them again.

usage: python scripts/sample_sentences.py [--docstrings N] [--sentences N] [--seed N]

The same seed draws the same sample from the same files.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FEWEST_WORDS = 3  # outside of code; texts with fewer words are labels or lists of names
_CODE = re.compile(r"`[^`]*`")
_BLOCK = re.compile(r"^ *```.*?^ *```$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?= *(?:[-*] |\d+\. ))|\||^#.*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?:(?<=[.?!])|(?<=[.?!]\*\*)) (?=[A-Z`*\[\"])")


def docstrings(root: Path) -> list[tuple[str, str]]:
    """Return every docstring of the package, with its file and line."""
    return [found for path in sorted((root / "antarest").rglob("*.py")) for found in _docstrings_in(path, root)]


def _docstrings_in(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(root)}:{node.body[0].lineno}", text


def sentences(root: Path) -> list[tuple[str, str]]:
    """Return every sentence of the pages, with the path of its page. Blocks of code are left out."""
    pages = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
    return [(str(page.relative_to(root)), text) for page in pages for text in sentences_in(page.read_text("utf-8"))]


def sentences_in(page: str) -> list[str]:
    """Return the sentences of a page on one line each, also those in lists and tables."""
    paragraphs = [" ".join(part.split()) for part in _PARAGRAPH_END.split(_BLOCK.sub("\n\n", page))]
    found = [sentence for paragraph in paragraphs for sentence in _SENTENCE_END.split(paragraph)]
    return [sentence for sentence in found if len(_CODE.sub("", sentence).split()) >= _FEWEST_WORDS]


def sample(found: Sequence[tuple[str, str]], size: int, seed: int) -> list[tuple[str, str]]:
    """Return a random sample. If fewer texts than `size` were found, return all of them in a random order."""
    return random.Random(seed).sample(found, min(size, len(found)))  # noqa: S311 - the seed must give the same sample


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a sample of docstrings and a sample of sentences, both numbered."""
    parser = argparse.ArgumentParser(description="Draw random docstrings and sentences, to read them again.")
    for name, default in (("docstrings", 100), ("sentences", 100), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help="(default: %(default)s)")
    given = parser.parse_args(arguments)
    for title, found, size in (
        ("Docstrings", docstrings(ROOT), given.docstrings),
        ("Sentences", sentences(ROOT), given.sentences),
    ):
        print(f"\n{title}\n")
        for number, (place, text) in enumerate(sample(found, size, given.seed), start=1):
            print(f"{number}. {place}\n{textwrap.indent(text, '   ')}")


if __name__ == "__main__":
    main()
