"""A new database loads the snapshot only if the result is that of the revisions. In doubt, the revisions run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from antarest.migration.branches import snapshots
from antarest.migration.database.connection import moving
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.facts.project import SnapshotUnfit
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.scratch.runner import ScratchRunner
from antarest.migration.snapshot.file import Snapshot
from antarest.migration.verify.findings.behaviour import behaviour
from tests.support.data.database import PROJECT
from tests.support.data.database import Database as OwnDatabase
from tests.support.programs.runs import Start
from tests.support.projects.checkouts import run
from tests.support.projects.histories import Script, write_project, write_script
from tests.support.projects.snapshots import COUNTED, LATER, ODD, TABLE, Snapshotted

pytestmark = pytest.mark.usefixtures("scratch_here")

# ---- equal


def test_a_new_database_is_as_if_the_revisions_had_run(tmp_path: Path, empty_database: URL, elsewhere: URL) -> None:
    """The schema, the rows, the next numbers, the current revision and the lines of the record are the same."""
    odd = ODD[empty_database.get_backend_name()]
    database = Snapshotted.create(tmp_path / "p", empty_database, odd, LATER)

    assert "2 revisions from alembic/snapshot/" in database.upgraded()

    other = database.replayed(elsewhere)
    assert database.differs(other) == []
    assert database.workflow.current() == other.workflow.current() == ("later",)
    for each in (database, other):
        each.execute("""INSERT INTO "order" (price) VALUES (1)""")
        assert each.value('SELECT max(id) FROM "order"') == 10
    assert [(id_, direction) for id_, direction, _ in database.marks] == [("later", "snapshot"), ("odd", "snapshot")]
    assert other.marks == [(id_, "upgrade", digest) for id_, _, digest in database.marks]
    assert database.again.workflow.status().edited == ()


def test_our_own_snapshot_makes_what_our_revisions_make(empty_database: URL, elsewhere: URL) -> None:
    assert list(snapshots.stale(PROJECT)) == []
    own, other = Snapshotted(empty_database, PROJECT), Snapshotted(elsewhere, PROJECT)

    OwnDatabase(own.url).upgrade()
    with moving(elsewhere) as connection:
        ScratchRunner.of(PROJECT).upgrade(connection)

    assert {direction for _, direction, _ in own.marks} == {"snapshot"}
    own.execute("DROP TABLE alembic_history")  # Something else than the workflow has upgraded the other database.
    assert own.differs(other) == []
    loaded, replayed = (reactions(OwnDatabase(each.url)) for each in (own, other))
    assert len(loaded) > 30
    assert loaded == replayed


def reactions(database: OwnDatabase) -> dict[str, str]:
    """Return the reactions of the database to changes of rows, as db.verify tries them."""
    rows = database.fill()
    with database.connected() as connection:
        return behaviour(connection, database.schema(), rows)


def test_it_follows_the_search_path_as_its_revisions_do(tmp_path: Path, postgres_database: URL) -> None:
    """A revision that names a schema always uses this schema. Its snapshot is only for databases with this schema."""
    database = Snapshotted.create(tmp_path / "p", postgres_database, TABLE)
    named = Script("named", upgrade='op.create_table("n", sa.Column("id", sa.Integer), schema="public")')
    other = Snapshotted.create(tmp_path / "q", postgres_database, named)
    with create_engine(postgres_database).begin() as connection:
        connection.execute(text("CREATE SCHEMA app"))
        connection.execute(text(f'ALTER DATABASE "{postgres_database.database}" SET search_path = app'))

    assert "1 revision from " in database.upgraded()
    assert database.value("SELECT count(*) FROM app.t") == 1
    database.execute("DROP TABLE app.t, app.alembic_version, app.alembic_history")
    assert "its revisions name the schema public, and the current one is app" in other.upgraded()
    assert other.value("SELECT count(*) FROM public.n") == 0


# ---- doubts


def edit_snapshot(database: Snapshotted) -> None:
    database.file.write_text(database.file.read_text().replace("(1)", "(2)"))


def of_another_version(database: Snapshotted) -> None:
    database.change(lambda snapshot: replace(snapshot, proved=("99",)))


def of_another_convention(database: Snapshotted) -> None:
    database.change(lambda snapshot: replace(snapshot, naming="other"))


def that_does_not_run(database: Snapshotted) -> None:
    wrong = "INSERT INTO missing VALUES (1)"
    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, wrong)))


def delete_revision(database: Snapshotted) -> None:
    (database.versions / "later.py").unlink()


def not_empty(database: Snapshotted) -> None:
    database.execute("CREATE TABLE other (id INTEGER)")


def listening(database: Snapshotted) -> None:
    env = database.project.root / "alembic" / "env.py"
    env.write_text(env.read_text().replace("run(context)", "run(context, on_version_apply=lambda **_: None)"))


DOUBTS: dict[str, Callable[[Snapshotted], None]] = {
    "revision table has changed since it was written": Snapshotted.edit_revision,
    "its file was edited or merged by hand": edit_snapshot,
    "and it was proved ": of_another_version,
    "the naming convention of the models has changed": of_another_convention,
    "missing": that_does_not_run,
    "it has revision later, which has no file": delete_revision,
    "the database is not empty: it has table other": not_empty,
    "env.py has to be called for each revision": listening,
}


@pytest.mark.parametrize("why", DOUBTS)
def test_with_a_doubt_every_revision_runs(tmp_path: Path, empty_database: URL, why: str) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, TABLE, LATER)
    DOUBTS[why](database)

    shown = database.upgraded()

    assert "not used, so every revision runs: " in shown
    assert why in shown
    assert database.value(COUNTED) == "1 1"
    assert {direction for _, direction, _ in database.marks} == {"upgrade"}


def test_a_target_below_the_snapshot_is_reached_by_the_revisions(tmp_path: Path, empty_database: URL) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, TABLE, LATER)

    assert "it has revision later, which is not on the way" in database.upgraded("table")
    assert database.workflow.current() == ("table",)


# ---- whole or not at all


def test_revisions_after_the_snapshot_run_in_the_same_transaction(tmp_path: Path, empty_database: URL) -> None:
    database = Snapshotted.create(tmp_path / "p", empty_database, TABLE)
    fails = write_script(database.versions, Script("fails", upgrade='sql("INSERT INTO t VALUES (1)")'), "table")
    with pytest.raises(RevisionFailed, match="fails"):
        database.upgraded()
    assert database.is_empty

    fails.unlink()
    write_script(database.versions, replace(LATER, transaction="own"), "table")
    assert "1 revision from" in database.upgraded()
    assert database.workflow.current() == ("later",)
    assert [direction for _, direction, _ in database.marks] == ["upgrade", "snapshot"]


SLOW = {
    "sqlite": "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 40000000)"
    " SELECT i FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


def test_a_kill_while_it_loads_leaves_an_empty_database(runner: Start, empty_database: URL) -> None:
    """After the kill, two processes start at the same time. One of them loads the snapshot."""
    here = runner(empty_database, TABLE)
    database = Snapshotted(empty_database, here.database.project)
    snapshots.write(database.project, database.engine)
    content, slow = database.file.read_bytes(), SLOW[database.engine]
    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, slow)))

    killed = here.module("upgrade")
    killed.says("snapshot ")
    time.sleep(0.5)
    os.kill(killed.pid, signal.SIGKILL)
    killed.process.wait()
    assert database.is_empty

    database.file.write_bytes(content)
    both = [here.module("upgrade") for _ in range(2)]
    assert [each.end().code for each in both] == [EXIT_DONE, EXIT_DONE]
    assert database.value(COUNTED) == "1 1"
    assert [direction for _, direction, _ in database.marks] == ["snapshot"]


def test_a_full_disk_leaves_an_empty_database(tmp_path: Path, sqlite_database: URL) -> None:
    rows = 'for i in range(2, 2000): sql(f"INSERT INTO t VALUES ({i})")'
    database = Snapshotted.create(tmp_path / "p", sqlite_database, TABLE, Script("rows", upgrade=rows))
    database.execute("CREATE TABLE gone (id INTEGER)", "DROP TABLE gone")
    (tmp_path / "p" / "application.yaml").write_text(f"db:\n  url: {sqlite_database}\n  backup: false\n")
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))"
    start = f"{limit}; from antarest.migration.__main__ import main; sys.exit(main())"
    done = run("python", "-c", start, "upgrade", cwd=tmp_path / "p", env={"PYTHONPATH": str(PROJECT.root)})

    assert done.code != EXIT_DONE
    assert "the database is still at base" in done.err
    assert database.is_empty


# ---- how it is written

UNFIT = {
    "two runs of revision odd differ: the rows of t": """
        random = "1000000 * random()" if is_postgresql() else "abs(random() % 1000000)"
        sql(f"INSERT INTO t VALUES (2 + CAST({random} AS INTEGER))")
    """,
    "revision odd puts the date of today into the rows of d": (
        'sql("CREATE TABLE d (today VARCHAR(99))", "INSERT INTO d VALUES (CAST(current_date AS VARCHAR(99)))")'
    ),
    "revision odd depends on more than its file: import os": "import os",
    "revision odd depends on more than its file: current_user": """
        sql("CREATE TABLE w (who VARCHAR(99))")
        if op.get_bind().dialect.name == "postgresql": sql("INSERT INTO w VALUES (current_user)")
    """,
    "revision odd depends on more than its file: batch.ours": """
        with op.batch_alter_table("t") as batch: batch.ours()
    """,
    "statements cannot make .*alembic_version.* again": 'op.add_column("alembic_version", sa.Column("note", sa.Text))',
    "two runs of revision odd differ: the rows of u": """
        import uuid
        sql("CREATE TABLE u (id VARCHAR(99))", f"INSERT INTO u VALUES ('{uuid.uuid4()}')")
    """,
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_history_that_makes_something_else_each_time_has_no_snapshot(
    tmp_path: Path, empty_database: URL, why: str
) -> None:
    database = Snapshotted(empty_database, write_project(tmp_path, TABLE, Script("odd", upgrade=UNFIT[why]), LATER))

    with pytest.raises(SnapshotUnfit, match=why):
        snapshots.write(database.project, database.engine)
    assert not database.file.exists()


def test_it_is_not_loaded_beside_a_table_of_another_schema(tmp_path: Path, postgres_database: URL) -> None:
    """A revision may copy the rows of such a table, if it exists."""
    database = Snapshotted.create(tmp_path, postgres_database, TABLE)
    database.execute("CREATE SCHEMA legacy", "CREATE TABLE legacy.t ()")

    assert "every revision runs: the database is not empty: it has table legacy.t" in database.upgraded()


def test_a_moment_that_depends_on_the_time_zone_has_no_snapshot(tmp_path: Path, postgres_database: URL) -> None:
    moment = """sql("CREATE TABLE m (at TIMESTAMPTZ)", "INSERT INTO m VALUES ('2020-01-01 12:00')")"""
    database = Snapshotted(postgres_database, write_project(tmp_path, Script("odd", upgrade=moment)))

    with pytest.raises(SnapshotUnfit, match="two runs of revision odd differ: the rows of m"):
        snapshots.write(database.project, database.engine)


def test_a_naming_convention_with_a_function_has_no_snapshot(tmp_path: Path, sqlite_database: URL) -> None:
    project = write_project(tmp_path, TABLE)
    convention = '{"ours": lambda constraint, table: "x", "ck": "ck_%(ours)s"}'
    (tmp_path / "named_by_function.py").write_text(
        f"import sqlalchemy\nmetadata = sqlalchemy.MetaData(None, None, {convention})\n"
    )
    with project.ini.open("a") as ini:
        ini.write(f"prepend_sys_path = {tmp_path}\n[antarest]\nmetadata = named_by_function:metadata\n")
    project = Project.load(project.ini)

    with pytest.raises(SnapshotUnfit, match="the naming convention of the models calls a function"):
        snapshots.write(project, Snapshotted(sqlite_database, project).engine)


def test_row_ids_are_those_of_the_revisions(tmp_path: Path, sqlite_database: URL) -> None:
    rows = """
        sql("CREATE TABLE k (a TEXT)", "INSERT INTO k VALUES ('x'), ('y'), ('z')", "DELETE FROM k WHERE a = 'y'")
    """
    database = Snapshotted.create(tmp_path, sqlite_database, Script("rows", upgrade=rows))
    assert "from " in database.upgraded()

    other = database.replayed(URL.create("sqlite", database=str(tmp_path / "other.db")))

    assert database.value("SELECT max(rowid) FROM k") == 3
    assert database.differs(other) == []


def test_it_is_proved_on_another_server(tmp_path: Path, postgres_database: URL, postgres: PostgresServer) -> None:
    database = Snapshotted.create(tmp_path, postgres_database, TABLE)
    database.change(lambda snapshot: replace(snapshot, proved=("99",)))

    assert snapshots.prove(database.project, postgres.url) == database.file
    assert Snapshot.parse(database.file.read_bytes()).proved == (postgres.version.partition(".")[0], "99")
    assert snapshots.prove(database.project, postgres.url) is None

    wrong = "INSERT INTO t VALUES (2)"
    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, wrong)))
    with pytest.raises(SnapshotUnfit, match="statements cannot make the rows of t again"):
        snapshots.prove(database.again.project, postgres.url)


def test_what_statements_cannot_make_again_is_not_written(tmp_path: Path, sqlite_database: URL) -> None:
    """For example, the rows of a virtual table without content cannot be read."""
    words = """sql("CREATE VIRTUAL TABLE words USING fts5(word, content='')", "INSERT INTO words VALUES ('a')")"""
    database = Snapshotted(sqlite_database, write_project(tmp_path, Script("words", upgrade=words)))

    with pytest.raises(SnapshotUnfit, match=r"statements cannot make .*\bthe rows of words_"):
        snapshots.write(database.project, database.engine)
    assert not database.file.exists()


def test_it_is_written_from_the_one_before_it_and_is_the_same_each_time(tmp_path: Path, empty_database: URL) -> None:
    odd = ODD[empty_database.get_backend_name()]
    made = Snapshotted.create(tmp_path / "p", empty_database, odd, TABLE, LATER)
    before = Snapshotted.create(tmp_path / "q", empty_database, odd, TABLE)
    write_script(before.versions, LATER, "table")
    project = Project.load(before.project.ini)
    assert [why for _, why in snapshots.stale(project)] == ["it lacks revision later"]

    assert snapshots.write(project, before.engine) == before.file
    assert snapshots.write(project, before.engine) is None
    assert made.file.read_bytes() == before.file.read_bytes()
