"""The name of a database changes with everything that the database depends on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from antarest.migration.project.project import Project
from antarest.migration.scratch import fingerprint
from antarest.migration.scratch.fingerprint import fingerprints, stands_alone
from antarest.migration.testing.templates import Template
from antarest.migration.verify.env_reader import target_of
from tests.support.projects.histories import STUDY_TABLES, Script, write_project

OPTIONS: dict[str, Any] = {"target_metadata": None, "render_as_batch": True}
MORE = Script("more", 'op.add_column("study", sa.Column("more", sa.Integer))')


def named(project: Project, also: tuple[str, ...] = (), **options: object) -> list[str]:
    """Return the names of the databases of a project."""
    project = Project.load(project.ini)
    return fingerprints(project.history, project.history.order, {**OPTIONS, **options}, also)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of two revisions."""
    return write_project(tmp_path / "project", STUDY_TABLES, MORE)


def test_it_follows_from_the_revisions_before_it_and_not_from_those_after(project: Project, tmp_path: Path) -> None:
    first, second = named(project)
    assert named(write_project(tmp_path / "the same elsewhere", STUDY_TABLES, MORE)) == [first, second]

    with (project.versions[0] / "more.py").open("a") as file:
        file.write("# More\n")
    assert named(project)[0] == first
    assert named(project)[1] != second

    with (project.versions[0] / "tables.py").open("a") as file:
        file.write("# More\n")
    assert {first, second}.isdisjoint(named(project))


@pytest.mark.parametrize(
    "options",
    [
        {"render_as_batch": False},
        {"version_table": "other"},
        {"target_metadata": MetaData(naming_convention={"ix": "i_%(column_0_label)s"})},
        {"also": ("losses/counts",)},
        {"also": ("verify/rows/*",)},
    ],
    ids=str,
)
def test_it_follows_from_what_alembic_is_told_and_from_what_runs_it(project: Project, options: dict[str, Any]) -> None:
    assert named(project, **options) != named(project)


def test_it_follows_from_our_own_modules(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = named(project)
    monkeypatch.setattr(fingerprint, "_RUN_REVISIONS", ("project/history", "project/project"))

    assert named(project) != before


def test_of_a_convention_that_is_a_function_nobody_can_tell(project: Project) -> None:
    convention: Any = {"ix": "i_%(it)s", "it": lambda *_: "it"}

    assert named(project, target_metadata=MetaData(naming_convention=convention)) == []


def test_it_ends_where_nobody_can_tell(project: Project) -> None:
    with (project.versions[0] / "more.py").open("a") as file:
        file.write("import os\n")

    assert len(named(project)) == 1


def test_each_revision_of_this_project_stands_alone() -> None:
    project = Project.own()

    revisions = [path for folder in project.versions for path in folder.glob("*.py")]
    assert [path.name for path in revisions if not stands_alone(path.read_bytes())] == []
    assert len(fingerprints(project.history, project.history.order, OPTIONS)) == len(project.history.order)


@pytest.mark.parametrize(
    "text",
    [
        "from alembic import op\nimport sqlalchemy as sa",
        "from __future__ import annotations\nfrom typing import Sequence, Union  # for the ids",
        "from sqlalchemy.dialects import (\n    postgresql,\n)",
        "    import json\n    from collections.abc import Iterable",
        'op.execute("UPDATE study SET opened = 1")\nop.get_bind()\nop.backfill()',
        "pattern = re.compile('x')",
    ],
)
def test_what_stands_alone(text: str) -> None:
    assert stands_alone(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "import json, os",
        "from shop.models import Study",
        "from . import helpers",
        "from alembic import op; import helpers",
        "from alembic import context, op",
        "from alembic import (\n    context,\n)",
        "from alembic.util.pyfiles import load_python_file",
        "if True: import helpers",
        "try: from helpers import x",
        "import sqlalchemy as sa, helpers",
        "__import__('helpers')",
        "exec(text)",
        "eval(text)",
        "open('rows.csv')",
        "open ('rows.csv')",
        "path.read_text()",
        "path.read_bytes()",
        "folder = __file__",
        "op.get_context().config.get_main_option('x')",
        "op.our_own_operation('study')",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not stands_alone(f"import sqlalchemy as sa\n{text}\n".encode())


def test_a_start_follows_from_its_rows_and_from_what_commits(project: Project, tmp_path: Path) -> None:
    rows = tmp_path / "rows.py"
    rows.write_text("ROWS = {}\n")
    target = replace(target_of(str(project.ini), None, None, None), rows_file=rows)
    first = Template(target, "tables", with_rows=True)
    keys = {first.key("run")}
    assert first.key("another run") in keys

    keys.add(Template(target, "tables").key("run"))
    keys.add(Template(target, "more", with_rows=True).key("run"))
    keys.add(Template(replace(target, commits_each=True), "tables", with_rows=True).key("run"))
    keys.add(first.key("run", "another role"))
    rows.write_text("ROWS = {'tables': {'study.name': ['x']}}\n")
    keys.add(first.key("run"))
    assert len(keys) == 6

    rows.write_text("import helpers\nROWS = helpers.rows()\n")
    assert first.key("run") != first.key("another run")
    assert Template(target, "tables").key("run") == Template(target, "tables").key("another run")
