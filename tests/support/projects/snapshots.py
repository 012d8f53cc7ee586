"""Projects with a snapshot, and revisions with many kinds of objects of an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from antarest.migration.branches import snapshots
from antarest.migration.database.connection import moving
from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import EngineName
from antarest.migration.snapshot.facts import read_facts, unequal
from antarest.migration.snapshot.file import Snapshot, path_of
from tests.support.projects.histories import Database, Notes, Script, write_project

_SQLITE = r'''
    sql(
        """CREATE TABLE "order" (
            id INTEGER PRIMARY KEY AUTOINCREMENT, "a b" VARCHAR(20) DEFAULT 'x;y' COLLATE NOCASE, price NUMERIC,
            twice INTEGER GENERATED ALWAYS AS (id * 2) STORED, data BLOB,
            CONSTRAINT b_positive CHECK (price > 0), CONSTRAINT a_unique UNIQUE ("a b"))""",
        "CREATE TABLE line (id VARCHAR PRIMARY KEY, order_id INTEGER REFERENCES \"order\" (id)) WITHOUT ROWID",
        "CREATE INDEX ix_line ON line (order_id) WHERE id <> ''",
        "CREATE VIEW cheap AS SELECT id FROM \"order\" WHERE price < 2",
        "CREATE VIEW also AS SELECT id FROM cheap",
        "CREATE TRIGGER adds AFTER INSERT ON line BEGIN UPDATE \"order\" SET price = price + 1; END",
        "CREATE VIRTUAL TABLE words USING fts5(text)",
        "PRAGMA user_version = 7",
    )
    rows = [(1, "it's\n;\nhere %", 0.1, b"\x00\xff"), (2, None, 1e300, None), (9, "", 3, b"")]
    for row in rows:
        op.get_bind().exec_driver_sql('INSERT INTO "order" (id, "a b", price, data) VALUES (?, ?, ?, ?)', row)
    sql("INSERT INTO line VALUES ('b', 1), ('a', 2)", 'DELETE FROM "order" WHERE id = 9')
'''
_POSTGRESQL = r'''
    sql(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN short AS VARCHAR(9) CHECK (VALUE <> 'x')",
        "CREATE SEQUENCE numbers START 5",
        "SELECT nextval('numbers')",
        """CREATE TABLE "order" (
            id SERIAL PRIMARY KEY, "a b" VARCHAR(20) DEFAULT 'x;y', price NUMERIC, data BYTEA, m mood[], s short,
            at TIMESTAMPTZ, big INTEGER GENERATED ALWAYS AS IDENTITY, other INTEGER DEFAULT nextval('numbers'),
            CONSTRAINT b_positive CHECK (price > 0), CONSTRAINT a_unique UNIQUE ("a b") DEFERRABLE)""",
        "COMMENT ON COLUMN \"order\".price IS 'it''s; a price'",
        "CREATE FUNCTION late() RETURNS BIGINT LANGUAGE sql AS 'SELECT count(*) FROM \"order\"'",
        "CREATE FUNCTION atomic() RETURNS INTEGER LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        """CREATE FUNCTION touches() RETURNS trigger LANGUAGE plpgsql AS $x$
            BEGIN NEW.price := NEW.price + 1; RETURN NEW; END $x$""",
        "CREATE TABLE line (id VARCHAR PRIMARY KEY, order_id INTEGER REFERENCES \"order\" (id)) PARTITION BY LIST (id)",
        "CREATE TABLE line_a PARTITION OF line FOR VALUES IN ('a', 'b')",
        "CREATE INDEX ix_line ON line (order_id) WHERE id <> ''",
        "CREATE VIEW cheap AS SELECT id FROM \"order\" WHERE price < 2",
        "CREATE MATERIALIZED VIEW stored AS SELECT count(*) FROM cheap",
        "CREATE SCHEMA apart",
        "CREATE TABLE apart.t (id INTEGER)",
        "INSERT INTO apart.t VALUES (7)",
        "ALTER TABLE line ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON line USING (order_id > 0)",
        "GRANT SELECT ON \"order\" TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    )
    op.get_bind().exec_driver_sql(
        'INSERT INTO "order" (id, "a b", price, data, m, s, at) VALUES (%s, %s, %s, %s, %s, %s, %s)',
        (1, "it's\n;\nhere %", 0.1, b"\x00\xff", "{sad,ok}", "s", "2020-01-01 00:00:00.123456+02"),
    )
    sql(
        "SELECT setval('order_id_seq', 9)",
        "INSERT INTO line VALUES ('a', 1)",
        "CREATE TRIGGER adds BEFORE INSERT ON \"order\" FOR EACH ROW EXECUTE FUNCTION touches()",
        "REFRESH MATERIALIZED VIEW stored",
    )
'''
ODD = {"sqlite": Script("odd", upgrade=_SQLITE), "postgresql": Script("odd", upgrade=_POSTGRESQL)}
LATER = Script("later", upgrade='op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))')
TABLE = Script(
    "table",
    upgrade='op.create_table("t", sa.Column("id", sa.Integer, primary_key=True)); sql("INSERT INTO t VALUES (1)")',
)
COUNTED = "SELECT count(*) || ' ' || max(id) FROM t"
"""The rows of `TABLE`: "1 1"."""


@dataclass(frozen=True)
class Snapshotted(Database):
    """A database with a project that has a snapshot."""

    @classmethod
    def create(cls, folder: Path, url: URL, *scripts: Script) -> Snapshotted:
        """Write a project and its snapshot, without changing the database."""
        made = cls(url, write_project(folder, *scripts))
        snapshots.write(made.project, made.engine)
        return made

    @property
    def engine(self) -> EngineName:
        """The engine."""
        return "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"

    @property
    def file(self) -> Path:
        """The file of the snapshot."""
        return path_of(self.project, self.engine)

    @property
    def versions(self) -> Path:
        """The folder of the revisions."""
        return self.project.versions[0]

    @property
    def again(self) -> Snapshotted:
        """The database, with the present files of its project."""
        return Snapshotted(self.url, Project.load(self.project.ini))

    def edit_revision(self) -> None:
        """Change the file of the revision `TABLE`, but not its effect."""
        path = self.versions / "table.py"
        path.write_text(path.read_text() + " ")

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Write a snapshot with another content and the right hash."""
        self.file.write_bytes(change(Snapshot.parse(self.file.read_bytes())).render())

    def upgraded(self, to: str = "head") -> str:
        """Upgrade the database, and return the lines about the snapshot."""
        notes = Notes()
        self.again.workflow_with(notes).upgrade(to)
        return "\n".join(note for note in notes.notes if note.startswith("snapshot"))

    def replayed(self, url: URL) -> Snapshotted:
        """Run the same revisions in another database, without the snapshot."""
        content = self.file.read_bytes()
        self.file.unlink()
        other = Snapshotted(url, self.project)
        assert other.upgraded() == ""
        self.file.write_bytes(content)
        return other

    def differs(self, other: Database) -> list[str]:
        """Return the facts in which the database differs from another one."""
        with moving(self.url) as first, moving(other.url) as second:
            return unequal(*(read_facts(each, self.project.workflow_tables) for each in (first, second)))

    @property
    def marks(self) -> list[tuple[str, str, str]]:
        """The revision, the direction and the hash in each line of the record, newest first."""
        records = [each.record for each in self.again.workflow.history()]
        return [(each.revision, each.direction, each.digest) for each in records if each]

    @property
    def is_empty(self) -> bool:
        """Whether the database has no table and no recorded revision."""
        with moving(self.url) as connection:
            return not read_facts(connection, ())["the names of the objects"] and not self.workflow.current()
