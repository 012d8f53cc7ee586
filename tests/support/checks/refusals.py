"""The checks of every printed error: its shape, its length, no password, and next steps that exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic.config import CommandLine
from invoke.parser.context import ParserContext

import tasks
from antarest.core.config import AppConfig
from antarest.migration.commands.program import _parser
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.settings.commands import PROGRAM
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import normalise_url
from tests.support.projects.checkouts import ROOT, Result

SECRET = "s3cr3t%@:/x"  # a password that each layer could misread, or show in a spelling of its own
MARK = "s3cr3t"  # what every spelling of it begins with
_MOST_LINES = 9
_SAYS_IT_ALL = {"config.E108"}  # for example "db.pool_size: must be a whole number", which says what to write

_LAUNCHERS = {
    "antarest/main.py": {"--config", "--host", "--port", "--auto-upgrade-db", "--debug", "--help"},
    "antarest/gui.py": {"--config", "--port", "--no-browser", "--debug", "--help"},
}
_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_REQUEST = re.compile(r"GET (/\S*)")
_PROGRAMS = {"git", "kill", "ls", "export", "pip", "psql", "pg_isready", "createdb", "createuser", "sqlite3"}
_FILE_LINE = re.compile(r"[\w.]+: \S.*|(\[\w+\] )?\w+ = \S.*|GRANT .*;|(op|batch)\.\w+\(.+\)|\$\{\w+\}")


@dataclass(frozen=True)
class Refusal:
    """A printed error."""

    code: str
    fact: str
    details: dict[str, str]
    state: str
    hints: tuple[tuple[str, str], ...]

    @property
    def commands(self) -> list[str]:
        """The commands in the hints of the error."""
        return [command for _, command in self.hints if command]


def refusal(result: Result, code: str, exit_code: int) -> Refusal:
    """Check and return the printed error of a command."""
    shown = result.out + result.err
    assert MARK not in shown
    assert "Traceback" not in shown
    # The lines that Alembic logs before it are not part of the error.
    lines = [line for line in result.err.splitlines(keepends=True) if not line.startswith("INFO ")]
    refused = parse("".join(lines))
    assert (refused.code, result.code) == (code, exit_code), result.err
    return refused


def parse(text: str) -> Refusal:
    """Parse a printed error. This fails where the error does not have the usual shape."""
    lines = text.splitlines()
    assert 3 <= len(lines) <= _MOST_LINES, text
    first = re.fullmatch(r"error ([a-z]+\.E\d{3}): (\S.*\S)", lines[0])
    assert first, text
    state = next((index for index, line in enumerate(lines) if index and not line.startswith("  ")), 0)
    assert state, f"it does not say what state the database is in:\n{text}"
    assert re.fullmatch(r"[A-Z].*\.", lines[state]), text
    details = [line[2:].partition("  ") for line in lines[1:state]]
    assert all(label and value.strip() for label, _, value in details), text
    hints = tuple(_hint(line) for line in lines[state + 1 :])
    assert hints or first[1] in _SAYS_IT_ALL, f"it names no way on:\n{text}"
    for _, command in hints:
        assert not command or exists(command), f"{command}: there is no such command"
    return Refusal(first[1], first[2], {label: value.strip() for label, _, value in details}, lines[state], hints)


def _hint(line: str) -> tuple[str, str]:
    found = re.fullmatch(r"  (\S.*?[:?]) {3,}(\S.*)", line)
    assert found or line[0] != " ", line
    return (found[1], found[2]) if found else (line, "")


def exists(command: str) -> bool:
    """Return whether a hint's command exists with its verb and flags, or is a line for a file, or a request."""
    if request := _REQUEST.fullmatch(command):
        return request[1] in _addresses()
    if _FILE_LINE.fullmatch(command):
        return True
    program, *arguments = shlex.split(command)
    checks: dict[str, Callable[[list[str]], bool]] = {
        "inv": _is_task,
        "alembic": lambda words: _is_accepted(CommandLine().parser, words),
        "make": lambda words: all(re.search(rf"^{target}:", _MAKEFILE, re.MULTILINE) for target in words),
        PROGRAM: lambda words: _is_accepted(_parser(), words),
        "antarest": lambda words: _is_of_ours(["antarest/main.py", *words]),
        "antarest-desktop": lambda words: _is_of_ours(["antarest/gui.py", *words]),
    }
    check = _is_of_ours if "python" in program else checks.get(Path(program).name)
    return check(arguments) if check else program in _PROGRAMS


def _is_of_ours(arguments: list[str]) -> bool:
    script, *flags = arguments
    if script in _LAUNCHERS:
        return {each.partition("=")[0] for each in flags} <= _LAUNCHERS[script]
    return arguments[:2] == ["-m", "antarest.migration"] and _is_accepted(_parser(), arguments[2:])


def _is_task(arguments: list[str]) -> bool:
    task, *flags = arguments
    known = invoke_tasks().get(task)
    if known is None:
        return False
    words = [each for each in flags if not each.startswith("-")]
    named = [each.partition("=")[0] for each in flags if each.startswith("-")]
    # With --help no other words are necessary.
    return len(words) in (0, len(known.positional_args)) and all(each in (*known.flags, "--help") for each in named)


@cache
def _addresses() -> set[str]:
    """Return the addresses of the application."""
    from antarest.migration.project.project import Project  # most refusals name no address
    from antarest.web.application import create_app

    config = AppConfig(DbConfig(normalise_url("sqlite:////nowhere.db")), ROOT)
    app = create_app(config, Project.own())
    return {*app.openapi()["paths"], *(str(getattr(route, "path", "")) for route in app.routes)}


@cache
def invoke_tasks() -> dict[str, ParserContext]:
    """Return each Invoke task with its flags. It is cached, because Invoke returns the words for a flag only once."""
    return {context.name or "": context for context in tasks.namespace.to_contexts()}


def _is_accepted(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:
        return ended.code == EXIT_DONE
    return True
