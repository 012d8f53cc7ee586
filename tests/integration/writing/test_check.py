"""The check for CI and hooks: `inv db.check` in this repository, and in copies of it that have a fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import assert_shows
from tests.support.projects.checkouts import Checkout, Run
from tests.support.projects.histories import Script, write_project

HEAD = HISTORY.head
OTHER = HISTORY.order[0]
PLAIN_ENV = """
from pathlib import Path
from alembic import context
from sqlalchemy import create_engine

with create_engine(f"sqlite:///{Path(context.config.config_file_name).with_name('shop.db')}").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_rollback_script_is_written_anew(checkout: Checkout) -> None:
    script = checkout.path / "scripts" / "rollback.sh"
    expected = script.read_text()
    script.write_text(expected.replace(HEAD, OTHER))
    script.chmod(0o644)

    done = checkout.run("inv", "db.rollback-script")

    assert done.code == EXIT_DONE, done.err
    assert done.out == f"{script}: from {HEAD} to {HISTORY.states_below([HEAD])[0]}\n"
    assert script.read_text() == expected
    assert script.stat().st_mode & 0o111


@pytest.mark.usefixtures("postgres")
def test_check_of_this_repository_finds_nothing(run: Run) -> None:
    done = run("inv", "db.check")

    assert (done.code, done.err) == (EXIT_DONE, ""), done.out
    assert_shows(done.out, "no findings", "checked        models equal to the migrations on both engines")
    assert "models" not in "".join(line for line in done.out.splitlines() if line.startswith("not checked"))


def test_check_and_status_claim_nothing_that_they_did_not_check(tmp_path: Path, run: Run) -> None:
    """A project without a section `[antarest]`, whose database plain Alembic has upgraded."""
    write_project(tmp_path, Script("first"))
    (tmp_path / "alembic" / "env.py").write_text(PLAIN_ENV)
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")
    flags = (f"--project={tmp_path / 'alembic.ini'}", f"--config={tmp_path / 'application.yaml'}")
    assert run("alembic", "-c", tmp_path / "alembic.ini", "upgrade", "head").code == EXIT_DONE

    check = run("python", "-m", "antarest.migration", "check", *flags)
    status = run("python", "-m", "antarest.migration", "status", *flags)
    as_json = run("python", "-m", "antarest.migration", "status", "--json", *flags)

    assert check.code == status.code == EXIT_DONE, check.err
    assert check.out.splitlines() == [
        "no findings",
        "checked        one head",
        "not checked    rollback.sh in sync: [antarest] rollback_script is not set",
        "not checked    no applied file edited: the database has no record of what was applied",
        "not checked    every model registered: [antarest] metadata is not set",
        "not checked    diagram in sync: [antarest] diagram is not set",
        "not checked    models equal to the migrations on both engines: env.py did not call environment.run(context)",
    ]
    assert_shows(status.out, "not checked    rollback.sh: [antarest] rollback_script is not set")
    assert_shows(status.out, "not checked    edited files: the database has no record of what was applied")
    assert json.loads(as_json.out)["rollback_script_in_sync"] is None
    assert {*json.loads(as_json.out)["not_checked"]} == {"rollback.sh", "edited files"}


@pytest.mark.usefixtures("postgres")
def test_check_finds_what_the_models_the_registry_and_the_script_lack(checkout: Checkout) -> None:
    replace(checkout, "scripts/rollback.sh", f"HEAD={HEAD}", f"HEAD={OTHER}")
    replace(checkout, "antarest/dbmodel.py", "import antarest.core.configdata.model\n", "")
    replace(
        checkout,
        "antarest/study/model.py",
        "name: Mapped[str] = mapped_column(String(255)",
        "name: Mapped[str] = mapped_column(String(99)",
    )

    done = checkout.run("inv", "db.check")

    assert refusal(done, "db.E802", EXIT_FAILED).fact.startswith("db.check has 5 findings")
    assert_shows(done.out, "rollback script: ", f"it goes from {OTHER}", "inv db.rollback-script")
    assert_shows(done.out, "registry: table configdata", "antarest.core.configdata.model is not registered")
    assert_shows(done.out, "diagram: schema.md does not show the models", "inv db.diagram")
    assert_shows(done.out, "models: sqlite: study.name: type", 'inv db.revision --message="..."')
    assert_shows(done.out, "models: postgresql: study.name: type")


@pytest.mark.usefixtures("postgres")
def test_check_finds_a_second_head(checkout: Checkout) -> None:
    file = next(path for path in checkout.revisions if path.name.startswith(HEAD))
    copy = file.with_name("ffffffffffff_second_head.py")
    copy.write_text(file.read_text().replace(HEAD, "ffffffffffff").replace("solver_stats", "other_stats"))

    done = checkout.run("inv", "db.check")

    refusal(done, "db.E802", EXIT_FAILED)
    assert_shows(done.out, f"heads: the history has 2 heads: {HEAD}, ffffffffffff", "inv db.history")


def replace(checkout: Checkout, name: str, old: str, new: str) -> None:
    """Edit a file of a checkout."""
    file = checkout.path / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
