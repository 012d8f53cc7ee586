"""After a commit, a command prints on any stream that still works what it has committed, and exits with 5."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_UNREPORTED
from tests.support.programs.runs import GATE, Start
from tests.support.projects.branches import Clone, change_models, table, with_models
from tests.support.projects.histories import Script

WAITS = Script("waits", upgrade=GATE)


def test_a_reader_that_leaves_during_a_run_does_not_end_it_and_is_told_elsewhere(
    runner: Start, sqlite_database: URL
) -> None:
    here = runner(sqlite_database, WAITS)
    run = here.started()
    assert run.process.stdout
    run.process.stdout.close()
    here.open()

    result = run.end()

    assert result.code == EXIT_UNREPORTED
    assert "upgraded: 1 revision" in result.err
    assert "the database is at waits" in result.err
    assert "error db.E614" in result.err
    assert "rolled back" not in result.err
    assert here.database.value("SELECT version_num FROM alembic_version") == "waits"


@pytest.mark.parametrize("buffered", ["", "1"])
def test_alembic_says_on_its_output_what_it_could_not_log(runner: Start, sqlite_database: URL, buffered: str) -> None:
    here = runner(sqlite_database, WAITS)
    here.open()

    result = here.start("sh", "-c", "exec alembic upgrade head 2>/dev/full", PYTHONUNBUFFERED=buffered).end()

    assert result.code == EXIT_UNREPORTED
    assert "the database is at waits" in result.out
    assert "error db.E614" in result.out


def test_an_error_after_a_commit_does_not_say_that_nothing_was_changed(small: Clone) -> None:
    """The newest revision is rolled back, and then the tables of the models cannot be created."""
    with_models(small)
    small.add(table("reserve"))
    small.sync()
    change_models(small, 'sa.Table("reserve", metadata, sa.Column("id", sa.String(9, collation="nowhere")))\n')

    refused = small.inv("revision", "--amend", "--discard-edits", "--yes")

    assert "error db.E617" in refused.err
    assert "The database is at base_00000000; what the lines above say was done stays." in refused.err
    assert small.current == ("base_00000000",)


def test_an_upgrade_that_cannot_say_what_it_will_do_does_nothing(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, WAITS)

    result = here.start("sh", "-c", "exec python -m antarest.migration upgrade >/dev/full").end()

    assert "error db.E613" in result.err
    assert "Nothing was changed." in result.err
    assert not here.at_gate.exists()
