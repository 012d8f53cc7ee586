"""Faults from outside are not unexpected errors: each has its own code, and says what is wrong."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED, EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.scratch.databases import PostgresServer
from tests.support.checks.refusals import refusal
from tests.support.programs.runs import Start
from tests.support.projects.branches import Clone, change_models, with_models
from tests.support.projects.checkouts import ROOT, Result, run
from tests.support.projects.histories import Script, write_project
from tests.support.servers.roles import execute

TABLE = Script("first", upgrade='op.create_table("t", sa.Column("id", sa.Integer))', downgrade='op.drop_table("t")')


OURS = {"PYTHONPATH": str(ROOT)}


def ours(folder: Path, *words: str) -> Result:
    """Run a command of ours in a folder."""
    return run(sys.executable, "-m", "antarest.migration", *words, cwd=folder, env=OURS)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a small project, with a database beside it."""
    folder = tmp_path / "100% %(here)s"
    write_project(folder, TABLE)
    (folder / "application.yaml").write_text("db:\n  url: sqlite:///app.db\n")
    return folder


def test_a_percent_sign_in_the_name_of_the_folder_is_one(project: Path) -> None:
    for words in (("upgrade",), ("status",), ("history",), ("rollback", "--yes")):
        done = ours(project, *words)
        assert done.code == EXIT_DONE, done.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_with_closed_streams_a_command_does_its_work(project: Path, closed: str) -> None:
    """Cron and daemons start programs with closed streams. A database file must not get the number of such a stream."""
    command = f"{sys.executable} -m antarest.migration"

    done = run("sh", "-c", f"{command} upgrade {closed} && {command} rollback {closed}", cwd=project, env=OURS)

    assert done.code == EXIT_DONE, done.err
    with closing(sqlite3.connect(project / "app.db")) as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (0,)


def test_a_deleted_working_folder_is_named(project: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"rmdir {gone} && {sys.executable} -m antarest.migration status --project='{project / 'alembic.ini'}'"

    refused = refusal(run("sh", "-c", command, cwd=gone, env=OURS), "db.E616", EXIT_FAILED)

    assert "the current folder does not exist any more" in refused.fact


@pytest.mark.parametrize("value", [None, 5, ""])
def test_a_row_of_the_version_table_that_is_no_revision_is_named(project: Path, value: object) -> None:
    assert ours(project, "upgrade").code == EXIT_DONE
    with closing(sqlite3.connect(project / "app.db", isolation_level=None)) as database:
        database.execute("DROP TABLE alembic_version")
        database.execute("CREATE TABLE alembic_version (version_num)")
        database.executemany("INSERT INTO alembic_version VALUES (?)", [("first",), ("first",), (value,)])

    refused = refusal(ours(project, "status"), "db.E312", EXIT_FAILED)

    assert refused.fact == f"the table alembic_version has a row that is not a revision: {value!r}"


def test_a_file_that_is_replaced_while_a_run_waits_is_named(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, TABLE)
    file = Path(str(sqlite_database.database))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = here.module("upgrade")
        waiting.says("waiting for")
        file.rename(file.with_suffix(".old"))
        file.write_bytes(b"")
        other.execute("ROLLBACK")

        refused = refusal(waiting.end(), "db.E401", EXIT_LOCKED)

    assert "was replaced or deleted while the command used it" in refused.fact
    assert file.read_bytes() == b""


def test_without_a_right_on_the_version_table_the_right_is_named(runner: Start, login: URL) -> None:
    here = runner(login, TABLE)
    assert here.module("upgrade").end().code == EXIT_DONE
    here.database.execute(f'REVOKE ALL ON alembic_version FROM "{login.username}"')

    for verb, state in {"status": NOTHING_CHANGED, "upgrade": "What was not committed was rolled back."}.items():
        refused = refusal(here.module(verb).end(), "db.E313", EXIT_FAILED)
        assert refused.state == state
        assert refused.commands == [f"GRANT SELECT ON alembic_version TO {login.username};"]
    assert "error db.E313" in here.start("alembic", "current").end().err


def test_a_database_in_sql_ascii_takes_any_text(runner: Start, postgres: PostgresServer) -> None:
    execute(postgres.url, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    try:
        first = Script("first", upgrade='sql("CREATE TABLE é (ü int)")', downgrade='op.drop_table("é")')
        here = runner(postgres.url.set(database="ascii"), first)
        for words in (("upgrade",), ("status",), ("rollback", "--yes")):
            assert here.module(*words).end().code == EXIT_DONE, words
    finally:
        execute(postgres.url, "DROP DATABASE ascii WITH (FORCE)")


def test_what_depends_on_a_table_is_named(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, TABLE)
    assert here.module("upgrade").end().code == EXIT_DONE
    here.database.execute('CREATE VIEW "a\x1bb" AS SELECT * FROM t')

    refused = refusal(here.module("rollback", "--yes").end(), "db.E601", EXIT_FAILED)

    assert refused.details["detail"] == r'view "a\x1bb" depends on table t'
    assert "CASCADE" in refused.details["hint"]


@pytest.mark.parametrize(
    "models", ["import nowhere", "def (", "raise KeyError", "import sys; sys.exit(0)", "raise GeneratorExit"]
)
def test_models_that_cannot_be_imported_are_named(small: Clone, models: str) -> None:
    with_models(small)
    (small.folder / "models.py").write_text(models)

    for words in (("check",), ("revision", "--message=x")):
        refused = small.inv(*words)
        assert refused.code in (EXIT_USAGE, EXIT_FAILED)
        assert "models:metadata" in refused.err
        assert "E699" not in refused.err


@pytest.mark.parametrize("kind", ["sa.ARRAY(sa.Integer)", 'sa.String(9, collation="nowhere")'])
def test_what_one_engine_lacks_is_named_with_the_engine(small: Clone, kind: str) -> None:
    with_models(small)
    change_models(small, f'sa.Table("reserve", metadata, sa.Column("id", {kind}))\n')

    refused = refusal(small.inv("revision", "--message=x"), "db.E617", EXIT_FAILED)

    assert refused.fact.startswith("the models cannot be created on SQLite: ")
    assert "0x" not in refused.fact


def test_what_the_project_lacks_is_named(small: Clone) -> None:
    with_models(small)
    (small.folder / "alembic" / "script.py.mako").unlink()
    refused = refusal(small.inv("revision", "--empty", "--message=x"), "db.E210", EXIT_USAGE)
    assert "there is no script.py.mako" in refused.fact

    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("= rollback.sh", "= models.py/rollback.sh"))  # a path that cannot be one
    for words in (("rollback-script",), ("deployed", "base_00000000")):
        refused = refusal(small.inv(*words), "db.E616", EXIT_FAILED)
        assert "models.py" in refused.fact
