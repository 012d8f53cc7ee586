"""Finds out whether the effect of a revision depends on more than the text of its file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..errors.syntax import parse

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
"""Modules that are the same everywhere. To find times and random values, `db.snapshot` runs the revisions twice."""
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
        "getattr",
        "globals",
        "open",
        "vars",
    ]
)
_ATTRIBUTES = frozenset(
    ["config", "get_tag_argument", "get_x_argument", "opts", "read_bytes", "read_text", "server_version_info"]
)
_SQL = re.compile(
    r"""
    \b(?: current_(?:user|role|database|catalog|setting) | session_user | sqlite_version | load_extension | readfile
        | inet_\w+ | lo_import | dblink\w* | pg_read_\w+ | pg_(?:available_)?extension\w* | pg_settings | pg_roles
        | pg_authid | pg_user | pg_database
        | (?:CREATE|ALTER|DROP) \s+ (?:ROLE|USER|GROUP|DATABASE|SYSTEM|TABLESPACE|PUBLICATION|SUBSCRIPTION)
        | OWNER \s+ TO | COPY \s [^;]* \b FROM )\b
    | \bATTACH \s+ (?!PARTITION\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""SQL that reads or changes something outside of the database, its schemas and its rows."""
_CLOCK = re.compile(
    r"""
    \bnow\s*\( | '(?:now|today|tomorrow|yesterday)' | \b(?:date|time|datetime)\s*\(\s*\)
    | \b(?: current_(?:date|time|timestamp) | localtime(?:stamp)? | (?:clock|statement|transaction)_timestamp
        | timeofday | unixepoch | julianday | strftime )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""SQL that reads the clock."""
_CLOCKS = re.compile(
    r"now|today|utcnow|gmtime|localtime(?:stamp)?|monotonic|strftime|time_ns|current_(?:date|time|timestamp)"
    r"|(?:clock|statement|transaction)_timestamp"
)
"""Functions of Python and of `sa.func` that read the clock, besides `time.time`."""
OPERATIONS = frozenset(
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
        "rename_table",
        # ours, in run/operations.py
        "backfill",
        "copy_rows",
        "join_json",
        "move_column",
        "split_json",
    ]
)
"""The operations whose effect depends only on their arguments and on the database."""


def reached(content: bytes) -> str:
    """Return a piece of the code that uses something outside of the file, such as `import os`; empty if there is none.

    Args:
        content: the content of the revision file, which must be valid Python.
    """
    return next(_reached(parse(content)), "")


def reads_clock(content: bytes) -> bool:
    """Return whether the code or the SQL of a revision contains a name or text that can read the clock.

    Args:
        content: the content of the revision file, which must be valid Python.
    """
    for node in ast.walk(ast.parse(content)):
        is_read = isinstance(node, ast.Attribute) and (_CLOCKS.fullmatch(node.attr) or ast.unparse(node) == "time.time")
        is_sql = isinstance(node, ast.Constant) and isinstance(node.value, str) and _CLOCK.search(node.value)
        if is_read or is_sql or (isinstance(node, ast.Name) and _CLOCKS.fullmatch(node.id)):
            return True
    return False


def _reached(tree: ast.AST) -> Iterator[str]:
    operators = {"op", *_batches(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {each.name}" for each in node.names if not _is_known(each.name))
        elif isinstance(node, ast.ImportFrom):
            names = {(each.name, each.asname) for each in node.names}
            is_alembic = node.module == "alembic" and names <= {("op", None), ("context", None)}
            if node.level or not (is_alembic or _is_known(node.module or "")):
                yield f"from {'.' * node.level}{node.module or ''} import {node.names[0].name}"
        elif isinstance(node, ast.Name) and node.id in _NAMES:
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (found := _SQL.search(node.value)):
            yield found[0]
        elif isinstance(node, ast.Attribute):
            is_operation = isinstance(node.value, ast.Name) and node.value.id in operators
            if node.attr in _ATTRIBUTES or (is_operation and node.attr not in OPERATIONS | {"invoke"}):
                yield f"{ast.unparse(node.value)}.{node.attr}" if is_operation else node.attr


def _batches(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the batches, such as `batch` in `with op.batch_alter_table("study") as batch`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            yield node.optional_vars.id


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in _MODULES
