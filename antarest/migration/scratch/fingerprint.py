"""Names for databases that have run some revisions.

The name changes if anything changes that has an effect on the database.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..project.history import History
from ..snapshot.outside import OPERATIONS

# Patterns of code that depends only on its own text. Any text that may be other code counts as other code.
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
_OPERATIONS = frozenset(name.encode() for name in OPERATIONS)
_RUN_REVISIONS = (
    "run/revision_operations",
    "run/operations",
    "run/segments",
    "losses/rebuilds",
    "scratch/runner",
    "schema/objects",
    "snapshot/*",
)
"""The modules of `antarest.migration` that run a revision, or that read the database which it has changed."""


def fingerprints(
    history: History, revisions: Sequence[str], options: Mapping[str, Any], also: Sequence[str] = ()
) -> list[str]:
    """Return a name for each state: the database after the first revision, after the first two revisions, and so on.

    A name depends on the content of the revisions, the options of Alembic, the modules of `antarest.migration` that run
    revisions, and the versions of the libraries. The list ends before the first revision whose effect may depend on
    anything else. Such a revision imports another module, reads a file or the `alembic.ini`, or calls an operation that
    the project defines.

    Args:
        history: the history of the revisions.
        revisions: the ids of the revisions, in the order of the history.
        options: the options of Alembic's migration context.
        also: further modules of `antarest.migration` on which the names depend, such as `losses/guard` or `snapshot/*`.

    Returns:
        The names, of 64 characters each, in the order of the revisions.
    """
    # Alembic takes no naming convention from a list of metadata.
    convention = getattr(options["target_metadata"], "naming_convention", {})
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
    """Return whether a Python file depends on nothing but its text. If a word may refer to other code, return False."""
    return (
        all(_HARMLESS.fullmatch(line) for line in _IMPORT.findall(content))
        and not _REACHES_OUT.search(content)
        and _OPERATIONS.issuperset(_OPERATION.findall(content))  # The models may register other operations.
    )


def _circumstances(options: Mapping[str, Any], convention: Mapping[Any, Any], also: Sequence[str]) -> bytes:
    """Return, as bytes, everything besides the revision files that has an effect on the databases."""
    # Functions are left out. They only choose what is compared or rendered, and their text differs in each process.
    own_options = sorted(
        (name, value) for name, value in options.items() if name != "target_metadata" and not callable(value)
    )
    versions = [sqlite3.sqlite_version, *(version(name) for name in ("sqlalchemy", "alembic"))]
    modules = [path for pattern in (*_RUN_REVISIONS, *also) for path in _modules(pattern)]
    own = [hashlib.sha256(path.read_bytes()).hexdigest() for path in modules]
    return repr((own_options, sorted(map(str, convention.items())), versions, own)).encode()


def _modules(pattern: str) -> list[Path]:
    found = sorted(Path(__file__).parents[1].glob(f"{pattern}.py"))
    assert found, pattern  # noqa: S101 - a module that was renamed must not be missing without notice
    return found
