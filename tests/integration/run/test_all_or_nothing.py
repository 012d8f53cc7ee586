"""A run is one transaction, leaves no broken foreign keys, and does not read tables that it does not change."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.database.connection import moving
from antarest.migration.errors.facts.loss import ForeignKeysViolated
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.losses import counts
from antarest.migration.losses.tracking import sqlite
from tests.support.projects.checkouts import ROOT, ConfigFile, Run
from tests.support.projects.histories import STUDY_ROWS, STUDY_TABLES, Database, Script, write_project

Build = Callable[..., Database]

# ---- all or nothing


@pytest.mark.parametrize(
    "ending",
    [
        'sql("COMMIT")',
        "op.get_bind().commit()",
        "op.get_bind().connection.commit()",
        "op.get_bind().connection.rollback()",
    ],
)
def test_a_revision_that_ends_the_transaction_is_refused(filled: Build, ending: str) -> None:
    """Otherwise it would commit a loss that nobody has checked, or its version without its work."""
    database = filled(Script("ends", upgrade=f'sql("DELETE FROM study_tag")\n{ending}'))
    before = database.state()

    with pytest.raises(RevisionFailed, match="ends the transaction"):
        database.workflow.upgrade()
    assert database.state() == before


def test_a_revision_that_fails_changes_nothing_and_is_named(filled: Build) -> None:
    database = filled(
        Script("good", upgrade='op.create_table("t", sa.Column("id", sa.Integer)); op.drop_column("study", "name")',
               lossy={"upgrade": {"study.name": "old"}}),
        Script("bad", upgrade='op.add_column("study", sa.Column("n", sa.Integer)); sql("SELECT * FROM missing")'),
        Script("never"),
    )  # fmt: skip
    before = database.state()

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()
    assert (error.value.revision, error.value.direction) == ("bad", "upgrade")
    assert "missing" in error.value.reason
    assert "the database is still at tables. 1 revision was undone with it." in error.value.state
    assert database.state() == before


KILLED = Script(
    "killed",
    upgrade="""
        import os
        with op.batch_alter_table("study") as batch:
            batch.add_column(sa.Column("size", sa.Integer, server_default="0", nullable=False))
        sql("UPDATE study SET name = upper(name)")
        if os.environ.get("KILL_UPGRADE"):
            os.kill(os.getpid(), 9)
        op.create_table("later", sa.Column("id", sa.Integer))
    """,
)


def test_a_killed_upgrade_leaves_the_old_state_and_runs_again(filled: Build, config_file: ConfigFile, run: Run) -> None:
    database = filled(Script("first", upgrade='op.create_table("t", sa.Column("id", sa.Integer))'), KILLED)
    before = database.state()
    environment = {"ANTAREST_CONF": str(config_file(database.url)), "PYTHONPATH": str(ROOT), "KILL_UPGRADE": "yes"}

    killed = run("alembic", "-c", database.project.ini, "upgrade", "head", env=environment)
    assert killed.code == -signal.SIGKILL, killed.err
    assert database.state() == before

    database.workflow.upgrade()
    assert database.workflow.current() == ("killed",)
    assert database.value("SELECT name FROM study WHERE id = 1") == "A"
    assert database.value("SELECT size FROM study WHERE id = 1") == 0
    assert database.value("SELECT count(*) FROM later") == 0


# ---- foreign keys, which SQLite does not enforce while it rebuilds


@pytest.fixture
def dangling(tmp_path: Path, sqlite_database: URL) -> Build:
    """The same as `filled`, on SQLite, with a tag whose study does not exist."""

    def build(*scripts: Script) -> Database:
        database = Database(sqlite_database, write_project(tmp_path / "project", STUDY_TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*STUDY_ROWS)
        with moving(database.url) as connection, connection.begin():
            connection.exec_driver_sql("INSERT INTO study_tag VALUES (99, 'dangling')")
        return database

    return build


def test_rows_that_would_refer_to_nothing_are_refused(dangling: Build) -> None:
    database = dangling(
        Script("orphan", upgrade='sql("DELETE FROM study WHERE id = 1")', lossy={"upgrade": {"study": "old"}})
    )
    before = database.state()

    with pytest.raises(ForeignKeysViolated) as error:
        database.workflow.upgrade()
    assert error.value.violations == ("study_tag -> study",)
    assert database.state() == before


def test_rows_that_referred_to_nothing_before_are_not_blamed(dangling: Build) -> None:
    database = dangling(
        Script("rebuild", upgrade='with op.batch_alter_table("study_tag", recreate="always") as batch: pass'),
    )

    database.workflow.upgrade()
    assert database.value("SELECT count(*) FROM study_tag") == 5


def test_a_rebuild_keeps_the_rows_that_refer_to_its_table(tmp_path: Path, sqlite_database: URL) -> None:
    """If foreign keys act, SQLite deletes the rows of a table that it drops, and then the rows that refer to them."""
    parent, child = "CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE)"
    rows = ("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (1)")
    make = Script("make", upgrade=f"sql{(parent, child, *rows)}")
    rebuild = Script("rebuild", upgrade='with op.batch_alter_table("p", recreate="always") as batch: pass')
    database = Database(sqlite_database, write_project(tmp_path / "project", make, rebuild))
    database.workflow.upgrade(to="make")

    database.workflow.upgrade()

    assert database.value("SELECT count(*) FROM c") == 1


# ---- what it costs

DROPPED = Script("dropped", upgrade='op.drop_table("study_tag")')


def scans(database: Database) -> dict[str, int]:
    """Return how often each table was read from its first row to its last row."""
    with database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT relname, seq_scan FROM pg_stat_user_tables")
        return {row.relname: row.seq_scan for row in rows}


def test_a_table_that_nobody_touches_is_not_scanned(tmp_path: Path, postgres_database: URL) -> None:
    database = Database(
        postgres_database,
        write_project(
            tmp_path / "project",
            STUDY_TABLES,
            Script("near", upgrade='sql("CREATE TABLE untouched (id INTEGER)")'),
            Script(
                "far",
                upgrade="""
                    sql("UPDATE study SET path = name", "DELETE FROM study_tag", "ALTER TABLE study DROP COLUMN path")
                    op.rename_table("study_tag", "label")
                    op.add_column("untouched", sa.Column("note", sa.String(50)))
                    op.create_index("ix_label", "label", ["label"])
                """,
                lossy={"upgrade": {"study_tag": "old", "study.path": "old"}},
            ),
        ),
    )
    database.workflow.upgrade(to="near")
    database.execute(*STUDY_ROWS, "INSERT INTO untouched SELECT generate_series(1, 1000)")
    before = scans(database)

    database.workflow.upgrade()
    after = scans(database)
    assert after["untouched"] == before["untouched"]
    assert after["study"] > before["study"]


def test_an_empty_database_is_not_counted(tmp_path: Path, empty_database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be lost from an empty database, whatever its revisions drop."""
    database = Database(
        empty_database,
        write_project(tmp_path / "project", STUDY_TABLES, Script("rows", upgrade=f"sql(*{STUDY_ROWS!r})"), DROPPED),
    )
    counted: list[str] = []
    for module in (counts, sqlite):
        monkeypatch.setattr(module, "measure", lambda _connection, table, *_: counted.append(table.name))

    assert database.workflow.upgrade().losses == []
    assert counted == []
    assert database.workflow.current() == ("dropped",)
