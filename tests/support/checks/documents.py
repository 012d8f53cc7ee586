"""Follow the Markdown pages as a reader does: run their commands in order in one shell, and check the links.

A `console` block holds commands after `$ `, each with what it prints. A comment that no reader sees, on the line above
a block, says what the block is:

    <!-- file: application.yaml -->                                     the content of a file
    <!-- insert: antarest/study/model.py before "    archived: " -->    lines to put above the line that starts so
    <!-- until stopped -->                                              a server: it runs on until the end of the page
    <!-- not run: REASON -->                                            commands that cannot run in a test
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from tests.support.projects.checkouts import ROOT

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<note>[^\n]+) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_INSERT = re.compile(r'(?P<path>\S+) before "(?P<line>.+)"')
_HANGS = 900
_OLD_REVISIONS = {path.name.partition("_")[0] for path in (ROOT / "alembic" / "versions").glob("*.py")}


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        text: the command.
        shown: the output on the page; `...` stands for any lines, or for any text in a line.
        is_server: whether the command runs until it is stopped.
    """

    text: str
    shown: str
    is_server: bool = False

    @property
    def fails(self) -> bool:
        """Whether the page shows that the command fails."""
        return re.search(r"^error [a-z]+\.E\d+: ", self.shown, re.MULTILINE) is not None


@dataclass(frozen=True)
class Edit:
    """Lines that the reader writes into a file: above the line that starts with `before`, or as the whole file."""

    path: str
    lines: str
    before: str = ""

    def apply(self, folder: Path) -> None:
        """Apply the edit in this folder."""
        path = folder / self.path
        if not self.before:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.lines, encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        place = f"\n{self.before}"
        assert text.count(place) == 1, f"{self.path} has {text.count(place)} lines that start with {self.before!r}"
        path.write_text(text.replace(place, f"\n{self.lines}{self.before}", 1), encoding="utf-8")


@dataclass(frozen=True)
class Page:
    """A Markdown page of this repository.

    Attributes:
        name: its path in the repository.
        root: the repository.
    """

    name: str
    root: Path = ROOT

    @property
    def path(self) -> Path:
        """The path of the page."""
        return self.root / self.name

    @cached_property
    def text(self) -> str:
        """The text of the page."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text of the page without its blocks."""
        return _BLOCK.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """Return the blocks of the page in a language."""
        return [block["body"] for block in _BLOCK.finditer(self.text) if block["language"] == language]

    @property
    def languages(self) -> set[str]:
        """The languages of the blocks."""
        return {block["language"] for block in _BLOCK.finditer(self.text)}

    @cached_property
    def steps(self) -> list[Command | Edit]:
        """The steps of a reader, in order."""
        return [step for block in _BLOCK.finditer(self.text) for step in _steps(block)]

    @property
    def links(self) -> set[str]:
        """The targets of the page's links and images."""
        prose = re.sub(r"`[^`\n]*`", "", self.prose)
        return {*re.findall(r"\]\(([^)\s]+)\)", prose), *re.findall(r'(?:src|srcset|href)="([^"]+)"', prose)}

    @property
    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub names them."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        return slugs | set(re.findall(r'<a (?:id|name)="([^"]+)"', self.prose))

    def broken_links(self) -> list[str]:
        """Return the links without a target in this repository."""
        return sorted(link for link in self.links if not self._resolves(link))

    def _resolves(self, link: str) -> bool:
        if "://" in link:
            return link.startswith("https://")
        name, _, anchor = link.partition("#")
        target = (self.path.parent / name).resolve() if name else self.path
        if not target.is_relative_to(self.root) or not target.exists():
            return False
        return not anchor or anchor in Page(target.relative_to(self.root).as_posix(), self.root).anchors


def pages() -> list[Page]:
    """Return every page of the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [Page(path.relative_to(ROOT).as_posix()) for path in sorted(found)]


def _steps(block: re.Match[str]) -> Iterator[Command | Edit]:
    kind, _, value = (block["note"] or "").partition(": ")
    body = textwrap.dedent(block["body"]) if block["indent"] else block["body"]
    if kind == "file":
        yield Edit(value, body)
    elif kind == "insert":
        place = _INSERT.fullmatch(value)
        assert place, f"not understood: {value}"
        yield Edit(place["path"], body, place["line"])
    elif block["language"] == "console" and kind != "not run":
        for part in filter(None, re.split(r"^\$ ", body, flags=re.MULTILINE)):
            found = re.match(r"(?P<text>(?:.*\\\n)*.*)\n(?P<shown>(?:.*\n)*)", part)
            assert found, f"not understood: {part}"
            yield Command(found["text"], found["shown"], kind == "until stopped")


class Shell:
    """One bash in which the commands of a page run after each other, so that `cd`, `export` and `source` last."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self._stack = ExitStack()
        self._logs = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._bash = self._stack.enter_context(
            subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=folder,
                env={**os.environ, "PATH": search, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        self._servers: list[tuple[Command, str]] = []
        hanging = threading.Timer(_HANGS, self._bash.kill)
        hanging.start()
        self._stack.callback(hanging.cancel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the servers, which must succeed, and the shell."""
        ended = [(command.text, *self.run(f"kill -TERM {pid}; wait {pid}")) for command, pid in self._servers]
        assert self._bash.stdin
        self._bash.stdin.close()
        self._stack.close()
        if error is None:
            badly = [f"{text}: exit code {code} {said}" for text, code, said in ended if (code, said) != (0, "")]
            assert not badly, f"stopped, but not well: {'; '.join(badly)}"

    def run(self, text: str) -> tuple[int, str]:
        """Run a command.

        Returns:
            Its exit code, and what it printed on both streams.
        """
        assert self._bash.stdin
        assert self._bash.stdout
        mark = uuid4().hex
        self._bash.stdin.write(f"{{ {text}\n}} </dev/null 2>&1\nprintf '\\n{mark} %s\\n' $?\n")
        self._bash.stdin.flush()
        printed: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(mark):
                return int(line.split()[1]), "".join(printed).removesuffix("\n")
            printed.append(line)
        raise AssertionError(f"the shell ended in: {text}\n{''.join(printed)}")

    def serve(self, command: Command, shown: str) -> None:
        """Start a server, and wait until it has printed what the page shows."""
        log = self._logs / str(len(self._servers))
        log.touch()
        _, pid = self.run(f"{command.text} >{log} 2>&1 &\necho $!")
        self._servers.append((command, pid.strip()))
        deadline = time.monotonic() + 60
        while not is_as_shown(printed := log.read_text(encoding="utf-8"), shown):
            assert time.monotonic() < deadline, f"{command.text} printed\n{printed}\nnot\n{shown}"
            time.sleep(0.05)


def follow(page: Page, folder: Path, environment: Mapping[str, str], examples: Mapping[str, str]) -> None:
    """Run the commands of a page, and check that their output is as the page shows.

    Args:
        page: the page.
        folder: a new checkout, in which the commands begin.
        environment: variables to add to the environment.
        examples: each example in the page that is different here, such as a path, with its real value.
    """

    def real(text: str) -> str:
        for example, value in examples.items():
            text = text.replace(example, value)
        return text

    with Shell(folder, environment) as shell:
        for step in page.steps:
            if isinstance(step, Edit):
                Edit(real(step.path), real(step.lines), step.before).apply(folder)
            elif step.is_server:
                shell.serve(Command(real(step.text), step.shown), real(step.shown))
            else:
                code, printed = shell.run(real(step.text))
                if printed and not printed.endswith("\n"):  # the answer of curl does not end its line
                    printed += "\n"
                assert is_as_shown(printed, real(step.shown)), f"{step.text}\nprinted\n{printed}\nnot\n{step.shown}"
                assert (code != 0) == step.fails, f"{step.text}\nends with exit code {code}"


def is_as_shown(printed: str, shown: str) -> bool:
    """Return whether the output of a command is as the page shows, without the parts that always differ."""
    pattern = re.escape(_normalise(shown))
    pattern = re.sub(r"^\\\.\\\.\\\.\\\n", "(?:.*\n)*", pattern, flags=re.MULTILINE).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, _normalise(printed)) is not None


def _normalise(text: str) -> str:
    """Replace the parts that always differ: durations, new ids, the engine and its backups, the installation."""
    text = re.sub(r"^(Installing|engine|backup) .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b(sqlite|postgresql)\.sql\b", "(engine).sql", text)
    text = re.sub(r" +\d+\.\d+ s\b", " N s", text)
    text = re.sub(r" +\d+\.\d\d(?= |$)", " N", text, flags=re.MULTILINE)  # in the table of a proof
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +", "(time) ", text)
    text = re.sub(r"\d{8}T\d{6}(\d{3})?Z\b", "(time)", text, flags=re.IGNORECASE)
    text = re.sub(r"\b[\d.]+ kB\b", "(size)", text)
    return re.sub(r"\b[0-9a-f]{12}(?=\b|_)", lambda found: found[0] if found[0] in _OLD_REVISIONS else "(new)", text)
