"""A disk without room, of the server or of the SQLite file: the run is rolled back, and the error says what is full."""

from __future__ import annotations

import pytest
from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from antarest.migration.database.driver_errors import is_refusal
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, NOTHING_CHANGED
from tests.support.programs.runs import Runner, Start, refused
from tests.support.projects.histories import Script

TABLE = Script("table", upgrade='sql("CREATE TABLE study (id INTEGER)", "INSERT INTO study VALUES (1)")')
FULL = """
if {ready}:
    if is_postgresql():
        sql("COPY study TO '/dev/full'")
    else:
        sql("PRAGMA max_page_count = 9", "CREATE TABLE big AS SELECT zeroblob(99999) AS b", "DROP TABLE big")
"""
ROLLED_BACK = f"{NOTHING_CHANGED} The run was rolled back; the database is still at {{}}."
FUNCTION = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE 'could not extend file' USING ERRCODE = 'disk_full';
END $$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT OR UPDATE ON alembic_history DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION full_disk()
"""


def broken(here: Runner, verb: str, *flags: str, at: str) -> None:
    """The command fails because of a full disk, and changes nothing."""
    before = here.database.state()

    error = refused(here.module(verb, *flags), "db.E315", EXIT_FAILED)

    assert error.fact.startswith(("a disk of PostgreSQL on ", "the disk of the SQLite file is full: "))
    assert error.state.startswith(ROLLED_BACK.format(at))
    assert "status" in error.commands[0]
    assert here.database.state() == before


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_full_disk_has_a_code_of_its_own_and_nothing_is_changed(
    runner: Start, sqlite_database: URL, postgres_database: URL, engine: str
) -> None:
    url = sqlite_database if engine == "sqlite" else postgres_database
    is_scratch = f"op.get_bind().engine.url.database != {url.database!r}"  # A reset looks there first.
    filled = "import os\n" + FULL.format(ready=f"os.environ.get('FULL') != 'no' and not {is_scratch}")
    here = runner(url, TABLE, Script("fills", upgrade=filled, downgrade=filled))
    here.database.workflow.upgrade("table")

    broken(here, "upgrade", at="table")
    assert here.start("python", "-m", "antarest.migration", "upgrade", FULL="no").end().code == EXIT_DONE
    broken(here, "rollback", "--yes", "--allow-data-loss", at="fills")
    broken(here, "reset", "--yes", "--allow-data-loss", "--allow-production", at="fills")


def test_a_commit_that_a_full_disk_refuses_is_none(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, TABLE, Script("more"))
    here.database.workflow.upgrade("table")
    here.database.execute(FUNCTION, TRIGGER)

    broken(here, "upgrade", at="table")

    engine = create_engine(postgres_database, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("UPDATE alembic_history SET revision = revision").rowcount == 1
        with pytest.raises(DBAPIError) as error:
            connection.commit()
    assert is_refusal(error.value), "the server has answered"
