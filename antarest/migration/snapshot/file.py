"""The file of a snapshot: its statements, the hashes of the revision files that it replaces, and its own hash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..project.project import Project
from ..project.revision_files import digest_of

_FORMAT = "1"
_TITLE = """\
-- The schema that the revisions below make. A new database loads it, and need not run them.
-- Generated: do not edit or merge it. Write it again with: inv db.snapshot
"""
_END = ";"
"""The line after each statement. If a line inside a statement has only semicolons, it gets one more semicolon."""
_LOOKS_LIKE_END = re.compile(rf"{_END}+")


TYPE_OF_IDS = "character varying(32)"
"""The type of the ids in a version table as Alembic creates it on PostgreSQL."""


class Doubt(Exception):
    """The reason why a snapshot is not loaded. The text completes "the snapshot is not used: ..."."""


@dataclass(frozen=True)
class Snapshot:
    """The content of the file of a snapshot.

    Attributes:
        engine: the engine of the databases that can load the snapshot.
        proved: the versions of the engine on which the snapshot was tried: for SQLite only the oldest version, for
            PostgreSQL each major version.
        home: the schema that must be the current schema, because the revisions contain its name; empty if they do not.
        current: the current revisions of a database that has loaded the snapshot.
        naming: the hash of the naming convention of the models. The convention names the constraints that have no name.
        ids: the type of the ids in the version table, if this is not the type that Alembic gives them; else empty.
        revisions: for each revision that the snapshot replaces, the hash of its file, in the order of the history.
        statements: the statements that create the schema and its rows, and set its sequences.
    """

    engine: str
    proved: tuple[str, ...]
    home: str
    current: tuple[str, ...]
    naming: str
    ids: str
    revisions: Mapping[str, str]
    statements: tuple[str, ...]

    def render(self) -> bytes:
        """Return the content of the file."""
        facts = [
            ("format", _FORMAT),
            ("engine", self.engine),
            *(("proved", each) for each in self.proved),
            *([("home", self.home)] if self.home else []),
            *(("current", each) for each in self.current),
            ("naming", self.naming),
            *([("ids", self.ids)] if self.ids else []),
            *(("revision", f"{id_} {digest}") for id_, digest in self.revisions.items()),
        ]
        head = "".join(f"-- {name}: {value}\n" for name, value in facts)
        rest = f"{head}\n{''.join(map(_entry, self.statements))}"
        return f"{_TITLE}-- hash: {digest_of(rest.encode())}\n{rest}".encode()

    @classmethod
    def parse(cls, content: bytes) -> Snapshot:
        """Return the snapshot from the content of its file. Git may have changed the file to Windows line ends.

        Raises:
            Doubt: the file was changed, or has another format.
        """
        if content.startswith(_TITLE.replace("\n", "\r\n").encode()):
            content = with_lf(content)
        title, line, rest = content.partition(b"-- hash: ")
        digest, _, rest = rest.partition(b"\n")
        if title != _TITLE.encode() or not line or digest.decode(errors="replace") != digest_of(rest):
            raise Doubt("its file was edited or merged by hand")
        head, _, body = rest.decode().partition("\n\n")
        facts = [each.removeprefix("-- ").partition(": ")[::2] for each in head.split("\n")]
        if facts[0] != ("format", _FORMAT):
            raise Doubt("its file has another format, of another version of this program")

        def all_of(name: str) -> tuple[str, ...]:
            return tuple(value for each, value in facts if each == name)

        return cls(
            engine=all_of("engine")[0],
            proved=all_of("proved"),
            home="".join(all_of("home")),
            current=all_of("current"),
            naming=all_of("naming")[0],
            ids="".join(all_of("ids")),
            revisions=dict(each.rpartition(" ")[::2] for each in all_of("revision")),
            statements=tuple(_entries(body)),
        )


def with_lf(content: bytes) -> bytes:
    """Return the content of a file with line ends of Unix. Python reads both kinds of line ends in the same way."""
    return content.replace(b"\r\n", b"\n")


def path_of(project: Project, engine: str) -> Path:
    """Return the path of the snapshot of a project for an engine. The file need not exist."""
    return (project.scripts or project.root) / "snapshot" / f"{engine}.sql"


def digest_at(project: Project, engine: str) -> str:
    """Return the hash of the file of a snapshot; empty if the project has no snapshot for the engine."""
    path = path_of(project, engine)
    return digest_of(path.read_bytes()) if path.is_file() else ""


def _entry(statement: str) -> str:
    lines = (f"{line}{_END}" if _LOOKS_LIKE_END.fullmatch(line) else line for line in statement.split("\n"))
    return "".join(f"{line}\n" for line in (*lines, _END))


def _entries(body: str) -> Iterator[str]:
    lines: list[str] = []
    for line in body.split("\n"):
        if line == _END:
            yield "\n".join(lines)
            lines = []
        else:
            lines.append(line[1:] if _LOOKS_LIKE_END.fullmatch(line) else line)
