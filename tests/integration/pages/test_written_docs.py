"""The pages about the code are generated from the code: they have every key and every error, and nothing outdated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from antarest import __version__
from antarest.core.config import load_config
from antarest.migration.verify.findings.kinds import KINDS
from scripts import write_docs
from tests.support.checks.documents import Page, pages
from tests.support.projects.checkouts import ROOT, Checkout, Run

SECRETS = dict.fromkeys(("DB_PASSWORD", "DB_OWNER_PASSWORD", "ADMIN_PASSWORD"), "p:w@/")


def test_the_pages_are_as_the_code_has_them(run: Run) -> None:
    done = run("python", "scripts/write_docs.py", "--check")

    assert (done.code, done.out, done.err) == (0, "", "")


def test_what_is_stale_is_found_and_written_anew(checkout: Checkout) -> None:
    """A key and an error have changed, and somebody has edited a page. What people wrote around it stays."""
    config = checkout.path / "antarest/migration/errors/settings/db_config.py"
    config.write_text(
        config.read_text().replace("the number of connections that an engine keeps open", "how many it keeps")
    )
    errors = checkout.path / "docs/errors.md"
    expected = errors.read_text()
    errors.write_text(expected.replace("**The configuration file is empty.**", "**Nothing.**"))

    found = checkout.run("python", "scripts/write_docs.py", "--check")
    done = checkout.run("python", "scripts/write_docs.py")

    names = ("resources/application.yaml", "docs/configuration.md", "docs/errors.md")
    assert found.code == 1
    assert found.out == "".join(f"{name} is not as the code has it\n    make docs\n" for name in names)
    assert (done.code, done.out) == (0, "".join(f"wrote {name}\n" for name in names))
    assert errors.read_text() == expected
    assert "| How many it keeps. |" in (checkout.path / "docs/configuration.md").read_text()
    assert "# pool_size: 5  # how many it keeps\n" in (checkout.path / "resources/application.yaml").read_text()


def test_the_version_is_that_of_the_changelog_and_of_the_tag_that_a_page_checks_out() -> None:
    """The changelog has the newest of several releases first."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\d\S*)", changelog, re.MULTILINE)[0]
    tag = re.findall(r"git checkout --quiet v(\S+)", Page("docs/production.md").text)[0]

    assert (newest, tag) == (__version__, __version__)


# ---- errors


def test_each_error_says_what_why_and_what_to_do(subtests: pytest.Subtests) -> None:
    for error in write_docs.error_classes():
        with subtests.test(error.code):
            said = write_docs.explanation(error)

            assert list(said) == ["what", "Why", "To do"]
            assert [text for text in said.values() if not text.endswith(".") or len(text) < 15] == []


def test_each_code_has_a_place_of_its_own() -> None:
    """A reader can look up a message by its code, and link to it."""
    codes = [error.code for error in write_docs.error_classes()]

    assert len(codes) == len(set(codes)) > 40
    assert {code.lower().replace(".", "") for code in codes} <= Page("docs/errors.md").anchors
    assert "db.E200" in codes


def test_each_kind_of_finding_has_a_place_of_its_own() -> None:
    """Its section says in whole sentences why the finding matters, and what to do."""
    assert {id_.lower() for id_ in KINDS} <= Page("docs/verify.md").anchors
    assert [kind.id for kind in KINDS.values() if not (kind.why.endswith(".") and kind.fix.endswith("."))] == []


# ---- the configuration


def test_the_example_of_a_key_is_one_that_it_takes(subtests: pytest.Subtests, tmp_path: Path) -> None:
    file = tmp_path / "application.yaml"
    for setting in write_docs.settings():
        with subtests.test(setting.name):
            content: dict[str, Any] = {"db": {"url": "postgresql://me@db1/antarest"}}
            section = content.setdefault(setting.section, {}) if setting.section else content
            section[setting.name] = setting.example
            file.write_text(yaml.safe_dump(content))

            assert load_config(file, environ=SECRETS).source == file


def test_configurations_in_the_pages_can_be_used(subtests: pytest.Subtests, tmp_path: Path) -> None:
    file = tmp_path / "application.yaml"
    blocks = [(page, block) for page in pages() for block in page.blocks("yaml") if "\ndb:\n" in f"\n{block}"]
    for page, block in blocks:
        with subtests.test(page.name):
            file.write_text(block)
            secrets = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "p:w@/")
            assert load_config(file, environ=secrets).db.url.database
    assert len(blocks) > 1


def test_the_development_default_shows_every_key_as_it_can_be_written(tmp_path: Path) -> None:
    """Each line that is commented out can be used unchanged."""
    text = (ROOT / "resources/application.yaml").read_text()
    file = tmp_path / "application.yaml"
    file.write_text(
        re.sub(r"^(  )# (\w+: )", r"\1\2", text, flags=re.MULTILINE).replace(
            "sqlite:///../antarest.db", "postgresql://me@db1/d"
        )
    )

    config = load_config(file, environ=SECRETS)

    assert config.db.application_role == "antarest"
    keys = re.findall(r"^ *(?:# )?(\w+): \S", text, re.MULTILINE)
    assert [key for key in keys if key != "by"] == [setting.name for setting in write_docs.settings()]
