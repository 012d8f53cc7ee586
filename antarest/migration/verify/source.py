"""Reads the source of Python modules, to find literals and the origin of names without importing the modules.

`skipping` changes the source of a revision, so that the revision passes over its failing statements.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.operations import BatchOperations, Operations
from sqlalchemy.exc import DBAPIError

LIBRARIES = sys.stdlib_module_names | {"alembic", "sqlalchemy"}  # Their modules contain no code of the project.
_OURS = str(__package__).rpartition(".")[0]  # the package of the workflow, which contains no code of the project either
_MOST_FOLDERS = 4  # the number of folders above a module in which its imports are searched
_HARMLESS = {"execute", "get_bind", "get_context", "bulk_insert", "inline_literal", "f", "run_async"}
_CHANGES = {name for kind in (Operations, BatchOperations) for name in dir(kind) if not name.startswith("_")}
_CHANGES = _CHANGES - _HARMLESS | {"create", "create_all", "drop", "drop_all"}
_DDL = re.compile(r"\b(?:ALTER|CREATE|DROP|RENAME|TRUNCATE)\b", re.IGNORECASE)
_NAME = "__skipping__"
_PARTS = ("body", "orelse", "finalbody")  # of a compound statement
_UNCHANGED = (ast.FunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class SourceModule:
    """The source of a module of the project."""

    path: Path
    tree: ast.Module
    root: Path

    @classmethod
    def read(cls, path: Path, root: Path) -> SourceModule:
        """Read a module.

        Args:
            path: the file of the module.
            root: the folder of the project.

        Raises:
            SyntaxError, OSError: the file cannot be read.
        """
        return cls(path, ast.parse(path.read_bytes(), filename=str(path)), root)

    def value(self, node: ast.expr, depth: int = 5) -> object:
        """Return the value of a literal.

        For a name, return the literal that is assigned to it, here or in an imported module.
        """
        try:
            return ast.literal_eval(node)
        except ValueError:
            pass
        return self._named(node.id, depth) if isinstance(node, ast.Name) and depth else None

    def assigned(self, node: ast.expr) -> ast.expr:
        """Return the expression that is assigned to a name at the top level. Return any other expression unchanged."""
        name = node.id if isinstance(node, ast.Name) else None
        for each in self.tree.body:
            if isinstance(each, (ast.Assign, ast.AnnAssign)) and each.value:
                targets = each.targets if isinstance(each, ast.Assign) else [each.target]
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    return each.value
        return node

    def imported(self, name: str = "") -> Iterator[Path]:
        """Yield the files of the modules of the project that this module imports.

        With a name, yield only those from which the name is imported.
        """
        for node in ast.walk(self.tree):
            yield from self._files(node, name)

    def _named(self, name: str, depth: int) -> object:
        node = ast.Name(name)
        if (found := self.assigned(node)) is not node:
            return self.value(found, depth - 1)
        for path in self.imported(name):
            with suppress(SyntaxError, OSError):
                module = SourceModule.read(path, self.root)
                if (value := module._named(name, depth - 1)) is not None:  # noqa: SLF001 - its own class
                    return value
        return None

    def _files(self, node: ast.AST, name: str) -> Iterator[Path]:
        names: list[str] = []
        base = self.root
        if isinstance(node, ast.Import) and not name:
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (not name or any(alias.name == name for alias in node.names)):
            if node.level:
                base = self.path.parents[node.level - 1]
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
        is_relative = isinstance(node, ast.ImportFrom) and node.level > 0
        for each in filter(None, names):
            if not is_relative and (each.partition(".")[0] in LIBRARIES or f"{each}.".startswith(f"{_OURS}.")):
                continue
            for root in [base] if is_relative else self._roots(each):
                file = root.joinpath(*each.split("."))
                found = [path for path in (file.with_suffix(".py"), file / "__init__.py") if path.is_file()]
                yield from found
                if found:
                    break

    def _roots(self, name: str) -> Iterator[Path]:
        """Yield the folders in which a module is searched: those of the project, of `sys.path`, and above this file."""
        yield from (self.root, self.root / "src", self.root.parent)
        top = name.partition(".")[0]
        with suppress(ImportError, ValueError):
            spec = find_spec(top)  # A package that is installed from a checkout is in none of the folders of sys.path.
            for place in spec.submodule_search_locations or [] if spec else []:
                yield Path(place).parent
        yield from (Path(each or ".").absolute() for each in sys.path)
        yield from [*self.path.parents][:_MOST_FOLDERS]

    def dotted(self, node: ast.expr) -> str:
        """Return where an imported name comes from, as `package.module:attribute`; empty if it is not imported."""
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        for each in self._imports:
            for alias in each.names:
                if (alias.asname or alias.name.partition(".")[0]) != node.id:
                    continue
                if isinstance(each, ast.ImportFrom):
                    return "" if each.level else _joined(f"{each.module}:{alias.name}", names)
                return _joined(alias.name if alias.asname else node.id, names)
        return ""

    @cached_property
    def _imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [node for node in ast.walk(self.tree) if isinstance(node, (ast.Import, ast.ImportFrom))]

    def imported_names(self) -> Iterator[str]:
        """Yield each import of this module as `module` or `module:name`.

        The name can be that of a module in a package.
        """
        for node in self._imports:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif node.module and not node.level:
                yield from (f"{node.module}:{alias.name}" for alias in node.names)


def _joined(name: str, attributes: list[str]) -> str:
    """Return an imported name and the attributes after it, as `package.module:attribute`.

    Attributes that are modules themselves belong to the part before the colon.
    """
    if ":" in name:
        return ".".join([name, *attributes])
    *modules, last = attributes or [""]
    for number in range(len(modules), 0, -1):
        with suppress(ImportError, ValueError):
            if find_spec(".".join([name, *modules[:number]])):
                return f"{'.'.join([name, *modules[:number]])}:{'.'.join([*modules[number:], last])}"
    return f"{name}:{'.'.join([*modules, last])}"


@contextmanager
def skipping(module: ModuleType, function: str) -> Iterator[None]:
    """Inside the `with` block, let a function of a revision skip each statement that fails and changes no schema.

    Only failures in Python are skipped. A statement may change the schema if it calls an operation of Alembic or a
    function of the application, or has SQL such as ALTER. The failure of such a statement ends the revision as usual,
    and so does each error of the database.

    Args:
        module: the revision file.
        function: `upgrade` or `downgrade`.

    Raises:
        OSError: the file cannot be read.
    """
    path = str(module.__file__)
    tree = ast.parse(Path(path).read_bytes(), filename=path)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    changers = _changers(tree, functions)
    for each in functions:
        each.body = _guarded(each.body, changers)
    made = ast.fix_missing_locations(ast.Module(body=[*functions], type_ignores=[]))
    namespace: dict[str, Any] = {**vars(module), _NAME: _skipped}
    exec(compile(made, path, "exec"), namespace)  # noqa: S102 - the file itself, which Alembic runs too
    original = getattr(module, function)
    setattr(module, function, namespace[function])
    try:
        yield
    finally:
        setattr(module, function, original)


@contextmanager
def _skipped() -> Iterator[None]:
    try:
        yield
    except DBAPIError:
        raise
    except Exception:  # noqa: BLE001, S110 - the finding about the usual run names it
        pass


def _changers(tree: ast.Module, functions: Sequence[ast.FunctionDef]) -> set[str]:
    """Return the names of the functions that may change the schema: the application's, and some of the revision."""
    found = set()
    for node in ast.walk(tree):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            top = (module or alias.name).partition(".")[0]
            found |= {(alias.asname or alias.name).partition(".")[0]} if top not in LIBRARIES else set()
    while more := {each.name for each in functions if each.name not in found and _may_change(each, found)}:
        found |= more
    return found


def _may_change(node: ast.AST, changers: set[str]) -> bool:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and _DDL.search(each.value):
            return True
        if isinstance(each, ast.Call) and not changers.isdisjoint(_names(each.func)):
            return True
        if isinstance(each, ast.Call) and getattr(each.func, "attr", "") in _CHANGES:
            return True
    return False


def _names(node: ast.expr) -> list[str]:
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]


def _guarded(body: Sequence[ast.stmt], changers: set[str]) -> list[ast.stmt]:
    """Return statements, each inside a `with` block if it changes no schema."""
    found: list[ast.stmt] = []
    for each in body:
        if isinstance(each, _UNCHANGED):
            found.append(each)
        elif _may_change(each, changers):
            for part in _PARTS:
                if inner := getattr(each, part, None):
                    setattr(each, part, _guarded(inner, changers))
            found.append(each)
        else:
            call = ast.Call(ast.Name(_NAME, ast.Load()), [], [])
            found.append(ast.copy_location(ast.With([ast.withitem(call)], [each]), each))
    return found
