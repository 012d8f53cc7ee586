"""Projects whose revision files are not in one folder `versions`: upgrades and rollbacks work as usual."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from antarest.migration.errors.base import EXIT_DONE, EXIT_USAGE
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.checkouts import run
from tests.support.projects.histories import ENV, Script, write_script

TOML = '[tool.alembic]\nscript_location = "%(here)s/db"\n'
INI = "[alembic]\nscript_location = %(here)s/db\n"
LAYOUTS = {
    "recursive": (f"{INI}recursive_version_locations = true\n", ("db/versions/2024", "db/versions/2025/q1")),
    "several folders": (f"{INI}version_locations = one, %(here)s/two\n", ("one", "two")),
    "pyproject.toml": (TOML, ("db/versions", "db/versions")),
    "pyproject.toml, recursive": (f"{TOML}recursive_version_locations = true\n", ("db/versions", "db/versions/2025")),
}


def write(folder: Path, settings: str, places: tuple[str, str]) -> Path:
    """Write a project with two revisions in these places, and return its settings."""
    ini = folder / ("pyproject.toml" if "[tool." in settings else "alembic.ini")
    ini.write_text(settings)
    for id_, down, place in zip(("a1", "b1"), (None, "a1"), places, strict=True):
        (folder / place).mkdir(parents=True, exist_ok=True)
        table = f'"{id_}"'
        script = Script(id_, f"op.create_table({table}, sa.Column('id', sa.Integer))", f"op.drop_table({table})")
        write_script(folder / place, script, down)
    (folder / "db").mkdir(exist_ok=True)
    (folder / "db" / "env.py").write_text(ENV)
    return ini


@pytest.mark.parametrize(("settings", "places"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_project_goes_up_and_down_in_every_layout(tmp_path: Path, settings: str, places: tuple[str, str]) -> None:
    """Revisions in subfolders count too. They once did not, and an upgrade reported "at head" and did nothing."""
    project = Project.load(write(tmp_path, settings, places))
    workflow = MigrationWorkflow(project, DbConfig(url=make_url(f"sqlite:///{tmp_path / 'shop.db'}")))

    workflow.upgrade()

    status = workflow.status()
    assert (status.current, status.heads, status.applied) == (("b1",), ("b1",), 2)
    workflow.rollback(workflow.plan_rollback(to="base"), Agreement(everything=True))
    assert workflow.status().pending == ("a1", "b1")


def test_plain_alembic_and_this_workflow_share_a_project_without_an_alembic_ini(tmp_path: Path) -> None:
    write(tmp_path, *LAYOUTS["pyproject.toml, recursive"])
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")

    upgraded = run(sys.executable, "-m", "alembic", "upgrade", "head", cwd=tmp_path)
    status = run(sys.executable, "-m", "antarest.migration", "status", cwd=tmp_path)

    assert upgraded.code == 0, upgraded.err
    assert "b1 (head)" in status.out


def test_alembic_that_reads_other_folders_is_refused(tmp_path: Path) -> None:
    """With `alembic --name`, Alembic would run other revisions than those that this workflow measures and records."""
    ini = write(tmp_path, INI, ("one", "two"))
    ini.write_text(f"{INI}[other]\nscript_location = db\nversion_locations = one, two\n")
    (tmp_path / "db" / "versions").mkdir()
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")

    result = run(sys.executable, "-m", "alembic", "--name=other", "upgrade", "head", cwd=tmp_path)

    assert result.code == 2
    assert "Alembic reads the revisions of" in result.err
    assert not (tmp_path / "shop.db").exists()


RUNS_ITSELF = """\
from alembic import context
from sqlalchemy import create_engine

with create_engine("sqlite:///other.db").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
CONNECTS_FIRST = """\
from alembic import context
from antarest.migration import environment
from sqlalchemy import create_engine

create_engine("sqlite:///other.db").connect()
environment.run(context)
"""
WITH_PERCENT = """\
from alembic import context

context.config.set_main_option("sqlalchemy.url", "postgresql://antarest:s3cr%40t@db1/shop")
"""
ENVS = {
    "it does nothing": ("from alembic import context\n", "env.py did not call environment.run(context)"),
    "it runs the revisions itself": (RUNS_ITSELF, "env.py did not call environment.run(context)"),
    "it connects before the call": (CONNECTS_FIRST, "connects to a database, which only environment.run does"),
    "it fails": (
        "from sqlalchemy import create_engine\ncreate_engine('driver://user:pass@localhost/dbname')\n",
        "env.py failed, so nothing ran: NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:driver",
    ),
    "it shows a password": (
        WITH_PERCENT,
        "env.py failed, so nothing ran: ValueError: invalid interpolation syntax in 'postgresql://antarest:***@db1/shop'",
    ),
}


@pytest.mark.parametrize(("env", "reason"), ENVS.values(), ids=ENVS)
def test_an_env_py_that_is_not_ours_is_an_error(tmp_path: Path, env: str, reason: str) -> None:
    """The file may name another database, for example that of production, so nothing may happen there."""
    write(tmp_path, INI, ("db/versions", "db/versions"))
    (tmp_path / "db" / "env.py").write_text(env)
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")

    upgraded = run(sys.executable, "-m", "antarest.migration", "upgrade", cwd=tmp_path)

    assert upgraded.code == EXIT_USAGE
    assert "error db.E611: env.py " in upgraded.err
    assert reason in upgraded.err
    assert "s3cr" not in upgraded.err
    assert "upgraded" not in upgraded.out
    assert not (tmp_path / "other.db").exists()


def test_an_env_py_that_connects_is_no_passed_check(tmp_path: Path) -> None:
    """It failed, so the models were not compared."""
    write(tmp_path, INI, ("db/versions", "db/versions"))
    (tmp_path / "db" / "env.py").write_text(CONNECTS_FIRST)
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")

    checked = run(sys.executable, "-m", "antarest.migration", "check", cwd=tmp_path)

    assert checked.code == EXIT_USAGE
    assert "connects to a database, which only environment.run does" in checked.err
    assert "no findings" not in checked.out


def test_settings_that_cannot_be_used_end_plain_alembic_with_an_error_of_ours(tmp_path: Path) -> None:
    write(tmp_path, f"{INI}[antarest]\nmax_seconds = soon\n", ("db/versions", "db/versions"))

    result = run(sys.executable, "-m", "alembic", "current", cwd=tmp_path)

    assert result.code == EXIT_USAGE
    assert result.err.startswith("error db.E210: alembic.ini cannot be used: [antarest] max_seconds must be")


def test_models_that_cannot_be_imported_are_named(tmp_path: Path) -> None:
    """For example, there is a conflict in the models during a merge."""
    write(tmp_path, f"{INI}[antarest]\nmetadata = shop_models:metadata\n", ("db/versions", "db/versions"))
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")
    (tmp_path / "shop_models.py").write_text("<<<<<<< ours\n")

    upgraded = run(sys.executable, "-m", "antarest.migration", "upgrade", cwd=tmp_path)

    assert upgraded.code == EXIT_USAGE
    assert "[antarest] metadata = shop_models:metadata: SyntaxError: invalid syntax (shop_models.py" in upgraded.err


def test_a_run_that_was_committed_does_not_fail_where_the_checkout_cannot_be_written(tmp_path: Path) -> None:
    """Everything is committed. So the command succeeds, and only says what it cannot write."""
    write(tmp_path, f"{INI}[antarest]\nrollback_script = scripts/rollback.sh\n", ("db/versions", "db/versions"))
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / "scripts").symlink_to("/proc/self")  # Nobody can create a file there, not even root.

    upgraded = run(sys.executable, "-m", "antarest.migration", "upgrade", cwd=tmp_path)

    assert upgraded.code == EXIT_DONE, upgraded.err
    assert "cannot rewrite" in upgraded.out
    assert "the database is at b1" in upgraded.out
