"""A command works on the project that is named or found, and never on the history of this package instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import ROOT, Result, run
from tests.support.projects.histories import Script, write_project

TABLES = Script("a1", "op.create_table('customer', sa.Column('id', sa.Integer))", "op.drop_table('customer')")
OWN = ROOT / "alembic.ini"
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Run a program in a folder, with the configuration of a new SQLite database in a third folder."""
    config = tmp_path / "etc" / "database.yaml"
    config.parent.mkdir()
    config.write_text(f"db:\n  url: sqlite:///{tmp_path / 'the.db'}\n")

    def call(folder: Path, program: str, *words: str, **env: str) -> Result:
        folder.mkdir(exist_ok=True)
        command = ("python", "-P", "-m", "antarest.migration") if program == "module" else (program,)
        return run(*command, *words, cwd=folder, env={"ANTAREST_CONF": str(config), **env})

    return call


def test_outside_of_any_project_only_our_own_program_has_ours(tmp_path: Path, call: Call) -> None:
    for program, words in (("module", ("upgrade",)), ("antarest-verify", ()), ("antarest-db", ("verify",))):
        refused = refusal(call(tmp_path / "empty", program, *words), "db.E200", EXIT_USAGE)
        assert str(tmp_path / "empty" / "alembic.ini") in refused.fact
    assert not (tmp_path / "the.db").exists()

    upgraded = call(tmp_path / "empty", "antarest-db", "upgrade")

    assert upgraded.code == EXIT_DONE, upgraded.err
    assert upgraded.out.startswith(f"project        {OWN}\nconfiguration  ")


def test_an_empty_database_beside_another_project_is_refused(tmp_path: Path, call: Call) -> None:
    theirs = write_project(tmp_path / "work" / "services" / "shop", TABLES).ini

    for verb in ("upgrade", "sync", "reset"):
        refused = refusal(call(tmp_path / "work", "antarest-db", verb), "db.E212", EXIT_USAGE)

        assert refused.details["project"] == str(OWN)
        assert refused.details["other project"] == str(theirs)
        assert refused.commands == [f"antarest-db status --project={theirs}", f"antarest-db status --project={OWN}"]
    assert not (tmp_path / "the.db").exists()
    named = call(tmp_path / "work", "antarest-db", "upgrade", "-c", str(theirs.parent))
    assert named.code == EXIT_DONE, named.err
    assert "the database is at a1" in named.out


def test_a_configuration_beside_another_project_is_refused(tmp_path: Path, call: Call) -> None:
    theirs = write_project(tmp_path / "theirs", TABLES).ini
    beside = write_project(tmp_path / "beside", TABLES).ini
    config = beside.parent / "database.yaml"
    config.write_text("db:\n  url: sqlite:///new.db\n")

    refused = refusal(call(theirs.parent, "module", "upgrade", f"--config={config}"), "db.E212", EXIT_USAGE)

    assert refused.details["other project"] == str(beside)
    assert not (beside.parent / "new.db").exists()


def test_a_database_of_ours_is_never_taken_for_that_of_the_found_project(tmp_path: Path, call: Call) -> None:
    theirs = write_project(tmp_path / "theirs", TABLES).ini
    assert call(tmp_path / "empty", "antarest-db", "upgrade").code == EXIT_DONE
    before = (tmp_path / "the.db").read_bytes()

    for verb in ("upgrade", "rollback", "sync", "reset"):
        refused = refusal(call(theirs.parent, "antarest-db", verb), "db.E212", EXIT_USAGE)
        assert refused.fact.endswith(f"revision {HISTORY.head}, which the project lacks, and another project has")
        assert (refused.details["project"], refused.details["other project"]) == (str(theirs), str(OWN))
    status = call(theirs.parent, "antarest-db", "status", "--json")

    assert status.code == EXIT_FAILED
    assert json.loads(status.out)["other_project"] == str(OWN)
    assert (tmp_path / "the.db").read_bytes() == before


def test_another_project_has_no_default_configuration(tmp_path: Path) -> None:
    """Otherwise its tables would be created in the database of this application."""
    theirs = write_project(tmp_path / "theirs", TABLES).ini

    refused = refusal(run("antarest-db", "upgrade", cwd=theirs.parent), "config.E101", EXIT_USAGE)

    assert str(theirs.parent / "application.yaml") in refused.fact
    assert "db: {url: sqlite:///app.db}" in str(refused)
