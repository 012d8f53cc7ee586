"""Finds the faults in the graph of revisions and in the revision files. This needs no database."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from ...branches import checks
from ...errors.facts.fixes import ID_LENGTH
from ...project import rollback_script
from ...project.history import History
from ..source import LIBRARIES
from ..target import Target
from .finding import Finding

_MOST_FOLDERS = 8  # the most folders to go up from a revision file to its package
_SKIPPED = {"alembic", "tests"}  # folders that are named like a package of others, or are not the application


def findings(target: Target, wanted: Collection[str]) -> Iterator[Finding]:
    """Yield the findings about the graph of revisions, and about the files of the wanted revisions."""
    history = target.history
    if len(history.heads) > 1:
        # If a history has separate trees, a database may have run only one of them.
        is_meant = history.stays_apart or len(history.heads) <= _trees(history)
        severity = "note" if is_meant else "error"
        yield Finding.of("V101", f"{len(history.heads)} heads: {', '.join(history.heads)}", severity=severity)
    project = target.project
    if target.is_own and project.rollback_script and not rollback_script.is_in_sync(project):
        yield Finding.of("V105", f"{project.rollback_script.name} is not in sync")
    if target.is_own and project.metadata_name:
        yield from (Finding.of("V703", fact) for fact in checks.unregistered(project))
    packages = _packages(target)
    for id_ in history.order:
        if id_ in wanted:
            if len(id_) > ID_LENGTH and not target.stores_id(id_):
                yield Finding.of("V103", f"{len(id_)} characters", id_)
            if len(history[id_].down) > 1:
                yield Finding.of("V107", f"it follows {' and '.join(history[id_].down)}", id_)
            yield from _file(history[id_].path, id_, packages)


def _trees(history: History) -> int:
    """Return the number of separate parts of the history."""
    trees: list[set[str]] = []
    for id_ in history.order:
        near = {id_, *history[id_].predecessors}
        joined = [each for each in trees if near & each]
        trees = [each for each in trees if not near & each] + [near.union(*joined)]
    return len(trees)


def _packages(target: Target) -> set[str]:
    """Return the packages of the application: those in the project, and that of the models."""
    root = target.project.root
    found = {path.parent.name for path in root.glob("*/__init__.py")} | {path.stem for path in root.glob("*.py")}
    found |= {path.parent.name for path in root.glob("src/*/__init__.py")}
    return found - _SKIPPED | (
        {target.metadata_name.partition(".")[0].partition(":")[0]} if target.metadata_name else set()
    )


def _is_around(file: Path, module: str) -> bool:
    """Return whether a module is in the package that contains a file. The package may have no `__init__.py`."""
    first, *others = module.split(".")
    folder = file.parent.resolve()  # A revision file may be a link.
    near = [folder, *folder.parents][:_MOST_FOLDERS]
    places = [each.joinpath(*others) for each in near if each.name == first and first not in _SKIPPED]
    return any(each.is_dir() or each.with_suffix(".py").is_file() for each in places)


def _file(path: Path, id_: str, packages: set[str]) -> Iterator[Finding]:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    rows = {name for node in ast.walk(tree) for name in _assigned_rows(node)}
    for node in ast.walk(tree):
        for name in _imported(node):
            first = name.partition(".")[0]  # The application may have a folder with the name of a library.
            if first not in LIBRARIES and (first in packages or _is_around(path, name)):
                yield Finding.of("V201", f"line {getattr(node, 'lineno', 0)} imports {name}", id_)
        if isinstance(node, ast.For) and _is_row_loop(node, rows):
            yield Finding.of("V202", f"the loop in line {node.lineno}", id_)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def _assigned_rows(node: ast.AST) -> list[str]:
    """Return the names to which a statement assigns the result of a query; empty for any other node."""
    if not isinstance(node, ast.Assign) or not _reads(node.value):
        return []
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _is_row_loop(loop: ast.For, rows: set[str]) -> bool:
    """Return whether a loop over the result of a query runs statements."""
    names = {node.id for node in ast.walk(loop.iter) if isinstance(node, ast.Name)}
    return any(map(_reads, loop.body)) and (_reads(loop.iter) or not names.isdisjoint(rows))


def _reads(node: ast.AST) -> bool:
    return any(_called(each) == "execute" for each in ast.walk(node))


def _called(node: ast.AST) -> str:
    """Return the name of the method that a node calls; empty if the node is not a call of a method."""
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
