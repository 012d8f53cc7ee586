"""Finds out whether the effect of a revision depends on more than the text of its file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_MODULES = frozenset(
    [
        "__future__",
        "base64",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "logging",
        "math",
        "operator",
        "re",
        "secrets",
        "sqlalchemy",
        "string",
        "textwrap",
        "time",
        "typing",
        "uuid",
        "warnings",
    ]
)
"""Modules that are the same everywhere. Two runs show whether a time or a random value gets into the database."""
_NAMES = frozenset(
    [
        "__builtins__",
        "__file__",
        "__import__",
        "__loader__",
        "__spec__",
        "compile",
        "eval",
        "exec",
        "globals",
        "open",
        "vars",
    ]
)
_ATTRIBUTES = frozenset(["config", "get_tag_argument", "get_x_argument", "read_bytes", "read_text"])
_OPERATIONS = frozenset(
    [
        "add_column",
        "alter_column",
        "batch_alter_table",
        "bulk_insert",
        "create_check_constraint",
        "create_exclude_constraint",
        "create_foreign_key",
        "create_index",
        "create_primary_key",
        "create_table",
        "create_table_comment",
        "create_unique_constraint",
        "drop_column",
        "drop_constraint",
        "drop_index",
        "drop_table",
        "drop_table_comment",
        "execute",
        "f",
        "get_bind",
        "get_context",
        "inline_literal",
        "invoke",
        "rename_table",
        "backfill",
        "copy_rows",
        "join_json",
        "move_column",
        "split_json",
    ]  # ours, in run/operations.py
)


def reached(content: bytes) -> str:
    """Return a piece of the code that uses something outside of the file, such as `import os`; empty if there is none.

    Args:
        content: the content of the revision file, which must be valid Python.
    """
    return next(_reached(ast.parse(content)), "")


def _reached(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {each.name}" for each in node.names if not _is_known(each.name))
        elif isinstance(node, ast.ImportFrom):
            is_alembic = node.module == "alembic" and {each.name for each in node.names} <= {"op", "context"}
            if node.level or not (is_alembic or _is_known(node.module or "")):
                yield f"from {'.' * node.level}{node.module or ''} import {node.names[0].name}"
        elif isinstance(node, ast.Name) and node.id in _NAMES:
            yield node.id
        elif isinstance(node, ast.Attribute):
            is_operation = isinstance(node.value, ast.Name) and node.value.id == "op"
            if node.attr in _ATTRIBUTES or (is_operation and node.attr not in _OPERATIONS):
                yield f"op.{node.attr}" if is_operation else node.attr


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in _MODULES
