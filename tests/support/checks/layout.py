"""The rules of the layout. Each rule is a function that returns the problems of a file."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from tests.support.projects.checkouts import ROOT

DOMAINS = ("core.tasks", "core.configdata", "core.filetransfer", "launcher", "login", "matrixstore", "study")
MODELS = tuple(f"antarest.{domain}" for domain in DOMAINS)
WORKFLOW = "antarest.migration"
LOWER = {  # the packages that each package may import, beside itself
    WORKFLOW: (),
    "antarest.core": (WORKFLOW,),
    **dict.fromkeys(MODELS, ("antarest.core", *MODELS)),  # models name each other
    "antarest.dbmodel": ("antarest.core", *MODELS),
    "antarest.seed": ("antarest.core", "antarest.dbmodel", *MODELS),
    "antarest.web": ("antarest.core", WORKFLOW, "antarest.dbmodel", *MODELS),
    "antarest.desktop": ("antarest.core", WORKFLOW, "antarest.dbmodel", "antarest.web", *MODELS),
}
VERSION = "antarest.__version__"  # everybody may say which version this is
ROOMS = (  # the rooms of the workflow: each room imports only from the rooms before it
    "errors",
    "project",
    "database",
    "schema",
    "losses",
    "snapshot",
    "run",
    "scratch",
    "backup",
    "workflow",
    "branches",
    "verify",
    "release",
    "testing",
    "commands",
)
DOORS = {f"{WORKFLOW}.environment", f"{WORKFLOW}.__main__", f"{WORKFLOW}.verify.__main__"}  # they may import any room

BOOTSTRAP = "antarest/migration/errors/settings/bootstrap.py"
MOST_FILES_OF_A_FOLDER = 12
MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 40
MOST_STATEMENTS_OF_A_TASK = 4
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|(CREATE|ALTER|DROP) (TABLE|INDEX|DATABASE|TYPE)|PRAGMA)\b")


@dataclass(frozen=True)
class Import:
    """An imported module: at the top, inside a function, or for annotations.

    Attributes:
        module: the dotted name; a name that is imported from a package may be a module.
        is_relative: whether the import is relative.
    """

    module: str
    is_relative: bool = False


@dataclass(frozen=True)
class File:
    """A Python file of the project."""

    path: str
    text: str

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list[Import]:
        """All imports, anywhere in the file."""
        return [each for node in ast.walk(self.tree) for each in self._imported_by(node)]

    def _imported_by(self, node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = self.module if self.path.endswith("/__init__.py") else self.module.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (Import(f"{base}.{alias.name}", node.level > 0) for alias in node.names)

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All functions in the file."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def within(module: str, package: str) -> bool:
    """Return whether a module is a package, or is in it."""
    return f"{module}.".startswith(f"{package}.")


def _part(module: str) -> str:
    """Return the part of the layout that a module belongs to, such as "antarest.core"; empty for a program on top."""
    return next((part for part in sorted(LOWER, key=len, reverse=True) if within(module, part)), "")


# The rules


def upward_imports(file: File) -> list[str]:
    """Return imports of packages that are not below the file's package."""
    own = _part(file.module)
    lower = [*LOWER.get(own, ()), own]
    return [
        f"{file.path} imports {each.module}"
        for each in file.imports
        if own and within(each.module, "antarest") and each.module != VERSION and _part(each.module) not in lower
    ]


def imports_across_rooms(file: File) -> list[str]:
    """Return imports from rooms of the workflow after the file's room."""
    own = _room(file.module)
    if file.module in DOORS or own is None:
        return []
    return [
        f"{file.path} imports {each.module}"
        for each in file.imports
        if (room := _room(each.module)) is not None and ROOMS.index(room) > ROOMS.index(own)
    ]


def rooms_without_a_place(file: File) -> list[str]:
    """Return the file if it belongs to the workflow, but is neither a public module nor in a room."""
    is_known = not within(file.module, WORKFLOW) or file.module in {WORKFLOW, *DOORS} or _room(file.module)
    return [] if is_known else [f"{file.path} lies in no room"]


def _room(module: str) -> str | None:
    """Return the room of the workflow that a module is in."""
    name = module.removeprefix(f"{WORKFLOW}.").partition(".")[0] if within(module, WORKFLOW) else ""
    return name if name in ROOMS else None


def imports_by_the_wrong_name(file: File) -> list[str]:
    """Return absolute imports inside the workflow, which would break a copy of it, and relative ones elsewhere."""
    inside = within(file.module, WORKFLOW)
    return [
        f"{file.path} imports {each.module}"
        for each in file.imports
        if each.is_relative != (inside and within(each.module, WORKFLOW))
    ]


def foreign_packages_in_core(file: File) -> list[str]:
    """Return imports of the core other than the workflow and SQLAlchemy."""
    known = {*sys.stdlib_module_names, "antarest", "sqlalchemy"}
    foreign = [each.module for each in file.imports if each.module.partition(".")[0] not in known]
    return [f"{file.path} imports {module}" for module in foreign if _part(file.module) == "antarest.core"]


def packages_in_bootstrap(file: File) -> list[str]:
    """Return imports of packages in the module that reports missing packages."""
    foreign = [each.module for each in file.imports if each.module.partition(".")[0] not in sys.stdlib_module_names]
    return [
        f"{file.path} imports {module}"
        for module in foreign
        if file.path == "antarest/migration/errors/settings/bootstrap.py"
    ]


def imports_of_revisions(file: File) -> list[str]:
    """Return imports of a revision other than `op` and `sa`, which may change later."""
    if not file.path.startswith("alembic/versions/"):
        return []
    others = [each.module for each in file.imports if each.module not in {"alembic.op", "sqlalchemy"}]
    return [f"{file.path} imports {module}" for module in others if not within(module, "__future__")]


def logic_in_tasks(file: File) -> list[str]:
    """Return tasks that do more than parse, call and print: with SQL, Alembic or many statements."""
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
    """Return long files and functions. A revision may be long."""
    if file.path.startswith("alembic/versions/"):
        return []
    lines = file.text.count("\n")
    spans = {each: (each.end_lineno or each.lineno) - each.lineno + 1 for each in file.functions}
    return [
        *([f"{file.path} has {lines} lines"] if lines > MOST_LINES_OF_A_FILE else []),
        *(f"{file.path}: {f.name} has {n} lines" for f, n in spans.items() if n > MOST_LINES_OF_A_FUNCTION),
    ]


@cache  # Each rule checks all files.
def files() -> list[File]:
    """Return every Python file but those of the test histories."""
    tops = ("antarest", "alembic", "benchmarks", "scripts", "tests")
    found = [ROOT / "tasks.py", *(path for top in tops for path in (ROOT / top).rglob("*.py"))]
    names = sorted(path.relative_to(ROOT).as_posix() for path in found if path.is_file())
    return [File(name, (ROOT / name).read_text()) for name in names if not name.startswith("tests/histories/")]


RULES = (
    upward_imports,
    imports_across_rooms,
    rooms_without_a_place,
    imports_by_the_wrong_name,
    foreign_packages_in_core,
    packages_in_bootstrap,
    imports_of_revisions,
    logic_in_tasks,
    long_files_and_functions,
)
