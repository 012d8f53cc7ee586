"""The record of a database: which revision was applied or undone when, by whom, and from which code.

It is a table beside Alembic's own, written in the transaction of each revision. It is made when it is first needed, and
a database without it (plain Alembic has migrated it until now) has just an empty record. It is no model, and nobody
compares, counts or rebuilds it.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, insert, table, text

from .. import __version__
from ..errors.facts.branches import RecordUnreadable
from ..errors.own_tables import table_of
from ..project.revision_files import HASH, digest_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..errors.revision import Revision
    from ..project.history import History
    from ..project.project import Project

_COLUMNS = ("revision", "direction", "at", "seconds", "version", "git_commit", "digest", "user_name", "host")
_TABLE = """
    CREATE TABLE {table} (
        id BIGINT NOT NULL PRIMARY KEY,
        revision VARCHAR(255) NOT NULL,
        direction VARCHAR(9) NOT NULL,
        at TIMESTAMP NOT NULL,
        seconds FLOAT NOT NULL,
        version VARCHAR(64) NOT NULL,
        git_commit VARCHAR(64),
        digest VARCHAR(80) NOT NULL,
        user_name VARCHAR(255) NOT NULL,
        host VARCHAR(255) NOT NULL
    )
"""


@dataclass(frozen=True)
class Entry:
    """A line of the record.

    Attributes:
        revision: which revision.
        direction: `upgrade`, `downgrade`, or `stamp` where it was recorded without being run.
        at: when it had run, in UTC.
        seconds: how long it ran.
        version: the version of this package.
        git_commit: the commit that was checked out; empty where nobody knows.
        digest: the hash of the revision file, with its algorithm, such as `sha256:ab12...`.
        user: who ran it.
        host: where.
    """

    revision: str
    direction: str
    at: datetime
    seconds: float
    version: str
    git_commit: str
    digest: str
    user: str
    host: str

    @property
    def is_applied(self) -> bool:
        """Whether the revision was applied from here on."""
        return self.direction != "downgrade"


class Recorder:
    """Writes the record in a transaction."""

    def __init__(
        self,
        connection: Connection,
        project: Project,
        keep: Callable[[str, bytes], None],
        tell: Callable[[str], None],
    ) -> None:
        """Write nothing yet.

        Args:
            connection: in the transaction of the revisions.
            project: whose record it is.
            keep: what keeps a copy of each file that is applied, called with the revision and the file.
            tell: hears why there is no record, where this role may not make one.
        """
        self._keep, self._tell = keep, tell
        self._connection = connection
        self._name = table_of(project.version_table)
        self._project = project
        self._lines: list[dict[str, object]] = []

    def add(self, revision: Revision, direction: str, seconds: float = 0.0) -> None:
        """Note that a revision has run."""
        content = _content(revision.path)
        if direction != "downgrade":
            self._keep(revision.id, content)
        self._lines.append(
            {
                "revision": revision.id,
                "direction": direction,
                # SQLite has no type for a time: written as text, it is read alike on both engines.
                "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
                "seconds": round(seconds, 3),
                "digest": digest_of(content),
            }
        )

    def write(self) -> None:
        """Record what has run, and make the record where it is missing: in the end, and in one go."""
        if not self._lines or not self._is_there():
            return
        last = self._connection.scalar(text(f"SELECT coalesce(max(id), 0) FROM {self._quoted}"))
        same = {
            "version": __version__,
            "git_commit": self._project.commit or None,
            "user_name": _user(),
            "host": socket.gethostname()[:255],
        }
        lines = [{**same, **line, "id": id_} for id_, line in enumerate(self._lines, last + 1)]
        # A construct and no text: the driver sends many lines of it at once.
        self._connection.execute(insert(table(self._name, *map(column, ("id", *_COLUMNS)))), lines)

    @property
    def _quoted(self) -> str:
        return self._connection.dialect.identifier_preparer.quote(self._name)

    def _is_there(self) -> bool:
        """Make the table if it is missing; False where this role may not."""
        if self._connection.dialect.has_table(self._connection, self._name):
            return True
        if _may_create(self._connection):
            self._connection.exec_driver_sql(_TABLE.format(table=self._quoted))
            return True
        self._tell(f"no record is kept: this role may not create the table {self._name}")
        return False


def read_record(connection: Connection, version_table: str, database: str = "") -> list[Entry]:
    """Read the whole record, oldest first; nothing where there is none.

    Args:
        connection: to the database.
        version_table: Alembic's table.
        database: the URL, redacted, where the record must be read; without it, a role that may not read it sees none.

    Raises:
        RecordUnreadable: this role may not read it.
    """
    name = table_of(version_table)
    if not connection.dialect.has_table(connection, name):
        return []
    if not _may_read(connection, name):
        if database:
            raise RecordUnreadable(name, database)
        return []
    quoted = connection.dialect.identifier_preparer.quote(name)
    found = connection.execute(text(f"SELECT {', '.join(_COLUMNS)} FROM {quoted} ORDER BY id"))
    return [_entry(dict(row)) for row in found.mappings()]


def last_applied(record: Sequence[Entry]) -> dict[str, Entry]:
    """The line that says how each revision was applied, of those that were not undone since."""
    last = {entry.revision: entry for entry in record}
    return {revision: entry for revision, entry in last.items() if entry.is_applied}


def edited(record: Sequence[Entry], history: History, current: Sequence[str]) -> Iterator[str]:
    """The revisions whose file is not what it was when it was applied.

    Args:
        record: the record.
        history: the revisions as their files are now.
        current: the revisions that the database is at.
    """
    last = last_applied(record)
    for id_ in sorted(history.applied(current)):
        entry = last.get(id_)
        if entry and entry.digest.startswith(f"{HASH}:") and entry.digest != digest_of(_content(history[id_].path)):
            yield id_


def _entry(row: dict[str, object]) -> Entry:
    at = row["at"]
    return Entry(
        revision=str(row["revision"]),
        direction=str(row["direction"]),
        at=at if isinstance(at, datetime) else datetime.fromisoformat(str(at)),
        seconds=float(str(row["seconds"])),
        version=str(row["version"]),
        git_commit=str(row["git_commit"] or ""),
        digest=str(row["digest"]),
        user=str(row["user_name"]),
        host=str(row["host"]),
    )


def _may_create(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")))


def _may_read(connection: Connection, name: str) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    quoted = connection.dialect.identifier_preparer.quote(name)
    return bool(connection.scalar(text("SELECT has_table_privilege(:name, 'SELECT')"), {"name": quoted}))


def _content(path: Path) -> bytes:
    """The file; one that is gone since it was read has no content."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def _user() -> str:
    try:
        return getpass.getuser()[:255]
    except (KeyError, OSError):  # A container may have a user id without a name.
        return "unknown"
