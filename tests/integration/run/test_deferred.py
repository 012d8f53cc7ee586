"""Deferred keys and constraint triggers of PostgreSQL run at the end of each revision, and not at the commit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.run import DeferredConstraintFailed, RevisionFailed
from antarest.migration.release.sql_scripts import upgrade_sql
from tests.support.projects.histories import Database, Script, write_project

KEY = 'CONSTRAINT "5%% of: it" REFERENCES grp'
TABLES = Script(
    "tables",
    upgrade=f"""
        sql("CREATE TABLE grp (id INTEGER PRIMARY KEY)",
            '''CREATE TABLE node (id INTEGER, grp_id INTEGER {KEY} DEFERRABLE INITIALLY DEFERRED)''')
    """,
    downgrade='sql("DROP TABLE node", "DROP TABLE grp")',
)
NAMESAKE = Script("namesake", upgrade=f"sql('''CREATE TABLE leaf (id INTEGER, grp_id INTEGER {KEY})''')")
ADD_COLUMN = 'sql("ALTER TABLE node ADD COLUMN extras TEXT")'


Build = Callable[..., Database]


def insert(number: int) -> str:
    """Return the body of a revision that inserts a node before its group, which only a deferred key permits."""
    return f'sql("INSERT INTO node (id, grp_id) VALUES ({number}, {number})", "INSERT INTO grp VALUES ({number})")'


@pytest.fixture
def history(tmp_path: Path, postgres_database: URL) -> Build:
    """Create a history on an empty database: `history(*scripts)`."""
    numbers = count()
    return lambda *scripts: Database(postgres_database, write_project(tmp_path / f"project{next(numbers)}", *scripts))


def test_nothing_is_pending_for_the_next_revision_and_keys_are_deferred_again(history: Build) -> None:
    """One run upgrades an empty database. A revision alters the table to which the previous revision has written."""
    database = history(
        TABLES,
        Script("first", upgrade=insert(1)),
        Script("alters", upgrade=ADD_COLUMN),
        Script("second", upgrade=insert(2)),
    )

    database.workflow.upgrade()

    assert database.workflow.current() == ("second",)
    assert database.value("SELECT count(*) FROM node JOIN grp ON grp.id = grp_id") == 2


@pytest.mark.parametrize("how", ["{}", "DO $$ BEGIN EXECUTE '{}'; END $$"], ids=["a statement", "a block"])
def test_a_key_that_a_later_revision_makes_is_seen(history: Build, how: str) -> None:
    """The server is asked for deferrable constraints again only after a statement that may have created one."""
    node = f"CREATE TABLE node (id INTEGER, grp_id INTEGER {KEY} DEFERRABLE INITIALLY DEFERRED)"
    made = how.format(node)
    database = history(
        Script("groups", upgrade='sql("CREATE TABLE grp (id INTEGER PRIMARY KEY)")'),
        Script("quiet", upgrade='sql("INSERT INTO grp VALUES (7)")'),
        Script("nodes", upgrade=f"sql({made!r})"),
        Script("first", upgrade=insert(1)),
        Script("alters", upgrade=ADD_COLUMN),
    )

    database.workflow.upgrade()

    assert database.workflow.current() == ("alters",)


def test_nor_in_a_script_for_a_dba(history: Build) -> None:
    database = history(
        TABLES,
        Script("first", upgrade='op.execute("INSERT INTO node VALUES (1, 1); INSERT INTO grp VALUES (1)")'),
        Script("alters", upgrade='op.execute("ALTER TABLE node ADD COLUMN extras TEXT")'),
        Script("second", upgrade='op.execute("INSERT INTO node VALUES (2, 2); INSERT INTO grp VALUES (2)")'),
        Script("last", upgrade='op.execute("ALTER TABLE node DROP COLUMN extras")'),
    )
    database.workflow.upgrade(to="tables")

    database.execute("".join(upgrade_sql(database.project, "tables", "last")))

    assert database.workflow.current() == ("last",)
    assert database.value("SELECT count(*) FROM node JOIN grp ON grp.id = grp_id") == 2


def test_a_key_that_only_a_later_revision_repairs_is_the_fault_of_the_one_that_breaks_it(history: Build) -> None:
    database = history(
        TABLES,
        Script("breaks", upgrade='sql("INSERT INTO node VALUES (1, 1)")'),
        Script("repairs", upgrade='sql("INSERT INTO grp VALUES (1)")'),
    )

    with pytest.raises(DeferredConstraintFailed, match="5% of: it") as error:
        database.workflow.upgrade()

    assert error.value.revision == "breaks"
    assert database.workflow.current() == ()


def test_a_namesake_that_is_not_deferred_is_refused_by_name_if_its_mode_matters(history: Build) -> None:
    database = history(
        TABLES,
        NAMESAKE,
        Script("alone", upgrade="pass"),
        Script("writes", upgrade=insert(1)),
        Script("last", upgrade=ADD_COLUMN),
    )

    with pytest.raises(RevisionFailed, match='"5% of: it" of node is INITIALLY DEFERRED, and that of leaf') as error:
        database.workflow.upgrade()

    assert error.value.revision == "last"
    database.workflow.upgrade(to="writes")
    database.workflow.upgrade()
    assert database.workflow.current() == ("last",)


def test_what_is_pending_within_a_revision_is_explained(history: Build) -> None:
    database = history(TABLES, Script("both", upgrade=f"{insert(1)}; {ADD_COLUMN}"))

    with pytest.raises(RevisionFailed, match="pending trigger events") as error:
        database.workflow.upgrade()

    line = error.value.hints[0].command
    repaired = Script("both", upgrade=f"{insert(1)}; {line}; {ADD_COLUMN}")
    history(TABLES, repaired).workflow.upgrade()
