"""A revision does not write to a table of which row security hides rows from its role (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import RowsHidden
from tests.support.projects.histories import Database, Script, write_project

ENABLES = (
    "ALTER TABLE doc ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE doc FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own ON doc USING (tenant = 1)",
)
TABLES = Script("tables", upgrade='sql("CREATE TABLE doc (tenant INTEGER, s TEXT)", "CREATE TABLE other (s TEXT)")')
ROWS = "INSERT INTO doc VALUES (1, NULL), (2, NULL), (2, NULL)"
STRUCTURE = (
    "ALTER TABLE doc ADD COLUMN n INTEGER",
    "CREATE POLICY deletes ON doc FOR DELETE USING (tenant = 1)",
    "GRANT INSERT, UPDATE ON doc TO PUBLIC",
    "INSERT INTO other VALUES ('x')",
)
FILLS = "UPDATE doc SET s = 'filled'"
DYNAMIC = "DO $$ BEGIN EXECUTE 'UPD' || 'ATE d' || 'oc SET s = NULL WHERE tenant = 9'; END $$"

Build = Callable[..., Database]


@pytest.fixture
def history(tmp_path: Path, login: URL) -> Build:
    """Create a history on a database whose owner is not a superuser: `history(*scripts)`."""
    numbers = count()
    return lambda *scripts: Database(login, write_project(tmp_path / f"project{next(numbers)}", *scripts))


@pytest.mark.parametrize("writes", [FILLS, "DELETE FROM doc WHERE tenant = 9", DYNAMIC])
def test_a_write_that_may_miss_rows_is_refused(history: Build, writes: str) -> None:
    """This includes a write that reaches no row, and a write whose text does not name the table."""
    database = history(TABLES, Script("writes", upgrade=f"sql({writes!r})"))
    database.workflow.upgrade(to="tables")
    database.execute(ROWS, *ENABLES)

    with pytest.raises(RowsHidden, match="rows of doc from the upgrade of revision writes") as error:
        database.workflow.upgrade()

    assert "Nothing was changed." in error.value.state
    assert database.workflow.current() == ("tables",)


def test_a_write_in_the_same_run_is_refused_too(history: Build) -> None:
    """The run writes to the table before it switches row security on, which is allowed. Its next write is not."""
    rows, enables = Script("rows", upgrade=f"sql({ROWS!r})"), Script("enables", upgrade=f"sql(*{ENABLES!r})")

    with pytest.raises(RowsHidden) as error:
        history(TABLES, rows, enables, Script("fills", upgrade=f"sql({FILLS!r})")).workflow.upgrade()
    assert error.value.revision == "fills"
    with pytest.raises(RowsHidden) as error:
        history(TABLES, Script("all", upgrade=f"sql({ROWS!r}, *{ENABLES!r}, {FILLS!r})")).workflow.upgrade()
    assert error.value.revision == "all"


def test_what_reaches_every_row_or_is_declared_is_not_refused(history: Build) -> None:
    line = RowsHidden("r", "upgrade", ["doc"], "", "").hints[0].command
    database = history(
        TABLES,
        Script("rows", upgrade=f"sql({ROWS!r}, *{ENABLES!r})"),
        Script("structure", upgrade=f"sql(*{STRUCTURE!r})"),
        Script("some", upgrade=f"sql({FILLS!r})", row_security="only tenant 1 has this"),
        Script("every", upgrade=f"{line}; sql({FILLS!r}, {ENABLES[1]!r})"),
    )

    database.workflow.upgrade(to="some")
    assert filled(database) == 1
    database.workflow.upgrade()
    assert filled(database) == 3


def filled(database: Database) -> object:
    with database.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE doc NO FORCE ROW LEVEL SECURITY")
        found = connection.exec_driver_sql("SELECT count(s) FROM doc").scalar()
        connection.exec_driver_sql("ALTER TABLE doc FORCE ROW LEVEL SECURITY")
    return found
