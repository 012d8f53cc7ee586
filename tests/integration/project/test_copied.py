"""A copy of `antarest/migration` in another package works there, and does not need the rest of antarest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from tests.support.programs.processes import FRESH
from tests.support.projects.checkouts import ROOT, run

ENV = """\
from alembic import context

from other.db import environment

environment.run(context)
"""
INI = """\
[alembic]
script_location = %(here)s/migrations
prepend_sys_path = %(here)s
path_separator = os

[antarest]
rollback_script = scripts/rollback.sh
"""
REVISION = '''\
"""add note"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None
lossy = {"downgrade": {"note": "this revision made it"}}


def upgrade():
    op.create_table("note", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("note")
'''
ALONE = """\
import sys
from other.db.__main__ import main

code = main(sys.argv[1:])
print("loaded", sorted(name for name in sys.modules if name.partition(".")[0] == "antarest"))
sys.exit(code)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose package `other` has a copy of the workflow with the name `db`."""
    root = tmp_path / "project"
    shutil.copytree(
        ROOT / "antarest" / "migration", root / "other" / "db", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "other" / "__init__.py").touch()
    (root / "migrations" / "versions").mkdir(parents=True)
    (root / "migrations" / "env.py").write_text(ENV)
    (root / "migrations" / "versions" / "a1_add_note.py").write_text(REVISION)
    (root / "alembic.ini").write_text(INI)
    (root / "application.yaml").write_text("db:\n  url: sqlite:///app.db\n")
    return root


def test_a_copy_of_the_folder_shows_and_upgrades_a_database(project: Path) -> None:
    before = run("python", "-c", ALONE, "status", cwd=project, env=FRESH)
    upgraded = run("python", "-c", ALONE, "upgrade", cwd=project, env=FRESH)
    after = run("python", "-m", "other.db", "status", cwd=project)

    assert (before.code, upgraded.code, after.code) == (EXIT_FAILED, EXIT_DONE, EXIT_DONE), upgraded.err
    assert "loaded []" in upgraded.out
    assert "a1 (head)" in after.out


def test_a_copy_of_the_folder_writes_a_rollback_script_that_calls_it(project: Path) -> None:
    run("python", "-m", "other.db", "upgrade", cwd=project)
    run("python", "-m", "other.db", "rollback-script", cwd=project)
    script = project / "scripts" / "rollback.sh"

    rolled_back = run("bash", script, "--yes", cwd=project)

    assert 'run_module("other.db"' in script.read_text()
    assert rolled_back.code == EXIT_DONE, rolled_back.err
    assert "the database is at base" in rolled_back.out


def test_the_plugin_of_a_copy_is_found(project: Path) -> None:
    found = "from other.db.testing import plugin, pytest_run; assert pytest_run.PLUGIN == plugin.__name__"

    result = run("python", "-c", found, cwd=project)

    assert result.code == EXIT_DONE, result.err


def test_the_hints_of_a_copy_name_it(project: Path) -> None:
    refused = run("python", "-m", "other.db", "upgrade", "--to=zebra", cwd=project)

    assert refused.code == EXIT_FAILED
    assert "-m other.db " in refused.err
    assert "antarest" not in refused.err


def test_a_copy_works_in_a_package_that_is_called_antarest_too(project: Path) -> None:
    """AntaREST itself is such a package, with its own `core` and `login`. An installed wheel would replace it."""
    package = project / "antarest"
    (project / "other").rename(package)
    (package / "db").rename(package / "migration")
    for name in ("core", "login"):
        (package / name).mkdir()
        (package / name / "__init__.py").write_text("THEIRS = True\n")
    (package / "login" / "model.py").write_text("import sqlalchemy as sa\nmetadata = sa.MetaData()\n")
    env = project / "migrations" / "env.py"
    options = "target_metadata=antarest.login.model.metadata"
    imports = "import antarest.core, antarest.login.model\nassert antarest.core.THEIRS"
    call = f"{imports}\nenvironment.run(context, {options})"
    env.write_text(ENV.replace("other.db", "antarest.migration").replace("environment.run(context)", call))

    upgraded = run("python", "-m", "antarest.migration", "upgrade", cwd=project)
    rolled_back = run("python", "-m", "antarest.migration", "rollback", "--yes", cwd=project)

    assert (upgraded.code, rolled_back.code) == (EXIT_DONE, EXIT_DONE), upgraded.err + rolled_back.err
    assert f"project        {project}/alembic.ini" in upgraded.out
    assert "the database is at base" in rolled_back.out
