"""Other sessions write while an UPDATE waits (PostgreSQL). The values that the UPDATE then replaces are counted too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg2.errors import LockNotAvailable
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import LossNotDeclared
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from tests.integration.losses.test_writers import GATE, TABLES, VALUES, open_while_it_waits
from tests.support.programs.runs import Runner, session
from tests.support.projects.histories import Database, Script, write_project

ANY_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

TAKING = Script(
    "tables",
    upgrade="""sql(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, stats TEXT)",
        "INSERT INTO job VALUES (1, NULL), (2, NULL)",
        "CREATE TABLE name (name TEXT UNIQUE)",
        "CREATE TABLE named (name TEXT REFERENCES name (name) ON UPDATE CASCADE ON DELETE SET NULL)",
        "CREATE VIEW seen AS SELECT stats AS s FROM job",
        "CREATE FUNCTION take() RETURNS int LANGUAGE sql AS 'UPDATE job SET stats = NULL RETURNING 1'",
        "CREATE FUNCTION taking() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM take(); RETURN NULL; END'",
        "CREATE TABLE part (id INTEGER)",
        "CREATE TRIGGER takes AFTER INSERT ON part EXECUTE FUNCTION taking()",
        "CREATE TABLE late (id INTEGER)",
        "CREATE CONSTRAINT TRIGGER takes AFTER INSERT ON late INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION taking()",
    )""",
)
OVERWRITTEN = {
    "an UPDATE": "UPDATE job SET stats = NULL",
    "an empty text": "UPDATE job SET stats = ''",
    "a query that finds nothing": "UPDATE job SET stats = (SELECT name FROM name WHERE name = 'y')",
    "ON CONFLICT": "INSERT INTO job VALUES (1), (2) ON CONFLICT (id) DO UPDATE SET stats = excluded.stats",
    "MERGE": "MERGE INTO job USING name ON true WHEN MATCHED THEN UPDATE SET stats = NULL",
    "WITH": "WITH a AS (UPDATE job SET stats = NULL RETURNING 1) SELECT count(*) FROM a",
    "a view": "UPDATE seen SET s = NULL",
    "a function": "SELECT take()",
    "a block": "DO $$BEGIN UPDATE job SET stats = NULL; END$$",
    "made-up names": "DO $$BEGIN EXECUTE 'UPDATE jo' || 'b SET stats = NULL'; END$$",
    "what is prepared": "PREPARE takes AS UPDATE job SET stats = NULL; EXECUTE takes",
    "a trigger": "INSERT INTO part DEFAULT VALUES",
    "a deferred trigger": "INSERT INTO late DEFAULT VALUES",
    "a key, by a DELETE": "DELETE FROM name",
    "a key, by an UPDATE": "UPDATE name SET name = NULL",
}


@pytest.fixture(scope="module")
def taken_from(postgres: PostgresServer) -> Iterator[URL]:
    """A database that refused runs do not change, with objects that remove values."""
    with scratch_database("postgresql", postgres) as url:
        yield url


@pytest.mark.parametrize("claim", OVERWRITTEN)
def test_a_value_that_is_committed_while_an_update_waits_is_counted(
    taken_from: URL, tmp_path: Path, claim: str
) -> None:
    here = Database(
        taken_from, write_project(tmp_path, TAKING, Script("takes", upgrade=f"sql({OVERWRITTEN[claim]!r})"))
    )
    here.workflow.upgrade("tables")
    here.execute("UPDATE job SET stats = NULL", "TRUNCATE name CASCADE", "INSERT INTO name VALUES ('x')")
    item = "named.name" if "key" in claim else "job.stats"
    writes = "INSERT INTO named VALUES ('x'), ('x')" if "key" in claim else VALUES

    with open_while_it_waits(taken_from, writes, ANY_WAITS), pytest.raises(LossNotDeclared) as error:
        here.workflow.upgrade()

    lost = {loss.item: loss.count for loss in error.value.losses}
    assert lost[item] == 2
    assert lost.keys() <= {item, "name", "name.name"}


def test_a_block_that_takes_values_and_then_fails_says_why(taken_from: URL, tmp_path: Path) -> None:
    block = "DO $$BEGIN UPDATE job SET stats = NULL; EXECUTE 'SELECT 1 / 0'; END$$"
    here = Database(taken_from, write_project(tmp_path, TAKING, Script("takes", upgrade=f"sql({block!r})")))
    here.workflow.upgrade("tables")

    with pytest.raises(RevisionFailed, match="division by zero"):
        here.workflow.upgrade()


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_what_a_revision_writes_in_a_savepoint_is_not_taken_for_the_work_of_others(
    taken_from: URL, tmp_path: Path, ends: str
) -> None:
    upgrade = f"""
        nested = op.get_bind().begin_nested()
        sql("UPDATE job SET stats = NULL WHERE id = 1")
        nested.{ends}()
        sql("UPDATE job SET stats = NULL WHERE id = 2")
    """
    here = Database(taken_from, write_project(tmp_path, TAKING, Script("takes", upgrade=upgrade)))
    here.workflow.upgrade("tables")
    here.execute(VALUES)

    with pytest.raises(LossNotDeclared) as error:
        here.workflow.upgrade()

    assert [loss.count for loss in error.value.losses] == [2 if ends == "commit" else 1]


def test_others_can_read_what_an_update_changes_and_write_to_what_it_only_fills(
    postgres_database: URL, tmp_path: Path
) -> None:
    here_, gate = tmp_path / "here", tmp_path / "gate"
    statements = "UPDATE job SET stats = upper(stats)", "UPDATE log SET text = 'x' WHERE text IS NULL"
    script = Script("changes", upgrade=f"sql(*{statements!r}); exec({GATE.format(str(here_), str(gate))!r})")
    here = Database(postgres_database, write_project(tmp_path / "project", TABLES, script))
    here.workflow.upgrade("tables")

    with ThreadPoolExecutor(1) as pool, session(postgres_database, "SET lock_timeout = 100") as other:
        upgrade = pool.submit(here.workflow.upgrade)
        Runner.wait_for(lambda: here_.exists() or upgrade.done())
        other.cursor().execute("SELECT stats FROM job; INSERT INTO log VALUES (NULL, 'y')")
        with pytest.raises(LockNotAvailable):
            other.cursor().execute(VALUES)
        gate.touch()
        upgrade.result()
