"""Small Alembic projects, written from a few lines each, and databases to run them on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, event

from antarest.migration.errors.listener import Listener
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.schema.reflection import reflect
from antarest.migration.verify.rows.snapshots import snapshot
from antarest.migration.workflow.workflow import MigrationWorkflow

_INI = """\
[alembic]
script_location = %(here)s/alembic
path_separator = os

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = plain

[logger_root]
level = INFO
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain

[formatter_plain]
format = %(message)s
"""
ENV = """\
from alembic import context
from antarest.migration import environment

environment.run(context)
"""
_REVISION = '''\
"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}
lossy = {lossy!r}
moves = {moves!r}
irreversible = {irreversible!r}
row_security = {row_security!r}
{transaction}


def sql(*statements):
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def is_postgresql():
    return op.get_bind().dialect.name == "postgresql"


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


@dataclass(frozen=True)
class Script:
    """A revision: its id, the bodies of its functions, and its declarations.

    The bodies may use `op`, `sa`, `sql("...", ...)` and `is_postgresql()`. By default, `down` is the script before this
    one.
    """

    id: str
    upgrade: str = "pass"
    downgrade: str = "pass"
    lossy: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    irreversible: str = ""
    transaction: str = ""
    row_security: str = ""
    down: str | tuple[str, ...] | None = None


def write_script(versions: Path, script: Script, down: str | tuple[str, ...] | None) -> Path:
    """Write a revision file into a folder, after the revision `down`."""
    path = versions / f"{script.id}.py"
    text = _REVISION.format(
        id=script.id,
        message=f"revision {script.id}",
        down=down,
        lossy=dict(script.lossy),
        moves=dict(script.moves),
        irreversible=script.irreversible,
        row_security=script.row_security,
        transaction=f"transaction = {script.transaction!r}" if script.transaction else "",
        upgrade=textwrap.indent(textwrap.dedent(script.upgrade).strip(), "    "),
        downgrade=textwrap.indent(textwrap.dedent(script.downgrade).strip(), "    "),
    )
    path.write_text(text)
    return path


def write_project(folder: Path, *scripts: Script) -> Project:
    """Write an Alembic project with these revisions, each after the one before it."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(_INI)
    (folder / "alembic" / "env.py").write_text(ENV)
    previous: str | None = None
    for script in scripts:
        write_script(versions, script, script.down or previous)
        previous = script.id
    return Project.load(folder / "alembic.ini")


@dataclass(frozen=True)
class Database:
    """A database with its own project."""

    url: URL
    project: Project

    @property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on this database."""
        return self.workflow_with(None)

    def workflow_with(self, listener: Listener | None) -> MigrationWorkflow:
        """Return the workflow with a listener."""
        return MigrationWorkflow(self.project, DbConfig(url=self.url), listener=listener)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect as the application does: with foreign keys, and a commit at the end of the block."""
        engine = create_engine(self.url, poolclass=NullPool)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        with engine.begin() as connection:
            yield connection

    def execute(self, *statements: str) -> None:
        """Run statements unchanged, and commit."""
        with self.connect() as connection:
            for statement in statements:
                connection.connection.cursor().execute(statement)

    def value(self, query: str) -> object:
        """Return the first value of a query."""
        with self.connect() as connection:
            return connection.exec_driver_sql(query).scalar()

    def state(self) -> tuple[object, object]:
        """Return the schema and all rows, with the recorded revision."""
        with self.connect() as connection:
            return reflect(connection, exclude=()), snapshot(connection, exclude=())


class Notes(Listener):
    """Keeps the lines that a user would see."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a line."""
        self.notes.append(text)


STUDY_TABLES = Script(
    "tables",
    upgrade="""
        op.create_table(
            "study",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(50)),
            sa.Column("path", sa.String(50)),
        )
        op.create_table(
            "study_tag",
            sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id", name="fk_study_tag", ondelete="CASCADE")),
            sa.Column("label", sa.String(50)),
        )
    """,
    downgrade='op.drop_table("study_tag"); op.drop_table("study")',
    lossy={"downgrade": {"study": "created by this revision", "study_tag": "created by this revision"}},
)
STUDY_ROWS = (
    "INSERT INTO study VALUES (1, 'a', '/a'), (2, 'b', '/b'), (3, 'c', NULL)",
    "INSERT INTO study_tag VALUES (1, 'x'), (1, 'y'), (2, 'x'), (3, 'z')",
)
