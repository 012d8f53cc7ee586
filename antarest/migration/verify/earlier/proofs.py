"""Stores the proofs of an engine in a folder of the user, and finds stored proofs again.

The key of a stored proof is a hash of the program, the versions of Python and its packages, the options, the state
after the earlier revisions, and the revision itself. A proof also depends on the content of the files that the revision
used, and on what was known about the columns before the revision ran. Hashes of both are stored with the proof, and
compared when the proof is read.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
import sysconfig
import zlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ...errors.revision import Revision
from ...errors.settings.whole_file import write_whole
from ...schema.inventory import Inventory
from ..findings.integrity import validated_later
from ..findings.proof import Proof
from ..rows.hints import Hints
from ..rows.snapshots import contents, reflect_tables
from ..target import Target
from .files import FileWatch, digest_of

_LARGEST = 200_000_000  # bytes of all kept proofs together
_SUFFIX = ".proof"
_PACKAGE = Path(__file__).parents[2]
_OTHERS = """
    SELECT 'function', md5(string_agg(pg_get_functiondef(p.oid), ' ' ORDER BY p.proname, p.oid::regprocedure::text))
    FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^(pg_|information_schema$)' AND p.prokind IN ('f', 'p')
    UNION ALL
    SELECT schemaname || '.' || sequencename, last_value::text FROM pg_catalog.pg_sequences
    WHERE last_value IS NOT NULL
    ORDER BY 1
"""


def user_folder() -> Path:
    """Return the user's folder for stored proofs. The folder can be deleted at any time."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "antarest", "verify")


@dataclass
class EarlierProof:
    """A stored proof.

    Attributes:
        proof: the proof of one revision, or of the history as a whole.
        files: the files that the revision has used. Each key is a path, and each value is the hash of that file.
        hints: the hash of everything that was known about the columns before the revision ran.
        labels: the labels of enums that the revision has given to columns.
        gone: the values that the revision has replaced.
        written: the texts that the revision has written.
        is_beside: whether the revision writes through a connection other than Alembic's.
        state: the key of the state after the revision.
    """

    proof: Proof
    files: dict[str, str]
    hints: str = ""
    labels: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    gone: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    written: list[tuple[tuple[str, str], str]] = field(default_factory=list)
    is_beside: bool = False
    state: str = ""


class EarlierProofs:
    """Reads and writes the stored proofs of an engine.

    Args:
        folder: the folder for the stored proofs; None to store nothing.
        watch: knows which files the project has used; None to store nothing.
        target: the project.
        connection: a connection to a database in which no revision has run.
        facts: everything else on which all proofs of the run depend.
    """

    def __init__(
        self, folder: Path | None, watch: FileWatch | None, target: Target, connection: Connection, *facts: object
    ) -> None:
        self._watch = watch
        self._target = target
        self._digests: dict[str, str] = {}
        options = _options(target)
        self._folder = folder if watch and options is not None else None
        versions = [platform.python_version(), *(version(name) for name in ("sqlalchemy", "alembic"))]
        self._start = digest(
            _program(), _installed(), versions, connection.dialect.name, _server(connection), options, facts
        )

    @property
    def is_on(self) -> bool:
        """Whether proofs are stored."""
        return self._folder is not None

    def name_of(self, state: str, revision: Revision) -> str:
        """Return the key of the proof of a revision. `state` is the key of the state before the revision."""
        validated = sorted(validated_later(self._target.history, revision.id))
        return digest(self._start, state, revision.id, revision.path.read_bytes(), validated)

    def name_of_whole(self, *facts: object) -> str:
        """Return the key of the proof of the history as a whole."""
        return digest(self._start, self._target.metadata_name, self._target.models_of_env, facts)

    def state_after(self, name: str, revision: Revision, schema: Inventory, connection: Connection) -> str:
        """Return the key of the state after a revision.

        In two states with the same key, each later revision has the same effect.

        Args:
            name: the key of the proof of the revision.
            revision: the revision.
            schema: the schema after the revision.
            connection: a connection to the database after the revision, without generated rows.
        """
        data = sorted(item for item in self.files_of(revision).items() if not item[0].endswith(".py"))
        return digest(name, data, schema, content_of(connection, [self._target.project.version_table.name]))

    def find(self, name: str) -> EarlierProof | None:
        """Return the stored proof with this key; None if there is no such proof.

        The proof is not returned if a file that the revision used has changed since the proof was stored.
        """
        if self._folder is None:
            return None
        path = self._folder / f"{name}{_SUFFIX}"
        try:
            if path.stat().st_uid != os.getuid():
                return None
            kept: EarlierProof = pickle.loads(zlib.decompress(path.read_bytes()))  # noqa: S301 - our own file
            os.utime(path)  # `shrink` deletes the least recently read proofs first.
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - a damaged file may raise anything
            with suppress(OSError):
                path.unlink()
            return None
        return kept if all(self._digest(file) == found for file, found in kept.files.items()) else None

    def keep(self, name: str, kept: EarlierProof) -> None:
        """Store a proof, unless it has an entry in `not_proved`."""
        if self._folder and not kept.proof.not_proved:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                plain = replace(kept.proof, before=None, kept={}, is_earlier=True)
                content = zlib.compress(pickle.dumps(replace(kept, proof=plain)), 1)
                write_whole(self._folder / f"{name}{_SUFFIX}", content, 0o600)

    def files_of(self, revision: Revision | None) -> dict[str, str]:
        """Return the path and hash of each file that a revision has used; without a revision, of all used files."""
        if self._watch is None:
            return {}
        roots = [str(self._target.rows_file)] if self._target.rows_file else []
        start = self._target.start.get(self._target.engine, "").partition(":")[0]
        roots += [start] if start.endswith(".sql") else _module_file(start)
        used = self._watch.used_by(*roots, *([str(revision.path)] if revision else ()))
        used |= self._watch.all if revision is None else set()
        return {file: self._digest(file) for file in used}

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            self._digests[file] = digest_of(file)
        return self._digests[file]

    def shrink(self) -> None:
        """Delete the least recently used proofs until the folder is small enough."""
        if self._folder is None:
            return
        with suppress(OSError):
            found = sorted(((each.stat(), each) for each in self._folder.iterdir()), key=lambda each: each[0].st_mtime)
            left = sum(facts.st_size for facts, _ in found)
            for facts, path in found:
                if left > _LARGEST:
                    path.unlink(missing_ok=True)
                    left -= facts.st_size


def digest(*facts: object) -> str:
    """Return one hash of all arguments."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _server(connection: Connection) -> str:
    query = "SELECT version()" if connection.dialect.name == "postgresql" else "SELECT sqlite_version()"
    return str(connection.exec_driver_sql(query).scalar())


def content_of(connection: Connection, exclude: Collection[str]) -> str:
    """Return a hash of the rows, the functions and the sequences of a database."""
    found: list[object] = [*sorted(contents(connection, reflect_tables(connection, exclude)).items())]
    if connection.dialect.name == "postgresql":
        found += [tuple(row) for row in connection.exec_driver_sql(_OTHERS)]
    return digest(found)


def hints_about(hints: Hints, schemas: Iterable[Inventory | None], applied: Collection[str]) -> str:
    """Return a hash of everything that is known about the columns of some schemas."""
    known = hints.after(applied)
    columns = {
        (name, column.name)
        for schema in schemas
        if schema is not None
        for name, table in schema.tables.items()
        for column in table.columns
    }
    return digest([(each, known.about(*each)) for each in sorted(columns)])


def _options(target: Target) -> list[Any] | None:
    """Return the options with which revisions run; None if one of them is a function, which cannot be compared."""
    options = dict(target.options())
    convention: dict[Any, Any] = dict(getattr(options.pop("target_metadata", None), "naming_convention", None) or {})
    if any(map(callable, convention.values())) or options.get("on_version_apply"):
        return None
    plain = {name: "a function" if callable(value) else value for name, value in options.items()}
    settings = (target.commits_each, target.is_own, target.declares, target.project.version_table)
    limits = (target.project.max_seconds, target.paths, sorted((target.run_env or {}).items()), dict(target.start))
    return [sorted(plain.items(), key=str), sorted(map(str, convention.items())), settings, limits]


def _module_file(name: str) -> list[str]:
    file = getattr(sys.modules.get(name), "__file__", None)
    return [file] if name and isinstance(file, str) else []


@cache
def _installed() -> list[str]:
    """Return the installed packages with their versions."""
    folder = Path(sysconfig.get_path("purelib"))
    return sorted(each.name for each in folder.glob("*.dist-info"))


@cache
def _program() -> str:
    found = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
