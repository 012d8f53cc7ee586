"""The tests follow the pages: commands print what the pages show, and every link has a target."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.commands.flags import HIDDEN
from antarest.migration.commands.table import VERBS
from antarest.migration.errors.settings.urls import redact_url
from antarest.migration.scratch.databases import EngineName, PostgresServer, scratch_database
from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.checks.documents import Command, Page, follow, pages
from tests.support.projects.branches import SETTINGS
from tests.support.projects.checkouts import ROOT, Checkout, ConfigFile
from tests.support.projects.installation import link_needed
from tests.support.servers.forwarding import forwarded

# The engines with which a page is followed: both for the tour of all commands, otherwise one that matters.
ENGINES: dict[str, tuple[EngineName, ...]] = {
    "README.md": ("sqlite", "postgresql"),
    "docs/production.md": (),  # in test_production.py, on a separate server
}
FOLLOWED = [
    pytest.param(page, engine, id=f"{page.name}-{engine}")
    for page in pages()
    if page.steps
    for engine in ENGINES.get(page.name, ("sqlite",))
]
LANGUAGES = {"console", "ini", "mermaid", "python", "sql", "text", "yaml"}  # a command in `bash` would not be run


@pytest.mark.parametrize(("page", "engine"), FOLLOWED)
def test_the_page_shows_what_happens(
    page: Page,
    engine: EngineName,
    postgres: PostgresServer,
    checkout: Checkout,
    config_file: ConfigFile,
    tmp_path: Path,
) -> None:
    """All commands run in order in a new checkout with an empty database, and print what the page shows."""
    checkout.install()
    with ExitStack() as stack:
        url = stack.enter_context(scratch_database(engine, postgres))
        if engine == "postgresql":  # some commands need a server on this host
            url = stack.enter_context(forwarded(url))
        port = free_port()
        source = config_file(url, server={"port": port})
        examples = {**_paths(checkout, source, url), "127.0.0.1:8080": f"127.0.0.1:{port}"}
        environment = {**SETTINGS, "ANTAREST_CONF": str(source), "PYTHONPATH": str(checkout.path)}
        if "/bin/pip " in page.text:
            environment |= _without_an_index(tmp_path / "packages", checkout)

        follow(page, checkout.path, environment, examples)


def _without_an_index(packages: Path, checkout: Checkout) -> dict[str, str]:
    """Return the variables with which pip finds all packages that the wheel needs, without an index."""
    packages.mkdir()
    link_needed(packages, "postgresql")
    return {
        "PYTHONPATH": os.pathsep.join([str(checkout.path), str(packages)]),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _paths(checkout: Checkout, source: Path, url: URL) -> dict[str, str]:
    """Return the real paths for the paths in the pages, the longest first."""
    return {
        "/home/me/antarest/resources/application.yaml": str(source),
        "sqlite:////home/me/antarest/antarest.db": redact_url(url),
        "/home/me/antarest": str(checkout.path),
        "/home/me": str(checkout.path.parent),
    }


def test_every_link_leads_somewhere() -> None:
    assert {page.name: broken for page in pages() if (broken := page.broken_links())} == {}


def test_every_command_is_where_it_is_run() -> None:
    assert {page.name: others for page in pages() if (others := page.languages - LANGUAGES)} == {}


def test_every_command_in_a_sentence_exists(subtests: pytest.Subtests) -> None:
    """The verb exists with its flags, or the target of make exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in pages():
        with subtests.test(page.name):
            words = [code.split() for code in re.findall(r"`([^`\n]+)`", page.prose)]
            verbs = [found for code in words if (found := _verb(code))]

            assert [verb for verb, _ in verbs if verb not in VERBS] == []
            assert [(verb, flag) for verb, flags in verbs for flag in flags if flag not in _flags(verb)] == []
            assert [code for code in words if code[0] == "make" and len(code) > 1 and code[1] not in targets] == []


def _verb(code: list[str]) -> tuple[str, list[str]] | None:
    """Return the verb of ours in a command, and its flags."""
    flags = [flag for word in code for flag in re.findall(r"--([a-z-]+)", word)]
    if code[0] == "inv" and len(code) > 1 and code[1].startswith("db.") and code[1] != "db.VERB":
        return code[1].removeprefix("db."), flags
    if code[:3] == ["python", "-m", "antarest.migration"] and code[3:4] not in ([], ["VERB"]):
        return code[3], flags
    return None


def _flags(verb: str) -> set[str]:
    names = {*VERBS[verb].flags, "config", "debug", "project"}
    return {name.strip("_").replace("_", "-") for name in names if VERBS[verb].flag(name).help != HIDDEN} | {"help"}


def test_commands_that_are_not_run_say_why() -> None:
    """Each of these commands has a reason, and there are few of them."""
    notes = [note for page in pages() for note in re.findall(r"<!-- not run: (.*) -->", page.text)]

    assert all(notes)
    assert sum(isinstance(step, Command) for page in pages() for step in page.steps) > 3 * len(notes)
