"""The options that `env.py` gives to `environment.run`: how they are learned, and which of them are refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from antarest.migration.errors.facts.project import EnvNotAdopted, InvalidProject
from antarest.migration.errors.revision import VersionTable
from antarest.migration.project.env_options import EnvFile, combined
from antarest.migration.project.project import Project
from tests.support.projects.histories import Script, write_project

HEAD = "from alembic import context\nfrom antarest.migration import environment\n"
ADOPTED = f"{HEAD}environment.run(context)\n"
HELPER = """\
from alembic import context
import antarest.migration.environment as door
def go(**options):
    door.run(context, **options)
go(**{'version' + '_table_schema': 's'})
"""
SHAPES = {
    "no option": (ADOPTED, VersionTable()),
    "literals": (
        f"{HEAD}environment.run(context, version_table='v', version_table_schema='s')\n",
        VersionTable("v", "s"),
    ),
    "the schema alone": (
        f"{HEAD}environment.run(context, version_table_schema='s')\n",
        VersionTable("alembic_version", "s"),
    ),
    "None": (f"{HEAD}environment.run(context, version_table_schema=None)\n", VersionTable()),
    "computed": (f"{HEAD}name = 'v'\nenvironment.run(context, version_table=name + '1')\n", VersionTable("v1")),
    "unpacked": (
        f"{HEAD}options = dict([('version' + '_table', 'v')])\nenvironment.run(context, **options)\n",
        VersionTable("v"),
    ),
    "named twice": (
        f"{HEAD}options = {{'version_table': 'v'}}\nenvironment.run(context, **options)\n",
        VersionTable("v"),
    ),
    "a helper": (HELPER, VersionTable("alembic_version", "s")),
}


def project_with(folder: Path, env: str, section: str = "") -> Project:
    """Return a project of one revision with this `env.py` and this section `[antarest]`."""
    project = write_project(folder, Script("a1"))
    project.env.path.write_text(env)
    project.ini.write_text(f"{project.ini.read_text()}\n[antarest]\n{section}\n")
    return Project.load(project.ini)


@pytest.mark.parametrize(("env", "expected"), SHAPES.values(), ids=SHAPES)
def test_the_version_table_is_that_of_env_py_with_and_without_running_it(
    tmp_path: Path, env: str, expected: VersionTable
) -> None:
    project = project_with(tmp_path, env)

    assert project.version_table == expected  # from the text, if the text contains it
    assert project.alembic_options()["version_table"] == expected.name  # This runs env.py, and compares.


def test_settings_that_repeat_the_version_table_are_held_against_env_py(tmp_path: Path) -> None:
    env = f"{HEAD}environment.run(context, version_table_schema='sales')\n"
    equal = project_with(tmp_path / "equal", env, "version_table_schema = sales")
    other = project_with(tmp_path / "other", env, "version_table_schema = Sales")

    assert equal.alembic_options()["version_table_schema"] == "sales"
    with pytest.raises(InvalidProject) as caught:
        other.alembic_options()
    assert "the version table is sales.alembic_version, and [antarest] says Sales.alembic_version" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("connection=None", "connection"),
        ("url='sqlite://'", "url"),
        ("dialect_name='sqlite'", "dialect_name"),
        ("transactional_ddl=False", "transactional_ddl=False"),
        ("include_objects=print", "did you mean include_object?"),
        ("target_metdata=None", "did you mean target_metadata?"),
    ],
)
def test_an_option_that_cannot_be_respected_is_refused_by_name(tmp_path: Path, option: str, reason: str) -> None:
    project = project_with(tmp_path, f"{HEAD}environment.run(context, {option})\n")

    with pytest.raises(InvalidProject) as caught:
        project.alembic_options()

    assert reason in caught.value.message


def test_what_only_sql_scripts_need_is_not_for_other_commands(tmp_path: Path) -> None:
    """The template of Alembic passes it in the call for scripts. In other calls, Alembic refuses it."""
    env = f"{HEAD}environment.run(context, literal_binds=True, dialect_opts={{'paramstyle': 'named'}})\n"

    options = project_with(tmp_path, env).alembic_options()

    assert "literal_binds" not in options
    assert options["dialect_opts"] == {"paramstyle": "named"}


def test_env_py_is_asked_once_and_disturbs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asked").mkdir()
    text = (
        "from logging.config import fileConfig\nfrom pathlib import Path\n"
        "fileConfig(context.config.config_file_name)\nprint('loud')\n"
        f"Path({str(tmp_path)!r}, 'asked', str(len(list(Path({str(tmp_path)!r}, 'asked').iterdir())))).touch()\n"
        "assert not context.is_offline_mode()\n"
        "environment.run(context, compare_type=False, custom=1)\n"
    )
    project = project_with(tmp_path / "project", HEAD + text)
    logger, handlers = logging.getLogger("antarest.test"), [*logging.root.handlers]

    options = project.options

    assert (options["compare_type"], options["custom"]) == (False, 1)
    assert Project.load(project.ini).alembic_options()["compare_type"] is False
    assert [each.name for each in (tmp_path / "asked").iterdir()] == ["0"]
    assert (logger.disabled, logging.root.handlers, capsys.readouterr().out) == (False, handlers, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import sqlalchemy\nsqlalchemy.create_engine('sqlite:///{folder}/made.db').connect()\nenvironment.run(context)\n",
            "connects",
        ),
        ("import sqlalchemy\nsqlalchemy.create_engine('sqlite:///{folder}/made.db').connect()\n", "did not call"),
        ("raise SystemExit(0)\n", "SystemExit"),
        ("import no_such_module\n", "no_such_module"),
        ("pass\n", ""),
    ],
)
def test_an_env_py_that_does_something_else_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    project = project_with(tmp_path / "project", text.format(folder=tmp_path))

    with pytest.raises(EnvNotAdopted) as caught:
        _ = project.options

    assert reason in caught.value.message
    assert not (tmp_path / "made.db").exists()


def test_a_history_of_several_databases_is_refused(tmp_path: Path) -> None:
    project = project_with(tmp_path, f"{ADOPTED}environment.run(context)\n")

    with pytest.raises(InvalidProject) as caught:
        _ = project.options

    assert "calls environment.run more than once" in caught.value.message


def test_a_version_table_with_a_dot_is_refused(tmp_path: Path) -> None:
    """Alembic would create a table with the dot in its name."""
    with pytest.raises(InvalidProject, match="version_table is a name without its schema"):
        project_with(tmp_path / "settings", ADOPTED, "version_table = a.b")
    project = project_with(tmp_path / "env", f"{HEAD}environment.run(context, version_table='a.b')\n")
    with pytest.raises(InvalidProject, match="use version_table_schema"):
        _ = project.options


def test_a_list_of_metadata_is_one_metadata(tmp_path: Path) -> None:
    (tmp_path / "lists_of_models.py").write_text(
        "import sqlalchemy as sa\na, b = sa.MetaData(), sa.MetaData()\n"
        "sa.Table('one', a, sa.Column('id', sa.Integer))\nsa.Table('two', b, sa.Column('id', sa.Integer))\n"
        "class Models:\n    both = [a, b]\n"
    )
    project = project_with(tmp_path, ADOPTED, "metadata = lists_of_models:Models.both")

    assert sorted(project.metadata().tables) == ["one", "two"]
    with pytest.raises(InvalidProject):
        combined(project.ini, [MetaData(), MetaData(naming_convention={"ix": "i_%(column_0_label)s"})])
    with pytest.raises(InvalidProject):
        combined(project.ini, "metadata")


def test_a_project_without_an_env_py_has_no_options(tmp_path: Path) -> None:
    project = project_with(tmp_path, ADOPTED)
    project.env.path.unlink()

    assert isinstance(project.env, EnvFile)
    assert (project.options, project.version_table) == ({}, VersionTable())
