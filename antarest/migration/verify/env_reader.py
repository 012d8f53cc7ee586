"""Reads the options of a foreign Alembic project from the source of its `env.py` and models, without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject, ProjectNotFound
from ..errors.revision import VersionTable
from ..project.env_options import named_table
from ..project.project import Project
from ..project.revision_files import listed
from .target import Target

_FIX = Hint("Fix it, then prove again", "inv db.verify")
_ROWS = Path("tests", "rows.py")
_CONDITIONS = ("render_as_batch", "transaction_per_migration")
_OPTIONS = (*_CONDITIONS, "version_table")
_MOST_FILES = 200  # the limit of the search for the naming convention: an application may have many more


def target_of(project: str | None, versions: str | None, metadata: str | None, rows_from: str | None) -> Target:
    """Find the project to prove: the one that is named, or the one of the current folder.

    Args:
        project: its `alembic.ini`.
        versions: its folder of revisions, if there is no `alembic.ini`.
        metadata: its metadata, as `package.module:attribute`.
        rows_from: a Python file with values for generated rows.

    Raises:
        ProjectNotFound: there is no such file or folder.
        InvalidProject: it does not name the folders of its revisions.
    """
    if versions:
        folder = Path(versions).absolute()
        if not folder.is_dir():
            raise ProjectNotFound(folder)
        found = Project(
            folder.parent / "no alembic.ini", (folder,), is_recursive=not any(listed([folder])), scripts=folder.parent
        )
        _refuse_empty(found)
        return _read(found, folder.parent / "env.py", metadata, _file(rows_from))
    found = Project.load(project)
    rows = _file(rows_from) or (found.root / _ROWS if (found.root / _ROWS).is_file() else None)
    if found.metadata_name or found.rollback_script:
        return Target(found, metadata or found.metadata_name, rows)
    for each in found.versions:
        if not each.is_dir():
            raise InvalidProject(found.ini, f"there is no folder {each}, where its revisions should be", _FIX)
    _refuse_empty(found)
    return _read(found, (found.scripts or found.root) / "env.py", metadata, rows if rows_from else None)


def _refuse_empty(project: Project) -> None:
    """Refuse a project without a revision: its proof would find nothing."""
    if not any(listed(project.versions, recursive=project.is_recursive)):
        project.refuse_files_below()
        raise InvalidProject(project.ini, f"there is no revision in {project.folder}", _FIX)


def _file(name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name).absolute()
    if not path.is_file():
        raise InvalidProject(path, "there is no such file", Hint("Name another one", "inv db.verify --rows-from=FILE"))
    return path


def _read(project: Project, env: Path, metadata: str | None, rows: Path | None) -> Target:
    """Make the target from the options that can be read from `env.py`."""
    values: dict[str, object] = {}
    unknown: list[str] = []
    convention: Mapping[str, str] = {}
    if env.is_file():
        try:
            module = _Module(env, ast.parse(env.read_bytes(), filename=str(env)), project.root)
        except SyntaxError as error:
            raise InvalidProject(env, f"line {error.lineno}: {error.msg}", _FIX) from None
        for name, node in _options(module.tree):
            found = module.value(node)
            if found is None and name in _CONDITIONS and isinstance(node, (ast.Compare, ast.Call, ast.BoolOp)):
                found = True  # A condition, such as url.startswith("sqlite"), is taken to be true for SQLite.
            if found is None:
                unknown.append(f"{name} in line {node.lineno} of {env.name}")
            else:
                values[name] = found
        convention, missing = _convention(module)
        unknown += missing
    return Target(
        replace(project, named_version_table=named_table(values) or project.named_version_table or VersionTable()),
        metadata or "",
        rows,
        # If only one of several calls asks for batches, that call is for SQLite.
        render_as_batch=bool(values.get("render_as_batch", False)),
        naming_convention=convention,
        commits_each=bool(values.get("transaction_per_migration", False)),
        is_own=False,
        unknown=tuple(unknown),
    )


def _options(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Find the options for `context.configure`, which may be keywords or keys of a dictionary."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "configure":
            yield from ((each.arg, each.value) for each in node.keywords if each.arg in _OPTIONS)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _OPTIONS:
                    yield str(key.value), value


def _convention(env: _Module) -> tuple[Mapping[str, str], list[str]]:
    """Find the naming convention of the metadata, in `env.py` or in a module that it imports.

    Returns:
        The convention. If none can be read, it is empty, and the places of the unreadable ones come with it.
    """
    seen, waiting, unread = {env.path}, [env], list[str]()
    while waiting:
        module = waiting.pop(0)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "naming_convention":
                found = module.value(node.value)
                if isinstance(found, dict):
                    return {str(key): str(value) for key, value in found.items()}, []
                unread.append(f"naming_convention in line {node.value.lineno} of {module.path.name}")
        for other in module.imported():
            if other.path not in seen and len(seen) < _MOST_FILES:
                seen.add(other.path)
                waiting.append(other)
    return {}, unread


@dataclass(frozen=True)
class _Module:
    """The source of a module of the project."""

    path: Path
    tree: ast.Module
    root: Path

    def value(self, node: ast.expr, depth: int = 5) -> object:
        """Evaluate a literal, or a name that is assigned a literal here or in the module that it is imported from."""
        try:
            return ast.literal_eval(node)
        except ValueError:
            pass
        return self._named(node.id, depth) if isinstance(node, ast.Name) and depth else None

    def imported(self, name: str = "") -> Iterator[_Module]:
        """Read the project's modules that this one imports. With a name, read only those that give it the name."""
        for node in ast.walk(self.tree):
            for file in self._files(node, name):
                with suppress(SyntaxError, OSError):
                    yield _Module(file, ast.parse(file.read_bytes(), filename=str(file)), self.root)

    def _named(self, name: str, depth: int) -> object:
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                assert isinstance(node, (ast.Assign, ast.AnnAssign))  # noqa: S101 - only these have targets
                return self.value(node.value, depth - 1) if node.value else None
        for module in self.imported(name):
            if (found := module._named(name, depth - 1)) is not None:  # noqa: SLF001 - its own class
                return found
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
        for each in filter(None, names):
            for root in (base, base / "src", self.root.parent):
                file = root.joinpath(*each.split("."))
                yield from (found for found in (file.with_suffix(".py"), file / "__init__.py") if found.is_file())
