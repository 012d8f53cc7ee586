"""If a rebuild on SQLite would lose more than rows, the run ends, and the message names the lines to write."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import InTheWay, RebuildLoses
from antarest.migration.errors.facts.run import RevisionFailed
from tests.support.projects.histories import Database, Script, write_project

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(10), n INTEGER)"
CHECKED = TABLE.replace("INTEGER)", "INTEGER, CONSTRAINT ck CHECK (n > 0))")
COLLATED = TABLE.replace("(10)", "(10) COLLATE NOCASE")
INDEX = "CREATE INDEX ix ON t (name)"
TRIGGER = "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END"
REBUILD = """
sql("CREATE TABLE n AS SELECT * FROM t", "DROP TABLE t", "ALTER TABLE n RENAME TO t")
"""
HIDDEN = """
sql("PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE name = 'v'", "PRAGMA writable_schema = RESET")
"""


def batch(*calls: str) -> str:
    """Return a batch that rebuilds the table."""
    return f'with op.batch_alter_table("t", recreate="always") as batch: {"; ".join(calls) or "pass"}'


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """SQLAlchemy warns of indexes that it cannot read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def here(tmp_path: Path, sqlite_database: URL) -> Database:
    """A database with an empty project."""
    return Database(sqlite_database, write_project(tmp_path / "project", Script("one")))


def upgrade(here: Database, tables: tuple[str, ...], body: str, lossy: Mapping[str, str] | None = None) -> None:
    """Create the tables, and run a revision on them."""
    here.workflow.upgrade()
    here.execute(*tables)
    two = Script("two", body, lossy={"upgrade": lossy or {}})
    folder = here.project.root / str(len(list(here.project.root.iterdir())))
    before = here.state()
    try:
        Database(here.url, write_project(folder, Script("one"), two)).workflow.upgrade()
    except Exception:
        assert here.state() == before
        raise


@pytest.mark.parametrize(
    ("tables", "body", "item", "again"),
    [
        ((TABLE, TRIGGER), batch(), "trigger:tr", f"op.execute({TRIGGER!r})"),
        ((TABLE, "CREATE INDEX ix ON t (lower(name))"), batch(), "index:ix", "lower(name)"),
        ((TABLE, "CREATE INDEX ix ON t (id, name DESC)"), batch(), "index:ix", "name DESC"),
        ((TABLE, "CREATE INDEX ix ON t (name COLLATE NOCASE)"), batch(), "index:ix", "COLLATE NOCASE"),
        ((TABLE.replace("INTEGER)", "INTEGER CHECK (n > 0))"),), batch(), "check:t",
         'batch.create_check_constraint("NAME", \'n > 0\')'),
        ((TABLE.replace("KEY", "KEY AUTOINCREMENT"),), batch(), "autoincrement:t", '{"sqlite_autoincrement": True}'),
        ((COLLATED,), batch(), "collation:t.name", 'sa.String(collation="NOCASE")'),
        ((COLLATED,), batch('batch.alter_column("name", type_=sa.String(20))'), "collation:t.name", "NOCASE"),
        ((COLLATED.replace("name", '"check"'),), batch(), "collation:t.check", "NOCASE"),
        ((TABLE, "CREATE INDEX ix ON t (lower(name))"), batch('batch.alter_column("name", new_column_name="m")'),
         "index:ix", "lower(name)"),
        ((COLLATED.replace("name", "[check]"),), batch(), "collation:t.check", "NOCASE"),
        # These are written by hand, so Alembic does not know them:
        ((TABLE, INDEX), REBUILD, "index:ix", f"op.execute({INDEX!r})"),
        ((TABLE, f"{INDEX} WHERE n > 1"), REBUILD, "index:ix", "WHERE n > 1"),
        ((TABLE, f"{INDEX} WHERE n > 1"), f"{REBUILD}sql({INDEX!r})", "index:ix", "WHERE n > 1"),
        ((TABLE, INDEX.replace("INDEX", "UNIQUE INDEX")), f"{REBUILD}sql({INDEX!r})", "index:ix", "UNIQUE"),
        ((CHECKED,), REBUILD, "check:t.ck", "batch.create_check_constraint('ck', 'n > 0')"),
        ((TABLE.replace("n INTEGER", "n INTEGER AS (id * 2) STORED"),), REBUILD, "generated:t.n", "id * 2"),
        ((f"{TABLE} STRICT".replace("VARCHAR(10)", "TEXT"),), REBUILD, "options:t", "STRICT"),
        ((TABLE, "CREATE VIEW v AS SELECT 1"), HIDDEN, "view:v", "SELECT 1"),
    ],
)  # fmt: skip
def test_what_would_be_lost_is_named(here: Database, tables: tuple[str, ...], body: str, item: str, again: str) -> None:
    with pytest.raises(RebuildLoses) as error:
        upgrade(here, tables, body)

    assert [missing.item for missing in error.value.missing] == [item]
    keep, declare = error.value.hints
    assert again in keep.command
    ast.parse(keep.command)
    assert declare.command == f'lossy = {{"upgrade": {{"{item}": "why"}}}}'


@pytest.mark.parametrize("item", ["trigger:tr", "index:ix"])
def test_what_is_declared_may_go(here: Database, item: str) -> None:
    tables = (TABLE, TRIGGER) if item == "trigger:tr" else (TABLE, "CREATE INDEX ix ON t (lower(name))")

    upgrade(here, tables, batch(), {item: "nobody needs it"})

    assert here.workflow.current() == ("two",)


def test_what_the_message_says_keeps_it(here: Database) -> None:
    again = f'op.execute("{TRIGGER}"); op.execute("CREATE INDEX ix ON t (lower(name))")'

    upgrade(here, (TABLE, TRIGGER, "CREATE INDEX ix ON t (lower(name))"), f"{batch()}\n{again}")

    assert here.value("SELECT count(*) FROM sqlite_master WHERE name IN ('tr', 'ix')") == 2


@pytest.mark.parametrize(
    ("tables", "body"),
    [
        ((TABLE, INDEX, f"{INDEX} WHERE n > 1".replace("ix", "iy"), CHECKED.replace("t (", "u (")), batch()),
        ((CHECKED, INDEX), batch('batch.drop_index("ix")', 'batch.drop_constraint("ck", type_="check")')),
        ((TABLE, INDEX), batch('batch.drop_index("ix")', 'batch.drop_column("name")')),
        ((TABLE, INDEX), batch('batch.alter_column("name", new_column_name="m")')),
        ((TABLE, TRIGGER, INDEX), 'sql("DROP TRIGGER tr"); op.drop_index("ix")'),
        ((TABLE, TRIGGER, INDEX), 'op.drop_table("t")'),
        ((TABLE, TRIGGER, INDEX), 'op.rename_table("t", "u")'),
        ((TABLE, INDEX), 'sql("DROP INDEX ix", "CREATE INDEX ix ON t (name DESC, n)")'),
        ((TABLE, "CREATE VIEW v AS SELECT * FROM t"), 'sql("DROP VIEW IF EXISTS v")'),
        ((TABLE, INDEX), 'sql("DROP INDEX ix", "ALTER TABLE t DROP COLUMN name")'),
        ((COLLATED,), 'op.add_column("t", sa.Column("m", sa.String(3)))'),
        ((TABLE, 'CREATE INDEX "An Index" ON t (name DESC)'), "sql('DROP INDEX \"An Index\"')"),
        (
            ('CREATE TABLE "check" ("constraint" INTEGER, "collate" TEXT)',),
            'op.add_column("check", sa.Column("n", sa.Integer))',
        ),
        (("CREATE VIRTUAL TABLE f USING fts5(a)", TABLE, INDEX), batch()),
        ((TABLE.replace("name", "[check]"), INDEX.replace("name", "[check]")), batch()),
        (
            ("CREATE TABLE [2020--2021] (id INTEGER, [it's] TEXT)", "CREATE VIRTUAL TABLE [v's] USING fts5(a)"),
            'op.add_column("2020--2021", sa.Column("n", sa.Integer))',
        ),
        (
            ("CREATE TABLE t (id INTEGER PRIMARY KEY, Élan INT CHECK (Élan > 0), n INT)",),
            'sql("ALTER TABLE t DROP COLUMN Élan")',
        ),
    ],
)
def test_what_is_kept_or_dropped_on_purpose_is_no_alarm(here: Database, tables: tuple[str, ...], body: str) -> None:
    upgrade(here, tables, body)

    assert here.workflow.current() == ("two",)


def test_a_view_on_the_table_ends_a_rebuild_and_the_message_says_what_to_do(here: Database) -> None:
    view = "CREATE VIEW v AS SELECT name FROM t"

    with pytest.raises(InTheWay) as error:
        upgrade(here, (TABLE, view), batch())

    before, after = error.value.hints
    assert "view v" in error.value.message
    assert (before.command, after.command) == ("op.execute('DROP VIEW v')", f"op.execute({view!r})")

    upgrade(here, (), f"{before.command}\n{batch()}\n{after.command}")
    assert here.value("SELECT count(*) FROM v") == 0


def test_a_downgrade_answers_for_it_too(tmp_path: Path, sqlite_database: URL) -> None:
    one = Script("one", upgrade=f"sql({TABLE!r}, {TRIGGER!r})")
    database = Database(sqlite_database, write_project(tmp_path / "project", one, Script("two", downgrade=batch())))
    database.workflow.upgrade()
    plan = database.workflow.plan_rollback()

    with pytest.raises(RebuildLoses, match="the downgrade of revision two"):
        database.workflow.rollback(plan, plan.agreement)


COUNTED = TABLE.replace("KEY", "KEY AUTOINCREMENT")
USED = (COUNTED, "INSERT INTO t (id, name) VALUES (1, 'a'), (99, 'b')", "DELETE FROM t WHERE id = 99")
KEEPS = 'op.batch_alter_table("t", recreate="always", table_kwargs={"sqlite_autoincrement": True})'


@pytest.mark.parametrize(
    ("body", "next_id"),
    [
        (f"with {KEEPS}: pass\nwith {KEEPS}: pass", 100),
        (f"with {KEEPS}: pass\nop.rename_table('t', 'u'); op.rename_table('u', 't')", 100),
        (f"sql('DELETE FROM t')\nwith {KEEPS}: pass", 100),
        (f"with {KEEPS}: pass\nsql(\"UPDATE sqlite_sequence SET seq = 7 WHERE name = 't'\")", 8),
    ],
    ids=["twice", "renamed", "empty", "the revision sets it"],
)
def test_a_rebuild_keeps_the_counter_of_autoincrement(here: Database, body: str, next_id: int) -> None:
    """Otherwise the next row gets the id of a deleted row."""
    upgrade(here, USED, body, {"t": "the first row"})

    here.execute("INSERT INTO t (name) VALUES ('c')")

    assert here.value("SELECT max(id) FROM t") == next_id


def test_a_generated_column_that_alembic_would_copy_comes_with_what_to_write(here: Database) -> None:
    generated = TABLE.replace("n INTEGER", "n INTEGER GENERATED ALWAYS AS (id * 2)")
    with pytest.raises(RevisionFailed, match="cannot INSERT into generated column") as failed:
        upgrade(here, (generated,), batch())
    written = failed.value.hints[0].command.replace("batch_op", "batch").replace("...,", "sa.Integer,")

    upgrade(here, (), batch(written.replace('"..."', '"id * 2"')))

    here.execute("INSERT INTO t (id) VALUES (4)")
    assert here.value("SELECT n FROM t") == 8
