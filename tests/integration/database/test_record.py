"""The record: what was run when, by whom and from which code. Other parts of the workflow must not see it."""

from __future__ import annotations

import getpass
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, text

from antarest import __version__
from antarest.migration.database.record import RecordLine, read_record
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.revision import VersionTable
from antarest.migration.project.revision_files import digest_of
from antarest.migration.run.request import REQUEST
from antarest.migration.schema.reflection import reflect
from tests.support.programs.user import User
from tests.support.projects.branches import Clone, column, table
from tests.support.projects.checkouts import ConfigFile
from tests.support.projects.histories import Database, Script


def record_of(database: Database) -> list[RecordLine]:
    with database.connect() as connection:
        return read_record(connection, VersionTable())


def test_each_move_is_a_line(clone: Clone) -> None:
    began = datetime.now(UTC).replace(tzinfo=None)
    commit = clone.commit("Add nothing")
    clone.write(table("first"))
    clone.database.workflow.upgrade()
    workflow = clone.database.workflow
    workflow.rollback(plan := workflow.plan_rollback(), plan.agreement)

    _, up, down = record_of(clone.database)

    assert (up.revision, up.direction, down.direction) == ("first_00000000", "upgrade", "downgrade")
    assert (up.user, up.host, up.version) == (getpass.getuser(), socket.gethostname(), __version__)
    assert up.git_commit == commit
    assert up.digest == digest_of((clone.versions / "first_00000000.py").read_bytes())
    assert began <= up.at <= down.at <= datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    assert 0 < up.seconds < 60


def test_what_is_rolled_back_is_not_recorded(clone: Clone) -> None:
    before = record_of(clone.database)
    clone.add(table("first"), Script("broken_00000000", upgrade='sql("SELECT * FROM nowhere")'))

    assert clone.inv("upgrade").code != EXIT_DONE

    assert record_of(clone.database) == before


def test_a_database_that_lacks_it_is_adopted_without_a_word(clone: Clone) -> None:
    clone.database.execute("DROP TABLE alembic_history")
    assert clone.inv("history").code == EXIT_DONE
    clone.add(table("first"))

    done = clone.inv("upgrade")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "history" not in done.out.replace("backup", "")
    assert [entry.revision for entry in record_of(clone.database)] == ["first_00000000"]


def test_a_stamp_is_recorded_as_one(clone: Clone) -> None:
    clone.add(table("first"))
    workflow = clone.database.workflow
    command.stamp(workflow.project.alembic_config(**{REQUEST: workflow.request}), "head")

    assert clone.current == ("first_00000000",)
    assert record_of(clone.database)[-1].direction == "stamp"
    assert "stamped 20" in clone.inv("history").out


def test_the_history_shows_it(clone: Clone) -> None:
    clone.add(column("base", "more"))

    shown = clone.inv("history").out.splitlines()

    (applied,) = [line for line in shown if line.startswith("* base_00000000")]
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert f"UTC  {who}  {__version__}" in applied
    (pending,) = [line for line in shown if line.startswith("  more_11111111")]
    assert who not in pending


def test_a_file_that_was_edited_since_is_named(clone: Clone) -> None:
    path = clone.versions / "base_00000000.py"
    path.write_text(path.read_text() + "\n# More.\n")

    assert "edited         base_00000000" in clone.inv("status").out
    assert json.loads(clone.inv("status", "--json").out)["edited"] == ["base_00000000"]
    assert "(current, head, edited since)" in clone.inv("history").out
    assert "record: the file of revision base_00000000 was edited after it was applied" in clone.inv("check").out


def test_a_revision_that_was_undone_and_edited_is_none_of_these(clone: Clone) -> None:
    path = clone.write(table("first"))
    clone.database.workflow.upgrade()
    workflow = clone.database.workflow
    workflow.rollback(plan := workflow.plan_rollback(), plan.agreement)
    path.write_text(path.read_text() + "\n# More.\n")

    assert "edited" not in clone.inv("status").out


def test_nobody_else_sees_it(migrated_database: URL, config_file: ConfigFile) -> None:
    """The comparisons with the models and of the engines leave it out, and a reset drops it."""
    user = User(migrated_database, config_file(migrated_database))
    with user.database.connected() as connection:
        assert "alembic_history" not in reflect(connection).tables
    assert user.inv("reset", "--yes", "--allow-data-loss", "--allow-production").code == EXIT_DONE
    with user.database.connected() as connection:
        lines = connection.execute(text("SELECT min(id), count(*) FROM alembic_history")).one()
    assert lines == (1, len(user.database.workflow.project.history))


@pytest.mark.parametrize("name", ["alembic_version", "versions"])
def test_a_project_with_a_version_table_of_its_own_has_a_record_of_its_own(
    tmp_path: Path, clone: Clone, name: str
) -> None:
    del tmp_path
    ini = clone.folder / "alembic.ini"
    ini.write_text(ini.read_text() + f"\n[antarest]\nversion_table = {name}\n")
    clone.add(table("first"))
    if name == "versions":
        clone.database.execute("ALTER TABLE alembic_version RENAME TO versions")
        clone.database.execute("ALTER TABLE alembic_history RENAME TO versions_history")

    assert clone.inv("upgrade").code == EXIT_DONE
    with clone.database.connect() as connection:
        assert [entry.revision for entry in read_record(connection, VersionTable(name))] == [
            "base_00000000",
            "first_00000000",
        ]
