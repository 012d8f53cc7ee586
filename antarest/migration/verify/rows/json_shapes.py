"""Finds the shape of the JSON that a revision reads: the keys and the lists that its source expects."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any

Path = tuple[str, ...]
_ELEMENT = "[]"
_READS = {"get", "pop", "setdefault"}
_LEAF = "1"  # a text that `int()` and `float()` can read too


def shape_of(tree: ast.Module) -> Any:
    """Return an example of the JSON that a revision reads, such as a dictionary; a string if its shape is not known.

    Args:
        tree: the source of a revision.
    """
    reader = _JsonReader({*_json_columns(tree)})
    for _ in range(2):  # A name may be used in a function above the one that assigns it.
        reader.paths.clear()
        for node in ast.walk(tree):
            reader.note(node)
    return _value(sorted(reader.paths))


def _json_columns(tree: ast.Module) -> Iterator[str]:
    """Yield the columns that the code declares with a type of JSON. SQLAlchemy parses their values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[0], ast.Constant):
            kinds = {last_name(kind) for kind in node.args[1:]}
            if kinds & {"JSON", "JSONB"}:
                yield str(node.args[0].value)


def last_name(node: ast.expr) -> str:
    """Return the last part of a name such as `sa.String`, also if the name is called: `sa.String(10)`."""
    node = node.func if isinstance(node, ast.Call) else node
    return str(getattr(node, "attr", getattr(node, "id", "")))


class _JsonReader:
    """Follows the variables that hold the parsed JSON, or a part of the JSON.

    Args:
        columns: the columns whose values are parsed JSON.
    """

    def __init__(self, columns: Collection[str]) -> None:
        self.paths: set[Path] = set()
        self._columns = columns
        self._names: dict[str, Path] = dict.fromkeys(columns, ())

    def note(self, node: ast.AST) -> None:
        """Note the keys that a node of the source reads, and the variables to which the node assigns parts of JSON."""
        if isinstance(node, (ast.Assign, ast.NamedExpr)):
            targets: Sequence[ast.expr] = node.targets if isinstance(node, ast.Assign) else [node.target]
            self._assign(targets, self._path(node.value))
        elif isinstance(node, (ast.For, ast.comprehension)):
            path = self._path(node.iter)
            self._assign([node.target], None if path is None else (*path, _ELEMENT))
        is_written = isinstance(getattr(node, "ctx", None), ast.Store)
        if isinstance(node, ast.expr) and not is_written and (path := self._path(node)):
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
        if isinstance(node, ast.Attribute) and node.attr in self._columns:
            return ()
        if isinstance(node, ast.Subscript):
            return self._below(node.value, node.slice)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._called(node.func, node.args)
        return None

    def _called(self, function: ast.Attribute, arguments: Sequence[ast.expr]) -> Path | None:
        if function.attr in _READS and arguments:
            return self._below(function.value, arguments[0])
        return () if function.attr == "loads" else None

    def _below(self, parent: ast.expr, key: ast.expr) -> Path | None:
        path = self._path(parent)
        if path is None or not isinstance(key, ast.Constant):
            return None
        return (*path, key.value if isinstance(key.value, str) else _ELEMENT)


def _value(paths: list[Path]) -> Any:
    """Return JSON that contains each path in `paths`."""
    heads = dict.fromkeys(path[0] for path in paths if path)
    if not heads:
        return _LEAF
    parts = {head: _value(list(_tails(paths, head))) for head in heads}
    if set(parts) == {_ELEMENT}:
        return [parts[_ELEMENT]]
    return {key: value for key, value in parts.items() if key != _ELEMENT}


def _tails(paths: list[Path], head: str) -> Iterator[Path]:
    yield from (path[1:] for path in paths if path and path[0] == head)
