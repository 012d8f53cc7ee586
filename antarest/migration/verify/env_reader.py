"""Reads the options of an Alembic project from the source of its `env.py` and models, without running this code."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject, ProjectNotFound
from ..errors.revision import VersionTable
from ..project.env_options import named_table
from ..project.project import Project
from ..project.revision_files import listed
from .source import LIBRARIES, SourceModule
from .target import Target

_FIX = Hint("Fix it, then prove again", "inv db.verify")
_ROWS = Path("tests", "rows.py")
_CONDITIONS = ("render_as_batch", "transaction_per_migration")
_OPTIONS = (*_CONDITIONS, "version_table")
_FUNCTIONS = ("include_object", "include_name", "include_schemas", "version_table_schema")
_SETS_KEYS = re.compile(r"PRAGMA\s+foreign_keys\s*=\s*(\w+)", re.IGNORECASE)
_MOST_FILES = 200  # the most files that the search for the naming convention reads


def target_of(project: str | None, versions: str | None, metadata: str | None, rows_from: str | None) -> Target:
    """Find the project to prove. Without arguments, search for it from the current folder upwards.

    Args:
        project: the `alembic.ini` of the project.
        versions: the folder of the revisions, if there is no `alembic.ini`.
        metadata: the metadata of the models, as `package.module:attribute`.
        rows_from: a Python file with values for generated rows.

    Raises:
        ProjectNotFound: there is no such file or folder.
        InvalidProject: the settings do not name the folders of the revisions.
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
    env = (found.scripts or found.root) / "env.py"
    if found.metadata_name or (found.rollback_script and metadata):
        return Target(found, metadata or found.metadata_name, rows)
    if found.rollback_script:
        of_env = _read(found, env, None, rows)
        models = {name: getattr(of_env, name) for name in ("metadata_name", "models_of_env", "models_problem")}
        return replace(Target(found, rows_file=rows), **models)
    for each in found.versions:
        if not each.is_dir():
            raise InvalidProject(found.ini, f"there is no folder {each}, where its revisions should be", _FIX)
    _refuse_empty(found)
    return _read(found, env, metadata, rows if rows_from else None)


def _refuse_empty(project: Project) -> None:
    """Refuse a project without revisions, because its proof would find nothing."""
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
    """Return the project with the options that can be read from the source of `env.py`."""
    values: dict[str, object] = {}
    unknown: list[str] = []
    convention: Mapping[str, str] = {}
    models, enforces_keys = _Models(), False
    if env.is_file():
        try:
            module = SourceModule.read(env, project.root)
        except SyntaxError as error:
            raise InvalidProject(env, f"line {error.lineno}: {error.msg}", _FIX) from None
        for name, node in _options(module.tree):
            found = module.value(node)
            if found is None and name in _CONDITIONS and isinstance(node, (ast.Compare, ast.Call, ast.BoolOp)):
                found = True  # A condition, such as url.startswith("sqlite"), is taken to be true for SQLite.
            unknown += [f"{name} in line {node.lineno} of {env.name}"] if found is None else []
            values |= {name: found} if found is not None else {}
        models, enforces_keys = _metadata(module), _enforces_keys(module.tree)
        unknown += [
            f"{name} in line {node.lineno} of {env.name} (--run-env reads it)"
            for name, node in _options(module.tree, _FUNCTIONS)
            if models.name or metadata
        ]
        convention, missing = _convention(module, models.name.partition(":")[0].partition(".")[0])
        unknown += [*missing, *([models.problem] if models.problem and not metadata else [])]
    return Target(
        replace(project, named_version_table=named_table(values) or project.named_version_table or VersionTable()),
        metadata or models.name,
        rows,
        # If only one of several calls asks for batches, that call is for SQLite.
        render_as_batch=bool(values.get("render_as_batch", False)),
        naming_convention=convention,
        commits_each=bool(values.get("transaction_per_migration", False)),
        enforces_keys=enforces_keys,
        is_own=False,
        models_of_env=() if metadata or not models.name else models.imports,
        models_problem="" if metadata else models.problem,
        unknown=tuple(unknown),
    )


def _enforces_keys(tree: ast.Module) -> bool:
    """Return whether `env.py` switches the foreign keys of SQLite on, and never off, as some do while revisions run."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    settings = {setting.upper() for each in texts for setting in _SETS_KEYS.findall(each)}
    return bool(settings) and settings <= {"ON", "1", "TRUE", "YES"}


def _options(tree: ast.Module, wanted: Collection[str] = _OPTIONS) -> Iterator[tuple[str, ast.expr]]:
    """Yield the name and the value of each option in `wanted` that is a keyword of a call, or a key of a dictionary."""
    for node in ast.walk(tree):
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and called in {"configure", "run", "dict"}:
            yield from ((each.arg, each.value) for each in node.keywords if each.arg and each.arg in wanted)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in wanted:
                    yield str(key.value), value


@dataclass(frozen=True)
class _Models:
    """The metadata that `env.py` gives to Alembic.

    Attributes:
        name: the name of the metadata, as `package.module:attribute`; empty if it is not known.
        imports: the modules that `env.py` imports, because they can add tables to the metadata.
        problem: the line of `env.py` from which the name of the metadata cannot be read; empty if there is none.
    """

    name: str = ""
    imports: tuple[str, ...] = ()
    problem: str = ""


def _metadata(env: SourceModule) -> _Models:
    """Find the metadata that `env.py` gives to Alembic. A `MetaData` that `env.py` itself creates is ignored."""
    nodes = [node for name, node in _options(env.tree, ("target_metadata",))]
    # Another module may call `configure` with the variable `target_metadata`, which Alembic's template of `env.py` has.
    name = ast.Name("target_metadata", lineno=1)
    node = env.assigned(nodes[0] if nodes else name)
    is_made_here = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("MetaData")
    if node is name or is_made_here or (isinstance(node, ast.Constant) and node.value is None):
        return _Models()
    if (changed := _changed(env, nodes[0] if nodes else name)) is not None:
        return _Models(problem=f"target_metadata after line {changed} of {env.path.name}")
    if place := env.dotted(node):
        imports = {each for each in env.imported_names() if re.split("[.:]", each)[0] not in LIBRARIES}
        return _Models(place, tuple(sorted(imports)))
    return _Models(problem=f"target_metadata in line {node.lineno} of {env.path.name}")


def _changed(env: SourceModule, metadata: ast.expr) -> int | None:
    """Return the first line of `env.py` that calls a method of the metadata, or gives the metadata to other code.

    Such code may add tables, for example in a loop. Only a run of `env.py` shows these tables.
    """
    texts = {ast.unparse(each) for each in (metadata, env.assigned(metadata))}
    own = {each.name for each in ast.walk(env.tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    lines = []
    for node in ast.walk(env.tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        if called not in {"configure", "run", "dict", "getattr", *own}:
            given += [*node.args, *(each.value for each in node.keywords)]
        lines += [node.lineno for each in given if ast.unparse(each) in texts]
    return min(lines, default=None)


def _convention(env: SourceModule, package: str) -> tuple[Mapping[str, str], list[str]]:
    """Return the naming convention of the metadata, from `env.py` or from a module that `env.py` imports.

    Args:
        env: the source of `env.py`.
        package: the package of the metadata. No other installed package is read.

    Returns:
        The convention, and the places of conventions that cannot be read. The convention is empty if none can be read.
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
        for path in module.imported():
            if "site-packages" in path.parts and (not package or package not in path.parts):
                continue
            if path not in seen and len(seen) < _MOST_FILES:
                seen.add(path)
                with suppress(SyntaxError, OSError):
                    waiting.append(SourceModule.read(path, env.root))
    return {}, unread
