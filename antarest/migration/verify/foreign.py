"""Any project of Alembic: what its revisions need is read from `env.py` and the models' source, and nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from antarest.core.errors import Hint
from antarest.migration.errors import InvalidProject, ProjectNotFound
from antarest.migration.project import Project
from antarest.migration.verify.target import Target

_ROWS = Path("tests", "rows.py")
_OPTIONS = ("render_as_batch", "version_table", "transaction_per_migration")
_MOST_FILES = 200  # in which the naming convention is looked for: an application may be large


def target_of(project: str | None, versions: str | None, metadata: str | None, rows_from: str | None) -> Target:
    """The project that is named, or the one here.

    Args:
        project: its `alembic.ini`.
        versions: its folder of revisions, where there is no `alembic.ini`.
        metadata: where its metadata is, as `package.module:attribute`.
        rows_from: a Python file with values for generated rows.

    Raises:
        ProjectNotFound: there is no such file or folder.
        InvalidProject: it does not say where its revisions are.
    """
    if versions:
        folder = Path(versions).absolute()
        if not folder.is_dir():
            raise ProjectNotFound(folder)
        found = Project(folder.parent / "no alembic.ini", (folder,))
        return _read(found, folder.parent / "env.py", metadata, _file(rows_from))
    found = Project.load(project)
    rows = _file(rows_from) or (found.root / _ROWS if (found.root / _ROWS).is_file() else None)
    if found.metadata_name or found.rollback_script:
        return Target(found, metadata or found.metadata_name, rows)
    target = Target(found, is_own=False)
    return _read(found, Path(target.script_location) / "env.py", metadata, rows if rows_from else None)


def _file(name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name).absolute()
    if not path.is_file():
        raise InvalidProject(
            path, "there is no such file", [Hint("Name another one", "inv db.verify --rows-from=FILE")]
        )
    return path


def _read(project: Project, env: Path, metadata: str | None, rows: Path | None) -> Target:
    """What `env.py` says to Alembic, as far as it can be read."""
    values: dict[str, Any] = {}
    convention: Mapping[str, str] = {}
    unknown: list[str] = []
    if env.is_file():
        tree = ast.parse(env.read_bytes(), filename=str(env))
        for name, node in _options(tree):
            found = _literal(node, tree)
            if found is not None:
                values[name] = found
            elif name == "version_table":
                unknown.append(f"{name} in line {node.lineno} of {env.name}")
        convention = _convention(tree, env, project)
    version_table = str(values.get("version_table", project.version_table))
    return Target(
        replace(project, version_table=version_table),
        metadata or "",
        rows,
        # Where several calls differ, the one that asks for a batch is for SQLite.
        render_as_batch=bool(values.get("render_as_batch", False)),
        naming_convention=convention,
        commits_each=bool(values.get("transaction_per_migration", False)),
        is_own=False,
        unknown=tuple(unknown),
    )


def _options(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The options that are given to `context.configure`, as keywords or in a dictionary."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "configure":
            yield from ((each.arg, each.value) for each in node.keywords if each.arg in _OPTIONS)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _OPTIONS:
                    yield str(key.value), value


def _literal(node: ast.expr, tree: ast.Module) -> Any:
    """The value of an expression: a literal, or a name that is given one; None where it cannot be read.

    A condition (`render_as_batch=url.startswith("sqlite")`) is read as true: it is about SQLite.
    """
    try:
        return ast.literal_eval(node)
    except ValueError:
        pass
    if isinstance(node, ast.Name):
        for each in tree.body:
            if isinstance(each, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in each.targets):
                return _literal(each.value, tree)
        return None
    return True if isinstance(node, (ast.Compare, ast.Call, ast.BoolOp)) else None


def _convention(tree: ast.Module, env: Path, project: Project) -> Mapping[str, str]:
    """The naming convention of the metadata: in `env.py`, or in a module of the project that leads there."""
    seen: set[Path] = set()
    waiting = [(env, tree)]
    while waiting:
        path, module = waiting.pop(0)
        for node in ast.walk(module):
            if isinstance(node, ast.keyword) and node.arg == "naming_convention":
                found = _literal(node.value, module)
                if isinstance(found, dict):
                    return {str(key): str(value) for key, value in found.items()}
        for file in _imports(module, path, project):
            if file not in seen and len(seen) < _MOST_FILES:
                seen.add(file)
                try:
                    waiting.append((file, ast.parse(file.read_bytes(), filename=str(file))))
                except SyntaxError:
                    continue
    return {}


def _imports(tree: ast.Module, path: Path, project: Project) -> Iterator[Path]:
    """The files of the project that a module imports."""
    for node in ast.walk(tree):
        names: list[str] = []
        base = project.root
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = path.parents[node.level - 1]
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
        for name in filter(None, names):
            for root in (base, base / "src", project.root.parent):
                file = root.joinpath(*name.split("."))
                yield from (each for each in (file.with_suffix(".py"), file / "__init__.py") if each.is_file())
