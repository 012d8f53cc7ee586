"""How the tests follow the pages, and which faults they would find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checks.documents import Command, Edit, Page, follow, is_as_shown

Write = Callable[[str], Page]

SERVER = """\
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
print("listening", flush=True)
time.sleep(60)
"""


@pytest.fixture
def page(tmp_path: Path) -> Write:
    """Write a page into a new folder."""

    def write(text: str) -> Page:
        (tmp_path / "page.md").write_text(text)
        return Page("page.md", tmp_path)

    return write


def console(*lines: str, note: str = "") -> str:
    return "\n".join([*([f"<!-- {note} -->"] if note else []), "```console", *lines, "```", ""])


# ---- reading


def test_commands_with_what_they_print(page: Write) -> None:
    text = console("$ one", "$ two \\", "  words", "a", "b") + "\nText\n\n" + console("$ three")

    assert page(text).steps == [Command("one", ""), Command("two \\\n  words", "a\nb\n"), Command("three", "")]


def test_a_block_in_a_list(page: Write) -> None:
    assert page("1. First\n\n   ```console\n   $ one\n   a\n   ```\n").steps == [Command("one", "a\n")]


def test_files_and_lines_to_write(page: Write) -> None:
    text = (
        '<!-- file: a.yaml -->\n```yaml\na: 1\n```\n<!-- insert: m.py before "    b: " -->\n```python\n    a: 1\n```\n'
    )

    assert page(text).steps == [Edit("a.yaml", "a: 1\n"), Edit("m.py", "    a: 1\n", "    b: ")]


def test_blocks_that_are_not_commands(page: Write) -> None:
    assert page("```text\n$ one\n```\n" + console("$ two", note="not run: it takes a day")).steps == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](page.md) [b](#a-heading-of-mine) [c](page.md#a-heading-of-mine) [d](https://example.org)", []),
        ("[a](missing.md) ![b](missing.png) [c](#missing) [d](page.md#missing)", 4),
        ("[a](http://example.org) [b](/page.md) [c](../page.md)", 3),
        ('<img src="missing.png"> <source srcset="page.md">', ["missing.png"]),
        ("`[a](missing.md)`\n\n```text\n[a](missing.md)\n```", []),
    ],
)
def test_links(text: str, broken: int | list[str], page: Write) -> None:
    found = page(f"# A heading: of `mine`\n\n{text}\n").broken_links()

    assert found == broken or len(found) == broken


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("up 0.02 s", "up 12.50 s"),
        ("at ffffffffffff", "at 0123456789ab"),
        ("a\nb\nc\nd\n", "a\n...\nd\n"),
        ("a\nd\n", "a\n...\nd\n"),
        ("size 12 MB here\n", "size ... here\n"),
        ("engine  SQLite 3.40\na\n", "engine  SQLite 3.50\na\n"),
    ],
)
def test_what_may_differ(printed: str, shown: str) -> None:
    assert is_as_shown(printed, shown)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [("a\n", "b\n"), ("a\nb\n", "a\n"), ("at 7c1f0e5ab284", "at b3d94a6e7f10"), ("a.b\n", "a+b\n"), ("x\n", "")],
)
def test_what_may_not_differ(printed: str, shown: str) -> None:
    assert not is_as_shown(printed, shown)


# ---- following


def test_one_shell_for_the_page(page: Write, tmp_path: Path) -> None:
    """A command can use the files and variables of earlier commands. Examples have their values in this checkout."""
    text = console(
        "$ mkdir inner && cd inner", "$ export WHO=me", '$ echo "$WHO $GIVEN"; pwd', "me given", "/home/inner"
    )

    follow(page(text), tmp_path, {"GIVEN": "given"}, {"/home": str(tmp_path)})


def test_files_are_written(page: Write, tmp_path: Path) -> None:
    text = '<!-- file: a -->\n```text\nfirst\nlast\n```\n<!-- insert: a before "last" -->\n```text\nmiddle\n```\n'

    follow(page(text + console("$ cat a", "first", "middle", "last")), tmp_path, {}, {})


def test_a_command_may_read_nothing(page: Write, tmp_path: Path) -> None:
    follow(page(console("$ cat", "$ echo still here", "still here")), tmp_path, {}, {})


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo b", "a"),
        ("$ echo a >&2",),
        ("$ false",),
        ("$ echo 'error db.E201: a'", "error db.E201: a"),  # an error that ends well
        ("$ exit 0",),
    ],
)
def test_what_is_not_as_shown_is_found(lines: tuple[str, ...], page: Write, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        follow(page(console(*lines)), tmp_path, {}, {})


def test_an_error_that_is_shown(page: Write, tmp_path: Path) -> None:
    text = console("$ echo 'error db.E201: a' >&2; false", "error db.E201: a")

    follow(page(text), tmp_path, {}, {})


def test_a_place_that_is_not_there(page: Write, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text\n")

    with pytest.raises(AssertionError, match="a has 0 lines that start with 'other'"):
        follow(page('<!-- insert: a before "other" -->\n```text\nx\n```\n'), tmp_path, {}, {})


def test_a_server_runs_until_the_end(page: Write, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER.format(code=0))
    start = console("$ python server.py", "listening", note="until stopped")

    follow(page(start + console("$ jobs -r | wc -l", "1")), tmp_path, {}, {})


def test_a_server_that_does_not_end_well(page: Write, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER.format(code=3))

    with pytest.raises(AssertionError, match=r"python server\.py: exit code 3"):
        follow(page(console("$ python server.py", "listening", note="until stopped")), tmp_path, {}, {})
