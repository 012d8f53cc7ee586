"""The history table of a database. It records when each revision was applied or undone, by whom, and from which code.

The table is in the schema of Alembic's version table, and it is written in the transaction of the revisions. It is
created when it is first needed. A database that was never migrated with this workflow has no history table: its record
is empty. The table has no model, and the comparisons, counts and rebuilds of the workflow leave it out.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Column,
    Connection,
    Float,
    MetaData,
    String,
    Table,
    column,
    func,
    literal,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.schema import CreateSchema

from .. import __version__
from ..errors.facts.branches import RecordUnreadable
from ..errors.revision import Revision, VersionTable
from ..errors.settings.whole_file import content_of
from ..project.history import History
from ..project.project import Project
from ..project.revision_files import HASH, digest_of

_OTHER_SCHEMAS = text("""
    SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = :name AND c.relkind = 'r' AND n.nspname <> coalesce(:schema, current_schema())
        AND n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname
""")
_TYPE_OF_IDS = """
    SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass(:table) AND attname = 'version_num'
"""


def _table(version_table: VersionTable) -> Table:
    """Return the history table that belongs to a version table. It has the same columns on both engines."""
    return Table(
        version_table.history,
        MetaData(),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("revision", String(255), nullable=False),
        Column("direction", String(9), nullable=False),
        Column("at", TIMESTAMP, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("version", String(64), nullable=False),
        Column("git_commit", String(64)),
        Column("digest", String(80), nullable=False),
        Column("user_name", String(255), nullable=False),
        Column("host", String(255), nullable=False),
        schema=version_table.schema or None,
    )


def type_of_ids(connection: Connection, table: str) -> str:
    """Return the type of the ids in a version table of PostgreSQL, such as `character varying(32)`.

    Args:
        connection: the connection.
        table: the name of the table, quoted.

    Returns:
        The type; empty on SQLite, which stores an id of any length, or if there is no such table.
    """
    if connection.dialect.name != "postgresql":
        return ""
    return connection.execute(text(_TYPE_OF_IDS), {"table": table}).scalar() or ""


def make_schema_of(version_table: VersionTable, connection: Connection) -> None:
    """Create the schema of the version table if it is missing.

    No revision can create the schema, because Alembic creates the version table before it runs a revision. Without
    this function, `env.py` would have to create the schema on a separate connection.
    """
    if version_table.schema and connection.dialect.name != "sqlite":
        known = text("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = :name)")
        if not connection.scalar(known, {"name": version_table.schema}):
            connection.execute(CreateSchema(version_table.schema))


@dataclass(frozen=True)
class RecordLine:
    """A line of the record: one revision was applied, undone or stamped.

    Attributes:
        revision: the id of the revision.
        direction: `upgrade`; `downgrade`; `stamp` if the revision was recorded without being run; `snapshot` if the
            snapshot was loaded instead of running the revision.
        at: the time when the run of the revision ended, in UTC.
        seconds: how long the revision ran.
        version: the version of this package when the revision ran.
        git_commit: the commit that was checked out; None if it is not known.
        digest: the hash of the revision file, with its algorithm, such as `sha256:ab12...`.
        user: the user who ran the revision.
        host: the host on which the revision ran.
    """

    revision: str
    direction: str
    at: datetime
    seconds: float
    version: str
    git_commit: str | None
    digest: str
    user: str
    host: str

    @property
    def is_applied(self) -> bool:
        """Whether the line says that the revision was applied, and not that it was undone."""
        return self.direction != "downgrade"


class Recorder:
    """Collects lines for the history table, and writes them in the transaction of the revisions."""

    def __init__(
        self, connection: Connection, project: Project, keep: Callable[[str, bytes], None], tell: Callable[[str], None]
    ) -> None:
        """Create a recorder. It writes nothing yet.

        Args:
            connection: the connection with the transaction of the revisions.
            project: the project, for its version table and its commit.
            keep: called with the id and the file content of each revision that is applied, to store a copy of the file.
            tell: called with the reason if this role is not allowed to create the table.
        """
        self._keep, self._tell = keep, tell
        self._connection = connection
        self._table = _table(project.version_table)
        self._project = project
        self._lines: list[dict[str, object]] = []

    def add(self, revision: Revision, direction: str, seconds: float = 0.0, content: bytes = b"") -> None:
        """Add a line for a revision that has run.

        Args:
            revision: the revision.
            direction: as in `RecordLine`.
            seconds: how long the revision ran.
            content: the content of the revision file; if it is empty, the file is read.
        """
        content = content or content_of(revision.path)
        if direction != "downgrade":
            self._keep(revision.id, content)
        self._lines.append(
            {
                "revision": revision.id,
                "direction": direction,
                "at": datetime.now(UTC).replace(tzinfo=None),
                "seconds": round(seconds, 3),
                "digest": digest_of(content),
            }
        )

    def write(self) -> None:
        """Write all lines at once, and create the table if it is missing."""
        if not self._lines or not self._is_there():
            return
        last = self._connection.scalar(select(func.max(self._table.c.id))) or 0
        same = {
            "version": __version__,
            "git_commit": self._project.commit or None,
            "user_name": _user(),
            "host": socket.gethostname()[:255],
        }
        lines = [{**same, **line, "id": id_} for id_, line in enumerate(self._lines, last + 1)]
        self._connection.execute(self._table.insert(), lines)

    def _is_there(self) -> bool:
        """Create the table if it is missing. Return False if this role is not allowed to create it."""
        if self._connection.dialect.has_table(self._connection, self._table.name, self._table.schema):
            return True
        if _may_create(self._connection, self._table):
            self._table.create(self._connection)
            return True
        self._tell(f"no record is kept: this role may not create the table {self._table.name}")
        return False


def read_record(connection: Connection, version_table: VersionTable, database: str = "") -> list[RecordLine]:
    """Read the whole record, oldest line first; empty if the database has no record.

    Args:
        connection: a connection to the database.
        version_table: the table in which the database records its current revisions.
        database: the redacted URL of the database, for the error. If `database` is empty, a record that cannot be read
            counts as an empty record, and there is no error.

    Raises:
        RecordUnreadable: this role is not allowed to read the record.
    """
    table = _table(version_table)
    if not connection.dialect.has_table(connection, table.name, table.schema):
        return []
    if not _may_read(connection, table):
        if database:
            raise RecordUnreadable(table.name, database)
        return []
    found = connection.execute(select(*list(table.c)[1:]).order_by(table.c.id))
    return [RecordLine(*row) for row in found]


def recorded_elsewhere(
    connection: Connection, version_table: VersionTable, history: History
) -> dict[str, tuple[str, ...]]:
    """Return, for each other schema with a version table, the revisions that this table records.

    Schemas whose revisions are not all in the history are left out. On SQLite, the mapping is empty.
    """
    if connection.dialect.name != "postgresql":
        return {}
    named = {"name": version_table.name, "schema": version_table.schema or None}
    found: dict[str, list[str]] = {name: [] for name in connection.execute(_OTHER_SCHEMAS, named).scalars()}
    tables = [table(version_table.name, column("version_num"), schema=name) for name in found]
    queries = [select(literal(each.schema), each.c.version_num) for each in tables]
    for schema, revision in connection.execute(union_all(*queries)) if queries else ():
        found[schema].append(revision)
    return {name: tuple(sorted(ids)) for name, ids in found.items() if ids and not history.unknown(ids)}


def last_applied(record: Sequence[RecordLine]) -> dict[str, RecordLine]:
    """Return, for each applied revision, its last line in the record. A revision that was undone is left out."""
    last = {line.revision: line for line in record}
    return {revision: line for revision, line in last.items() if line.is_applied}


def edited(record: Sequence[RecordLine], history: History, current: Sequence[str]) -> Iterator[str]:
    """Yield the applied revisions whose file has changed since they were applied.

    Args:
        record: the lines of the history table, oldest first.
        history: the revisions, as their files are now.
        current: the current revisions of the database.
    """
    last = last_applied(record)
    for id_ in sorted(history.applied(current)):
        line = last.get(id_)
        if line and line.digest.startswith(f"{HASH}:") and line.digest != digest_of(content_of(history[id_].path)):
            yield id_


def _may_create(connection: Connection, table: Table) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    query = text("SELECT has_schema_privilege(coalesce(:schema, current_schema()), 'CREATE')")
    return bool(connection.scalar(query, {"schema": table.schema}))


def _may_read(connection: Connection, table: Table) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    quoted = connection.dialect.identifier_preparer.format_table(table)
    return bool(connection.scalar(text("SELECT has_table_privilege(:name, 'SELECT')"), {"name": quoted}))


def _user() -> str:
    try:
        return getpass.getuser()[:255]
    except (KeyError, OSError):  # In a container, the user id may have no name.
        return "unknown"
