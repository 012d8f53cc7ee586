"""Rare cases of releases and the record: SQL that cannot be written, roles with few rights, odd `alembic.ini`s."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.branches.deployed import changed_since, clear, record
from antarest.migration.errors.base import EXIT_FAILED
from antarest.migration.project.project import Project
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import Clone, table, well
from tests.support.projects.histories import Database, Script, write_project, write_script
from tests.support.servers.roles import execute, owner_of

CONCURRENTLY = Script(
    "index_00000000",
    upgrade="""
        if is_postgresql():
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_label ON base (label)")
    """,
    downgrade="""
        if is_postgresql():
            with op.get_context().autocommit_block():
                op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_label")
    """,
    transaction="none",
)
FUNCTION = Script(
    "function_00000000",
    upgrade="""
        if op.get_context().dialect.name == "postgresql":
            op.execute("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN\\n RETURN 1;\\nEND $$")
    """,
    downgrade="""
        if op.get_context().dialect.name == "postgresql":
            op.execute("DROP FUNCTION f()")
    """,
)


def in_sql(script: Script) -> Script:
    """The same SQL for `--sql`, which has no connection and so cannot ask for the engine."""
    test = 'op.get_context().dialect.name == "postgresql"'
    up, down = (text.replace("is_postgresql()", test) for text in (script.upgrade, script.downgrade))
    return Script(script.id, up, down, transaction=script.transaction)


def test_what_runs_outside_of_a_transaction_is_proved_too(small: Clone) -> None:
    small.add(in_sql(CONCURRENTLY), FUNCTION)

    assert "proved" in well(small.inv("sql", "base_00000000", "head"))
    assert "adds index" in well(small.inv("release-notes", "base_00000000", "head"))


def test_what_cannot_be_undone_is_not_written_as_sql(small: Clone) -> None:
    small.add(Script("final_00000000", irreversible="it deletes"))

    refusal(small.inv("sql", "base_00000000", "head"), "db.E503", EXIT_FAILED)
    refusal(small.inv("rollback", "--sql", "--to=base_00000000", "--head=final_00000000"), "db.E503", EXIT_FAILED)
    assert not (small.folder / "rollback.sql").exists()


def test_what_is_lost_stands_in_the_sql(small: Clone) -> None:
    small.add(table("reserve"))
    well(small.inv("sql", "base_00000000", "head"))
    assert "-- reserve_00000000 loses reserve: it makes it" in (small.folder / "rollback.sql").read_text()


@pytest.mark.parametrize(
    "body", ['op.get_bind().scalar(sa.text("SELECT 1"))', 'op.get_bind().execute(sa.text("SELECT 1")).fetchall()']
)
def test_a_revision_that_looks_at_the_database_is_named(small: Clone, body: str) -> None:
    small.add(Script("looks_00000000", upgrade=body))
    refused = refusal(small.inv("sql", "base_00000000", "head"), "db.E235", EXIT_FAILED)
    assert refused.fact == "revision looks_00000000 cannot be written as SQL: it reads from the database"


# ---- roles with few rights


def test_a_role_that_may_make_no_table_still_upgrades(tmp_path: Path, postgres_database: URL) -> None:
    project = write_project(tmp_path / "project", table("base"))
    with owner_of(postgres_database, "x") as login:
        database = Database(login, project)
        database.workflow.upgrade()
        database.execute("DROP TABLE alembic_history")
        execute(postgres_database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        execute(postgres_database, f'ALTER SCHEMA public OWNER TO "{postgres_database.username}"')
        execute(postgres_database, f'REVOKE ALL ON SCHEMA public FROM "{login.username}"')
        execute(postgres_database, f'GRANT USAGE ON SCHEMA public TO "{login.username}"')
        added = Script("more_00000000", upgrade='sql("ALTER TABLE base ADD COLUMN more INTEGER")')
        write_script(project.versions[0], added, "base_00000000")

        moved = Database(login, Project.load(project.ini)).workflow.upgrade()

    assert moved.after == ("more_00000000",)


def test_a_role_that_may_not_read_the_record_sees_none(tmp_path: Path, postgres_database: URL) -> None:
    project = write_project(tmp_path / "project", table("base"))
    Database(postgres_database, project).workflow.upgrade()
    with owner_of(postgres_database, "x") as login:
        execute(postgres_database, f'GRANT SELECT ON alembic_version TO "{login.username}"')
        execute(postgres_database, f'REVOKE ALL ON alembic_history FROM "{login.username}"')
        workflow = Database(login, project).workflow

        assert workflow.status().at_head
        assert [entry.record for entry in workflow.history()] == [None]


# ---- alembic.ini


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[antarest] ; ours\nmax_seconds = 1\n", "[antarest] ; ours\nmax_seconds = 1\ndeployed = {id}\n"),
        (
            "[antarest]\r\nmax_seconds = 1\r\n\r\n# Logging\r\n[x]\r\n",
            "[antarest]\r\nmax_seconds = 1\r\ndeployed = {id}\r\n\r\n# Logging\r\n[x]\r\n",
        ),
        (
            "[antarest]\nmax_seconds = 1\n\n# Logging\n[x]\ny = 1\n",
            "[antarest]\nmax_seconds = 1\ndeployed = {id}\n\n# Logging\n[x]\ny = 1\n",
        ),
        ("[antarest]\n[x]\n", "[antarest]\ndeployed = {id}\n[x]\n"),
        ("", "\n[antarest]\ndeployed = {id}\n"),
    ],
)
def test_the_rest_of_alembic_ini_stays_as_it_is(small: Clone, before: str, after: str) -> None:
    ini = small.folder / "alembic.ini"
    start = ini.read_text()
    ini.write_bytes((start + before).encode())

    record(Project.load(ini), "base_00000000")

    assert ini.read_bytes().decode() == start + after.format(id="base_00000000")
    assert Project.load(ini).deployed == "base_00000000"
    clear(Project.load(ini))
    assert "deployed" not in ini.read_text()


def test_files_of_the_same_name_in_two_folders_are_told_apart(small: Clone) -> None:
    ini = small.folder / "alembic.ini"
    locations = "version_locations = %(here)s/alembic/versions:%(here)s/more\n"
    ini.write_text(ini.read_text().replace("[loggers]", f"{locations}\n[loggers]"))
    (small.folder / "more").mkdir()
    (small.versions / "base_00000000.py").rename(small.versions / "same.py")
    write_script(small.folder / "more", table("second"), "base_00000000").rename(small.folder / "more" / "same.py")
    small.commit("Two folders")
    small.git("tag", "v1")

    record(small.project, "v1")

    assert changed_since(Project.load(ini)) == []
