"""A revision that ends the program, or whose functions run nothing, is an error: it must not count as done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.errors.facts.run import RevisionFailed, RevisionNotRunnable
from tests.integration.run.test_all_or_nothing import Build
from tests.support.programs.runs import Start
from tests.support.projects.checkouts import ROOT, run
from tests.support.projects.histories import Script, write_project

ENDINGS = ("import sys; sys.exit(0)", "raise GeneratorExit", 'raise BaseException("no")')


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_revision_that_ends_the_program_is_an_error_that_names_it(filled: Build, ending: str) -> None:
    database = filled(Script("ends", upgrade=f'op.add_column("study", sa.Column("n", sa.Integer))\n{ending}'))
    before = database.state()

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()
    assert error.value.revision == "ends"
    assert "the database is still at tables" in error.value.state
    assert database.state() == before


def test_a_revision_that_ends_the_process_itself_is_rolled_back(runner: Start, empty_database: URL) -> None:
    """This is a limit: no error can be printed."""
    script = Script("ends", upgrade='op.create_table("t", sa.Column("id", sa.Integer)); import os; os._exit(0)')
    here = runner(empty_database, script)

    assert here.module("upgrade").end().code == EXIT_DONE
    assert here.database.workflow.current() == ()
    with pytest.raises(DBAPIError):
        here.database.value("SELECT 1 FROM t")


@pytest.mark.parametrize(("line", "kind"), [("yield", "generator"), ("pass", "coroutine")])
def test_a_revision_whose_upgrade_runs_nothing_is_refused(filled: Build, line: str, kind: str) -> None:
    database = filled(Script("idle", upgrade=line))
    if kind == "coroutine":
        file = next(file for file in database.project.versions[0].glob("*.py") if "idle" in file.name)
        file.write_text(file.read_text().replace("def upgrade", "async def upgrade"))
    before = database.state()

    with pytest.raises(RevisionNotRunnable, match=f"is a {kind}, so a call of it runs nothing"):
        database.workflow.upgrade()
    assert database.state() == before


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("versions/a1.py", EXIT_FAILED, ("a1.py cannot be read", "Nothing was changed.")),
        ("env.py", EXIT_USAGE, ("env.py failed, so nothing ran", "No revision ran")),
    ],
)
def test_a_file_that_ends_the_program_when_it_is_imported_ends_no_command_with_success(
    tmp_path: Path, name: str, code: int, said: tuple[str, ...]
) -> None:
    project = write_project(tmp_path, Script("a1", 'op.create_table("t", sa.Column("id", sa.Integer))'))
    file = next(project.root.rglob(name))
    file.write_text(f"import sys\nsys.exit(0)\n{file.read_text()}")
    (project.root / "application.yaml").write_text("db:\n  url: sqlite:///app.db\n")

    upgraded = run(
        sys.executable, "-m", "antarest.migration", "upgrade", cwd=project.root, env={"PYTHONPATH": str(ROOT)}
    )

    assert upgraded.code == code
    assert [text for text in ("SystemExit: 0", *said) if text not in upgraded.err] == []
    assert not (project.root / "app.db").exists()
