"""Alembic's own commands use the same code as `inv db.*`, and have the same results."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg2
from sqlalchemy import URL, make_url

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.project.rollback_script import parse
from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import Inventory
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY, Database
from tests.support.programs.user import User
from tests.support.projects.checkouts import Checkout, ConfigFile, Result

HEAD = HISTORY.head
TASKS = "2ed6bf9f1690"  # its downgrade drops taskjob and taskjoblog
BEFORE_TASKS = HISTORY.states_below([TASKS])[0]
TASK = "INSERT INTO taskjob (id, name, status, creation_date) VALUES ('a', 'a', 'PENDING', '2021-01-01 00:00:00')"


def alembic(user: User, *arguments: str) -> Result:
    """Run a command that succeeds."""
    done = user.run("alembic", *arguments)
    assert done.code == EXIT_DONE, done.err
    return done


# ---- moving


def test_upgrade_and_downgrade_are_those_of_inv(user: User, migrated_database: URL) -> None:
    alembic(user, "upgrade", "head")

    assert user.current() == (HEAD,)
    assert differences(user.database.schema(), Database(migrated_database).schema()) == []
    assert alembic(user, "current").out == f"{HEAD} (head)\n"

    alembic(user, "downgrade", "-1")

    below = HISTORY.states_below([HEAD])[0]
    Database(migrated_database).downgrade(below)
    assert user.current() == (below,)
    assert differences(user.database.schema(), Database(migrated_database).schema()) == []
    assert alembic(user, "current").out == f"{below}\n"


def test_a_downgrade_loses_nothing_that_nobody_agreed_to(user: User) -> None:
    user.database.upgrade(TASKS)
    user.database.execute(TASK)
    rows = user.database.rows()

    refused = refusal(user.run("alembic", "downgrade", "-1"), "db.E502", EXIT_FAILED)

    assert refused.details["loses"].startswith("taskjob: 1 row")
    assert user.current() == (TASKS,)
    assert user.database.rows() == rows

    alembic(user, "-x", "allow-data-loss", "downgrade", "-1")
    assert user.current() == (BEFORE_TASKS,)


def test_the_configuration_can_be_named_on_the_command_line(user: User, tmp_path: Path) -> None:
    file = user.config.rename(tmp_path / "other.yaml")

    alembic(user, "-x", f"config={file}", "upgrade", TASKS)

    assert user.current() == (TASKS,)


def test_stamp_records_and_runs_nothing(user: User) -> None:
    alembic(user, "stamp", "head")

    schema = user.database.schema()
    assert user.current() == (HEAD,)
    assert schema == Inventory(engine=schema.engine)


def test_sql_is_written_for_postgresql_and_makes_the_same_schema(
    migrated_database: URL, empty_database: URL, config_file: ConfigFile
) -> None:
    """On SQLite there is a clear error, because a rebuild of a table depends on the content of the database."""
    user = User(empty_database, config_file(empty_database))
    done = user.run("alembic", "upgrade", "head", "--sql")
    if empty_database.get_backend_name() == "sqlite":
        assert "PostgreSQL only" in refusal(done, "db.E705", EXIT_FAILED).fact
        return

    assert done.code == EXIT_DONE, done.err
    assert user.database.schema().tables == {}
    text = empty_database.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(text)
    try:
        connection.autocommit = True  # the script has its own BEGIN and COMMIT
        connection.cursor().execute(done.out)
    finally:
        connection.close()
    assert user.current() == (HEAD,)
    assert differences(user.database.schema(), Database(migrated_database).schema()) == []


# ---- looking


def test_what_only_looks_needs_and_creates_no_database(sqlite_database: URL, config_file: ConfigFile) -> None:
    user = User(sqlite_database, config_file(sqlite_database))

    assert alembic(user, "current").out == ""
    assert alembic(user, "heads").out == f"{HEAD} (head)\n"
    assert f"Revision ID: {HEAD}" in alembic(user, "show", "head").out
    assert listed(alembic(user, "history").out) == list(reversed(HISTORY.order))
    assert not Path(str(sqlite_database.database)).exists()


def test_history_and_show_know_where_the_database_is(user: User) -> None:
    alembic(user, "ensure_version")
    assert alembic(user, "show", "current").out == ""
    assert user.current() == ()
    user.database.upgrade(TASKS)

    history = alembic(user, "history", "--indicate-current").out

    assert listed(history) == list(reversed(HISTORY.order))
    assert [line for line in history.splitlines() if "(current)" in line] == [
        f"{BEFORE_TASKS} -> {TASKS} (current), {HISTORY[TASKS].message}"
    ]
    assert alembic(user, "show", "current").out.count(f"Revision ID: {TASKS}") == 1


def listed(history: str) -> list[str]:
    """Return the revisions that `alembic history` lists."""
    return re.findall(r"^\S+ -> (\w+)", history, re.MULTILINE)


# ---- writing


def test_a_revision_is_finished_as_by_inv(checkout: Checkout) -> None:
    by_alembic = written(checkout, "alembic", "revision", "-m", "purge old tasks")
    by_inv = written(checkout, "inv", "db.revision", "--empty", "--message=purge old tasks")

    assert by_alembic == by_inv


def test_an_autogenerated_revision_is_that_of_inv(checkout: Checkout) -> None:
    model = checkout.path / "antarest" / "study" / "model.py"
    anchor = "    folder: Mapped"
    model.write_text(model.read_text().replace(anchor, f"    horizon: Mapped[str | None]\n{anchor}", 1))
    checkout.commit("Add the horizon")
    check = checkout.run("alembic", "check")
    assert check.code != EXIT_DONE
    assert "New upgrade operations detected" in check.out + check.err

    by_alembic = written(checkout, "alembic", "revision", "--autogenerate", "-m", "add study horizon")
    by_inv = written(checkout, "inv", "db.revision", "--message=add study horizon")

    assert "horizon" in by_alembic
    assert by_alembic == by_inv


def test_check_sees_no_difference(checkout: Checkout) -> None:
    done = checkout.run("alembic", "check")

    assert done.code == EXIT_DONE, done.err
    assert "No new upgrade operations detected." in done.out


def test_a_merge_is_written_without_a_database(checkout: Checkout, config_file: ConfigFile) -> None:
    user = User(make_url("sqlite:///"), config_file("postgresql://nobody@127.0.0.1:1/none"), checkout.path)
    versions = checkout.path / "alembic" / "versions"
    for id_ in ("aaaaaaaaaaa1", "aaaaaaaaaaa2"):
        lines = (
            f'"""{id_}"""',
            f'revision = "{id_}"',
            f'down_revision = "{HEAD}"',
            "def upgrade(): ...",
            "def downgrade(): ...",
        )
        (versions / f"{id_}_add.py").write_text("\n".join(lines))

    alembic(user, "merge", "heads", "-m", "merge heads")

    (file,) = [path for path in checkout.revisions if path.name.endswith("_merge_heads.py")]
    assert parse(checkout.path / "scripts" / "rollback.sh") == (HEAD, file.name[:12])


def written(checkout: Checkout, *command: str) -> str:
    """Return the revision file that a command writes, without its id and time. rollback.sh must be in sync with it."""
    before = set(checkout.revisions)
    done = checkout.run(*command)
    assert done.code == EXIT_DONE, done.err
    (file,) = set(checkout.revisions) - before
    id_ = file.name.partition("_")[0]
    assert parse(checkout.path / "scripts" / "rollback.sh") == (HEAD, id_)
    text = re.sub("Create Date: .*", "Create Date:", file.read_text())
    checkout.git("restore", ".")
    file.unlink()
    return f"{file.name}\n{text}".replace(id_, "ID")
