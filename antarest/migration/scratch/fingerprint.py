"""What a database follows from that has run some revisions, as a name: where any of it changes, so does the name."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..project.history import History

# What a revision may do, and still follow from its text alone. Whatever looks as if it did more is taken for that.
_IMPORT = re.compile(rb"^.*\bimport\b.*$", re.MULTILINE)
_STANDING = (
    rb"(?:sqlalchemy|typing|__future__|collections|datetime|decimal|enum|functools|itertools|json|re|textwrap|uuid)"
    rb"(?:\.\w+)*"
)
_HARMLESS = re.compile(
    rb"[ \t]*(?:from alembic import op|from %b import [^;#]*|import %b(?: as \w+)?)[ \t\r]*(?:#.*)?"
    % (_STANDING, _STANDING)
)
_REACHES_OUT = re.compile(
    rb"\bopen[ \t]*\(|\b(?:exec|eval|__import__|__builtins__|__file__|read_text|read_bytes)\b|\.config\b"
)
_OPERATION = re.compile(rb"\bop\.(\w+)")
_OPERATIONS = frozenset(
    b"add_column alter_column batch_alter_table bulk_insert create_check_constraint create_exclude_constraint "
    b"create_foreign_key create_index create_primary_key create_table create_table_comment create_unique_constraint "
    b"drop_column drop_constraint drop_index drop_table drop_table_comment execute f get_bind get_context "
    b"inline_literal rename_table "
    b"backfill copy_rows join_json move_column split_json".split()  # ours: antarest.migration.run.operations
)
# Our modules that take part when a revision runs, as patterns of paths in this package.
_RUNS_THEM = ("run/revision_operations", "run/operations", "losses/rebuilds", "run/segments", "scratch/runs")


def fingerprints(
    history: History, revisions: Sequence[str], options: Mapping[str, Any], also: Sequence[str] = ()
) -> list[str]:
    """Name the databases that have run the first of some revisions, the first two, and so on.

    They follow from the revisions with their content, what Alembic is told, our modules that run them, and the versions
    of the libraries. A revision that imports anything else, reads a file or the `alembic.ini`, or calls an operation
    that the project has made ends the list: nobody knows when that has changed.

    Args:
        history: whose revisions they are.
        revisions: in their order.
        options: what Alembic is told.
        also: more of our modules that take part, as patterns of paths in this package.

    Returns:
        A name of 64 characters for each revision, up to the first that does not stand alone.
    """
    convention = options["target_metadata"].naming_convention if options["target_metadata"] is not None else {}
    if any(map(callable, convention.values())):
        return []
    found = hashlib.sha256(_circumstances(options, convention, also))
    names = []
    for id_ in revisions:
        content = history[id_].path.read_bytes()
        if not stands_alone(content):
            break
        found.update(f"\n{id_}\n".encode())
        found.update(content)
        names.append(found.hexdigest())
    return names


def stands_alone(content: bytes) -> bool:
    """Whether what a Python file does follows from it alone, as far as its words tell."""
    return (
        all(_HARMLESS.fullmatch(line) for line in _IMPORT.findall(content))
        and not _REACHES_OUT.search(content)
        and _OPERATIONS.issuperset(_OPERATION.findall(content))  # The models may register others.
    )


def _circumstances(options: Mapping[str, Any], convention: Mapping[Any, Any], also: Sequence[str]) -> bytes:
    """What makes a difference beside the revisions."""
    told = sorted((name, value) for name, value in options.items() if name != "target_metadata")
    versions = [sqlite3.sqlite_version, *(version(name) for name in ("sqlalchemy", "alembic"))]
    modules = [path for pattern in (*_RUNS_THEM, *also) for path in _modules(pattern)]
    own = [hashlib.sha256(path.read_bytes()).hexdigest() for path in modules]
    return repr((told, sorted(map(str, convention.items())), versions, own)).encode()


def _modules(pattern: str) -> list[Path]:
    found = sorted(Path(__file__).parents[1].glob(f"{pattern}.py"))
    assert found, f"no module is called {pattern}"  # noqa: S101 - a rename must not change the name in silence
    return found
