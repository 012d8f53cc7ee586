"""Decides whether a snapshot can be loaded, and loads it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..errors.settings.urls import ENGINES
from ..errors.settings.whole_file import content_of
from ..errors.text import count
from ..project.project import Project
from ..project.revision_files import digest_of
from . import postgresql, sqlite
from .file import Doubt, Snapshot, path_of, with_lf


@dataclass(frozen=True)
class Candidate:
    """A snapshot that was written from the present content of the revision files.

    Attributes:
        snapshot: the content of the file of the snapshot.
        name: the path of this file, for messages.
        contents: for each revision of the snapshot, the content of its file, in the order of the history.
    """

    snapshot: Snapshot
    name: str
    contents: Mapping[str, bytes]

    def __str__(self) -> str:
        """Return a line that says that the snapshot is loaded."""
        return f"{'snapshot':<14} {count(len(self.contents), 'revision')} from {self.name}"

    def load(self, migration: Any) -> None:
        """Create the schema in an empty database, and record the current revisions in the version table.

        Args:
            migration: Alembic's migration context, on a connection with a transaction.
        """
        connection: Connection = migration.connection
        migration._ensure_version_table()  # noqa: SLF001 - Alembic makes it before the first revision, too
        if connection.dialect.name == "sqlite":
            for statement in self.snapshot.statements:
                connection.exec_driver_sql(statement)
        elif self.snapshot.statements:
            with postgresql.set_for_dump(connection):  # All statements are sent together.
                script = ";\n".join(self.snapshot.statements)
                connection.exec_driver_sql(script, execution_options={"no_parameters": True})
        if self.snapshot.ids:
            table = connection.dialect.identifier_preparer.format_table(migration._version)  # noqa: SLF001
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN version_num TYPE {self.snapshot.ids}")
        rows = [{"version_num": each} for each in self.snapshot.current]
        connection.execute(migration._version.insert(), rows)  # noqa: SLF001


def not_used(doubt: Doubt) -> str:
    """Return a line that says why the snapshot is not used."""
    return f"{'snapshot':<14} not used, so every revision runs: {doubt}"


def find(project: Project, engine: str, targets: Iterable[str]) -> Candidate | None:
    """Return the snapshot with which an upgrade of an empty database can begin.

    Args:
        project: the Alembic project.
        engine: the engine of the database.
        targets: the target revisions of the upgrade.

    Returns:
        The snapshot; None if the project has no snapshot for this engine.

    Raises:
        Doubt: the revisions may not have the same effect as the snapshot, or the target is before the snapshot.
    """
    path, history = path_of(project, engine), project.history
    if not path.is_file():
        return None
    if not (content := content_of(path)):
        raise Doubt("its file cannot be read, or is empty")
    snapshot = Snapshot.parse(content)
    if gone := [id_ for id_ in snapshot.revisions if id_ not in history]:
        raise Doubt(f"it has revision {gone[0]}, which has no file")
    if beyond := snapshot.revisions.keys() - history.applied(targets):
        raise Doubt(f"it has revision {history.in_order(beyond)[0]}, which is not on the way to the target")
    contents = {id_: content_of(history[id_].path) for id_ in snapshot.revisions}
    for id_, content in contents.items():
        if digest_of(with_lf(content)) != snapshot.revisions[id_]:
            raise Doubt(f"revision {id_} has changed since it was written")
    options = project.alembic_options()
    if snapshot.naming != naming_of(options):
        raise Doubt("the naming convention of the models has changed since it was written")
    if options.get("on_version_apply"):
        raise Doubt("env.py has to be called for each revision (on_version_apply)")
    return Candidate(snapshot, os.path.relpath(path, project.root), contents)


def refuse_database(snapshot: Snapshot, connection: Connection, exclude: Collection[str]) -> None:
    """Refuse a database that is not empty, and a version of SQLite that is too old for the snapshot.

    Args:
        snapshot: the snapshot to load.
        connection: a connection to the database.
        exclude: the tables of Alembic and the workflow. A database with only these tables counts as empty.

    Raises:
        Doubt: the snapshot cannot be loaded into this database.
    """
    check = {"sqlite": _refuse_sqlite, "postgresql": _refuse_postgresql}[snapshot.engine]
    check(snapshot, connection)
    present = {"sqlite": sqlite.present, "postgresql": postgresql.present}[snapshot.engine]
    if found := present(connection, exclude):
        raise Doubt(f"the database is not empty: it has {found}")


def _refuse_sqlite(snapshot: Snapshot, _connection: Connection) -> None:
    version = sqlite3.sqlite_version
    if _numbers(version) < _numbers(snapshot.proved[0]):
        raise Doubt(f"this is {ENGINES['sqlite']} {version}, and it was proved from {snapshot.proved[0]} on")


def _refuse_postgresql(snapshot: Snapshot, connection: Connection) -> None:
    major, home = str((connection.dialect.server_version_info or ("",))[0]), postgresql.home(connection)
    if major not in snapshot.proved:
        proved = " and ".join(snapshot.proved)
        raise Doubt(f"this is {ENGINES['postgresql']} {major}, and it was proved on {proved}")
    if not home:
        raise Doubt("the search path names no schema that exists")
    if snapshot.home and snapshot.home != home:
        raise Doubt(f"its revisions name the schema {snapshot.home}, and the current one is {home}")


def naming_of(options: Mapping[str, Any]) -> str:
    """Return the hash of the naming convention of the models. The convention names the constraints that have no name.

    Raises:
        Doubt: the convention calls a function. The names can change although the hash stays the same.
    """
    convention = getattr(options["target_metadata"], "naming_convention", None) or {}
    if any(callable(value) for value in convention.values()):
        raise Doubt("the naming convention of the models calls a function")
    return hashlib.sha256(
        repr(sorted((str(key), str(value)) for key, value in convention.items())).encode()
    ).hexdigest()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
