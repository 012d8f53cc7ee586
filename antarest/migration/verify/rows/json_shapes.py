"""Finds the shape of the JSON that a revision reads: the keys and the lists that its source expects."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

Path = tuple[str, ...]
_ELEMENT = "[]"
_READS = {"get", "pop", "setdefault"}
_LEAF = "1"  # It is a text, and `int()` and `float()` read it too.


def shape_of(tree: ast.Module) -> Any:
    """Return a value of the shape that the code reads: a dictionary, or a list of dictionaries.

    Args:
        tree: the source of a revision.
    """
    reader = _JsonReader()
    for _ in range(2):  # A name may be used in a function above the one that assigns it.
        reader.paths.clear()
        for node in ast.walk(tree):
            reader.note(node)
    return _value(sorted(reader.paths))


class _JsonReader:
    """Follows the variables that hold the parsed JSON, or a part of the JSON."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self._names: dict[str, Path] = {}

    def note(self, node: ast.AST) -> None:
        """Note the keys that a node of the source reads, and the variables that it assigns parts of the JSON to."""
        if isinstance(node, (ast.Assign, ast.NamedExpr)):
            targets: Sequence[ast.expr] = node.targets if isinstance(node, ast.Assign) else [node.target]
            self._assign(targets, self._path(node.value))
        elif isinstance(node, (ast.For, ast.comprehension)):
            path = self._path(node.iter)
            self._assign([node.target], None if path is None else (*path, _ELEMENT))
        if isinstance(node, ast.expr) and (path := self._path(node)):
            self.paths.add(path)

    def _assign(self, targets: Sequence[ast.expr], path: Path | None) -> None:
        for target in targets:
            if isinstance(target, ast.Name) and path is not None:
                self._names[target.id] = path
                self.paths.add(path)

    def _path(self, node: ast.expr) -> Path | None:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            return self._path(node.values[0] if isinstance(node, ast.BoolOp) else node.body)
        if isinstance(node, ast.Subscript):
            return self._below(node.value, node.slice)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "loads":
                return ()
            if node.func.attr in _READS and node.args:
                return self._below(node.func.value, node.args[0])
        return None

    def _below(self, parent: ast.expr, key: ast.expr) -> Path | None:
        path = self._path(parent)
        if path is None or not isinstance(key, ast.Constant):
            return None
        return (*path, key.value if isinstance(key.value, str) else _ELEMENT)


def _value(paths: list[Path]) -> Any:
    """Return JSON that contains all of these paths."""
    heads = dict.fromkeys(path[0] for path in paths if path)
    if not heads:
        return _LEAF
    parts = {head: _value(list(_tails(paths, head))) for head in heads}
    if set(parts) == {_ELEMENT}:
        return [parts[_ELEMENT]]
    return {key: value for key, value in parts.items() if key != _ELEMENT}


def _tails(paths: list[Path], head: str) -> Iterator[Path]:
    yield from (path[1:] for path in paths if path and path[0] == head)
