"""A new database loads the snapshot only where that makes the same as the revisions; with any doubt, these run."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.branches import snapshots
from antarest.migration.database.connection import moving
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.facts.project import SnapshotUnfit
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.project.project import Project
from antarest.migration.scratch.runner import ScratchRunner
from antarest.migration.snapshot.facts import read_facts, unequal
from antarest.migration.snapshot.file import Snapshot, path_of
from tests.database import PROJECT
from tests.database import Database as OwnDatabase
from tests.support import run
from tests.support_histories import Database, Notes, Script, write_project, write_script
from tests.support_runs import Start

ODD = Script(
    "odd",
    upgrade=r'''
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
        rows = [(1, "it's\n;\nhere", 0.1, b"\x00\xff"), (2, None, 1e300, None), (9, "", 3, b"")]
        for row in rows:
            op.get_bind().exec_driver_sql('INSERT INTO "order" (id, "a b", price, data) VALUES (?, ?, ?, ?)', row)
        sql("INSERT INTO line VALUES ('b', 1), ('a', 2)", 'DELETE FROM "order" WHERE id = 9')
    ''',
)
LATER = Script("later", upgrade='op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))')
TABLE = Script(
    "table",
    upgrade='op.create_table("t", sa.Column("id", sa.Integer, primary_key=True)); sql("INSERT INTO t VALUES (1)")',
)


def upgraded(database: Database, to: str = "head") -> str:
    """Upgrade a database, and return the lines about the snapshot."""
    notes = Notes()
    database.workflow_with(notes).upgrade(to)
    return "\n".join(note for note in notes.notes if note.startswith("snapshot"))


def with_snapshot(folder: Path, url: URL, *scripts: Script) -> Database:
    """A project with a snapshot, and an empty database."""
    project = write_project(folder, *scripts)
    snapshots.write(project)
    return Database(url, project)


def again(database: Database) -> Database:
    """The database with the files of its project as they are now."""
    return Database(database.url, Project.load(database.project.ini))


def replayed(database: Database, url: URL) -> Database:
    """The same revisions, run in another database, without the snapshot."""
    path = path_of(database.project, "sqlite")
    content = path.read_bytes()
    path.unlink()
    other = Database(url, Project.load(database.project.ini))
    assert upgraded(other) == ""
    path.write_bytes(content)
    return other


def differing(one: Database, other: Database) -> list[str]:
    """The facts in which two databases differ."""
    with moving(one.url) as first, moving(other.url) as second:
        return unequal(*(read_facts(each, one.project.workflow_tables) for each in (first, second)))


def marks(database: Database) -> list[tuple[str, str, str]]:
    """The revision, the direction and the hash in each line of its record, newest first."""
    records = [each.record for each in database.workflow.history()]
    return [(each.revision, each.direction, each.digest) for each in records if each]


@pytest.fixture
def elsewhere(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "elsewhere.db"))


def test_a_new_database_is_as_if_the_revisions_had_run(tmp_path: Path, sqlite_database: URL, elsewhere: URL) -> None:
    """Its schema, its rows, the next numbers, the current revision, and a line of the record for each revision."""
    database = with_snapshot(tmp_path / "p", sqlite_database, ODD, LATER)

    assert "2 revisions from " in upgraded(database)

    other = replayed(database, elsewhere)
    assert database.state()[1] is not None
    assert differing(database, other) == []
    assert database.workflow.current() == other.workflow.current() == ("later",)
    for each in (database, other):
        each.execute("""INSERT INTO "order" (price) VALUES (1)""")
        assert each.value('SELECT max(id) FROM "order"') == 10
    lines, expected = [marks(each) for each in (database, other)]
    assert [(id_, direction) for id_, direction, _ in lines] == [("later", "snapshot"), ("odd", "snapshot")]
    assert expected == [(id_, "upgrade", digest) for id_, _, digest in lines]
    assert again(database).workflow.status().edited == ()


def test_our_own_snapshot_makes_what_our_revisions_make(sqlite_database: URL, elsewhere: URL) -> None:
    assert list(snapshots.stale(PROJECT)) == []
    own, other = OwnDatabase(sqlite_database), Database(elsewhere, PROJECT)

    own.upgrade()
    with moving(elsewhere) as connection:
        ScratchRunner.of(PROJECT).upgrade(connection)

    assert {each.record and each.record.direction for each in own.workflow.history()} == {"snapshot"}
    assert differing(Database(own.url, PROJECT), other) == []


def edit_revision(database: Database) -> None:
    path = next(database.project.versions[0].glob("table.py"))
    path.write_text(path.read_text() + " ")


def edit_snapshot(database: Database) -> None:
    path = path_of(database.project, "sqlite")
    path.write_text(path.read_text().replace("(1)", "(2)"))


def of_a_newer_sqlite(database: Database) -> None:
    path = path_of(database.project, "sqlite")
    path.write_bytes(replace(Snapshot.parse(path.read_bytes()), proved=("99.0.0",)).render())


def of_another_convention(database: Database) -> None:
    path = path_of(database.project, "sqlite")
    path.write_bytes(replace(Snapshot.parse(path.read_bytes()), naming="other").render())


def that_does_not_run(database: Database) -> None:
    path = path_of(database.project, "sqlite")
    snapshot = Snapshot.parse(path.read_bytes())
    path.write_bytes(replace(snapshot, statements=(*snapshot.statements, "INSERT INTO missing VALUES (1)")).render())


def delete_revision(database: Database) -> None:
    next(database.project.versions[0].glob("later.py")).unlink()


def not_empty(database: Database) -> None:
    database.execute("CREATE TABLE other (id INTEGER)")


def listening(database: Database) -> None:
    env = database.project.root / "alembic" / "env.py"
    env.write_text(env.read_text().replace("run(context)", "run(context, on_version_apply=lambda **_: None)"))


@pytest.mark.parametrize(
    ("doubt", "why"),
    [
        (edit_revision, "revision table has changed since it was written"),
        (edit_snapshot, "its file was edited or merged by hand"),
        (of_a_newer_sqlite, "it was proved from 99.0.0 on"),
        (of_another_convention, "the naming convention of the models has changed"),
        (that_does_not_run, "no such table: missing"),
        (delete_revision, "it has revision later, which has no file"),
        (not_empty, "the database is not empty: it has table other"),
        (listening, "env.py has to be called for each revision"),
    ],
)
def test_with_a_doubt_every_revision_runs(
    tmp_path: Path, sqlite_database: URL, doubt: Callable[[Database], None], why: str
) -> None:
    database = with_snapshot(tmp_path / "p", sqlite_database, TABLE, LATER)
    doubt(database)
    database = again(database)

    shown = upgraded(database)

    assert "not used, so every revision runs: " in shown
    assert why in shown
    assert database.value("SELECT group_concat(id) FROM t") == "1"
    assert {each.record and each.record.direction for each in database.workflow.history()} == {"upgrade"}


def test_a_target_below_the_snapshot_is_reached_by_the_revisions(tmp_path: Path, sqlite_database: URL) -> None:
    database = with_snapshot(tmp_path / "p", sqlite_database, TABLE, LATER)

    assert "it has revision later, which is not on the way" in upgraded(database, "table")
    assert database.workflow.current() == ("table",)


def test_revisions_after_the_snapshot_run_in_the_same_transaction(tmp_path: Path, sqlite_database: URL) -> None:
    database = with_snapshot(tmp_path / "p", sqlite_database, TABLE)
    fails = write_script(
        database.project.versions[0], Script("fails", upgrade='sql("INSERT INTO t VALUES (1)")'), "table"
    )
    with pytest.raises(RevisionFailed, match="fails"):
        upgraded(again(database))
    assert database.workflow.current() == ()
    assert database.value("SELECT count(*) FROM sqlite_master") == 0

    fails.unlink()
    write_script(database.project.versions[0], replace(LATER, transaction="own"), "table")
    assert "1 revision from" in upgraded(again(database))
    assert again(database).workflow.current() == ("later",)
    assert [each.record and each.record.direction for each in again(database).workflow.history()] == [
        "upgrade",
        "snapshot",
    ]


SLOW = (
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 40000000) SELECT i FROM n"
)


def test_a_kill_while_it_loads_leaves_an_empty_database(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, TABLE)
    snapshots.write(here.database.project)
    path = path_of(here.database.project, "sqlite")
    snapshot = Snapshot.parse(path.read_bytes())
    path.write_bytes(replace(snapshot, statements=(*snapshot.statements, SLOW)).render())

    killed = here.module("upgrade")
    killed.says("snapshot ")
    time.sleep(0.5)
    os.kill(killed.pid, signal.SIGKILL)
    killed.process.wait()
    assert here.database.value("SELECT count(*) FROM sqlite_master") == 0

    path.write_bytes(snapshot.render())
    both = [here.module("upgrade") for _ in range(2)]
    ended = [each.end() for each in both]
    assert [each.code for each in ended] == [EXIT_DONE, EXIT_DONE]
    assert here.database.value("SELECT group_concat(id) FROM t") == "1"
    assert here.database.value("SELECT count(*) FROM alembic_history") == 1


def test_a_full_disk_leaves_an_empty_database(tmp_path: Path, sqlite_database: URL) -> None:
    rows = 'for i in range(2, 2000): sql(f"INSERT INTO t VALUES ({i})")'
    database = with_snapshot(tmp_path / "p", sqlite_database, TABLE, Script("rows", upgrade=rows))
    database.execute("CREATE TABLE gone (id INTEGER)", "DROP TABLE gone")
    limit = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, {resource.RLIM_INFINITY}))"
    start = f"{limit}; from antarest.migration.__main__ import main; sys.exit(main())"
    config = tmp_path / "p" / "application.yaml"
    config.write_text(f"db:\n  url: {sqlite_database}\n  backup: false\n")
    done = run("python", "-c", start, "upgrade", cwd=tmp_path / "p", env={"PYTHONPATH": str(PROJECT.root)})

    assert done.code != EXIT_DONE
    assert "the database is still at base" in done.err
    assert database.value("SELECT count(*) FROM sqlite_master") == 0
    assert database.workflow.current() == ()


UNFIT = {
    "two runs of revision odd differ: the rows of t": 'sql("INSERT INTO t VALUES (abs(random()))")',
    "revision odd puts the date of today into the rows of d": 'sql("CREATE TABLE d AS SELECT date() AS today")',
    "revision odd depends on more than its file: import os": "import os",
    "two runs of revision odd differ: the rows of u": """
        import uuid
        sql("CREATE TABLE u (id VARCHAR)", f"INSERT INTO u VALUES ('{uuid.uuid4()}')")
    """,
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_history_that_makes_something_else_each_time_has_no_snapshot(tmp_path: Path, why: str) -> None:
    project = write_project(tmp_path, TABLE, Script("odd", upgrade=UNFIT[why]), LATER)

    with pytest.raises(SnapshotUnfit, match=why):
        snapshots.write(project)
    assert not path_of(project, "sqlite").exists()


def test_it_is_written_from_the_one_before_it_and_is_the_same_each_time(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", ODD, TABLE, LATER)
    before = write_project(tmp_path / "q", ODD, TABLE)
    snapshots.write(before)
    write_script(before.versions[0], LATER, "table")
    before = Project.load(before.ini)
    assert [why for _, why in snapshots.stale(before)] == ["it lacks revision later"]

    for each in (project, before):
        assert snapshots.write(each) == [path_of(each, "sqlite")]
        assert snapshots.write(each) == []
    assert path_of(project, "sqlite").read_bytes() == path_of(before, "sqlite").read_bytes()
