"""`scripts/rollback.sh` as users run it: its target, its refusals, and its conflicts in git."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project import rollback_script
from antarest.migration.project.project import Project
from antarest.migration.workflow.plan import RollbackPlan
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User
from tests.support.projects.checkouts import Checkout, ConfigFile, Result

OLD_HEAD = HISTORY.head
NEW_HEAD = "feedfeedfeed"
SCRIPT = Path("scripts", "rollback.sh")

REVISION = '''"""add notes

Revision ID: {id}
Revises: {down}

"""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = "{down}"

lossy = {{"downgrade": {{"{table}": "created by this revision"}}}}


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("{table}")
'''


def write_revision(checkout: Checkout, id_: str, down: str, table: str = "note") -> Path:
    file = checkout.path / "alembic" / "versions" / f"{id_}_add_{table}.py"
    file.write_text(REVISION.format(id=id_, down=down, table=table))
    return file


def project_of(checkout: Checkout) -> Project:
    return Project.load(checkout.path / "alembic.ini")


def target(checkout: Checkout) -> tuple[str, str]:
    return rollback_script.parse(checkout.path / SCRIPT)


@pytest.fixture
def place(tmp_path: Path) -> Checkout:
    """A checkout in a folder with an odd name. Its own head has a downgrade that drops the table note."""
    checkout = Checkout.create(tmp_path / "it's a $(folder) & more")
    write_revision(checkout, NEW_HEAD, OLD_HEAD)
    rollback_script.write(project_of(checkout))
    assert target(checkout) == (OLD_HEAD, NEW_HEAD)
    return checkout


@pytest.fixture
def user(place: Checkout, sqlite_migrated: URL, config_file: ConfigFile) -> User:
    """A user with a database at the head of that checkout, with rows."""
    return at_head(place, sqlite_migrated, config_file)


@pytest.fixture
def user_of_each_engine(place: Checkout, migrated_database: URL, config_file: ConfigFile) -> User:
    """A user with such a database, on each engine in turn."""
    return at_head(place, migrated_database, config_file)


def at_head(place: Checkout, url: URL, config_file: ConfigFile) -> User:
    user = User(url, config_file(url), place.path)
    MigrationWorkflow(project_of(place), DbConfig(url=user.url)).upgrade()
    user.database.execute("INSERT INTO note (id) VALUES (1), (2)", "INSERT INTO tag (label) VALUES ('a')")
    return user


# ---- where it goes


def test_it_goes_to_the_predecessor_of_head_and_passes_its_arguments_on(user_of_each_engine: User) -> None:
    user = user_of_each_engine
    rows = user.database.rows()

    shown = user.run(SCRIPT, "--dry-run")
    assert shown.code == EXIT_DONE, shown.err
    assert f"{NEW_HEAD} -> {OLD_HEAD} (1 revision)" in shown.out
    assert "drops table note (2 rows)" in shown.out
    for flags in ((), ("--yes",)):
        refused = refusal(user.run(SCRIPT, *flags), "db.E502", EXIT_FAILED)
        assert refused.details["loses"].startswith("note: 2 rows")
    assert user.current() == (NEW_HEAD,)
    assert user.database.rows() == rows

    done = user.run(SCRIPT, "--allow-data-loss")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert f"the database is at {OLD_HEAD}" in done.out
    assert user.current() == (OLD_HEAD,)
    assert user.database.rows().tables == {name: each for name, each in rows.tables.items() if name != "note"}


def test_it_works_from_any_folder_with_the_configuration_that_is_named(user: User, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    user.config.rename(other)
    script = user.folder / SCRIPT

    done = user.run(script, f"--config={other}", "--allow-data-loss", cwd=Path("/"), env={"PYTHONPATH": ""})

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert user.current() == (OLD_HEAD,)
    again = user.run(os.path.relpath(script, tmp_path), "--config=other.yaml", cwd=tmp_path, env={"PYTHONPATH": ""})
    assert (again.code, again.err) == (EXIT_DONE, "")
    assert f"nothing to do: the database is at {OLD_HEAD}" in again.out


@pytest.mark.parametrize("script", ["scripts/rollback.sh", "./a link"])
def test_it_finds_its_project_whatever_the_shell_is_told(place: Checkout, user: User, script: str) -> None:
    """An exported CDPATH makes `cd` print its folder. A link to the script is in another folder."""
    (place.path / "a link").symlink_to(SCRIPT)
    (place.path / "elsewhere" / "scripts").mkdir(parents=True)

    shown = user.run(script, "--dry-run", env={"CDPATH": "elsewhere:."})

    assert shown.code == EXIT_DONE, shown.err
    assert f"{NEW_HEAD} -> {OLD_HEAD} (1 revision)" in shown.out


@pytest.mark.parametrize("is_named", [True, False])
def test_no_module_of_the_user_takes_the_place_of_one_of_its_own(user: User, tmp_path: Path, *, is_named: bool) -> None:
    """Modules in the current folder or in PYTHONPATH come after the packages of the program."""
    for name in ("sqlalchemy", "antarest", "runpy", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(0)\n")
    search = {"PYTHONPATH": str(tmp_path) if is_named else ""}

    shown = user.run(user.folder / SCRIPT, "--dry-run", cwd=user.folder if is_named else tmp_path, env=search)

    assert f"{NEW_HEAD} -> {OLD_HEAD} (1 revision)" in shown.out, shown.err


def test_it_asks_on_a_terminal(user: User) -> None:
    done = user.at_terminal(SCRIPT, answer="n")

    assert done.code == EXIT_FAILED
    assert f"Roll back to {OLD_HEAD} and lose this? [y/N]" in done.out
    assert user.current() == (NEW_HEAD,)


# ---- when it refuses


@pytest.mark.parametrize("steps", ["one", "all"])
def test_it_refuses_a_database_that_is_not_above_its_revision(place: Checkout, user: User, steps: str) -> None:
    below = HISTORY.states_below([OLD_HEAD])[0 if steps == "one" else -1]
    to_below = RollbackPlan((NEW_HEAD,), below, ())
    MigrationWorkflow(project_of(place), DbConfig(url=user.url)).rollback(to_below, Agreement(everything=True))
    before = user.database.schema(), user.database.rows()

    refused = refusal(user.run(SCRIPT, "--allow-data-loss"), "db.E209", EXIT_FAILED)

    assert f"revision {OLD_HEAD} is not below the current one" in refused.fact
    assert refused.details["current"] == below
    assert (user.database.schema(), user.database.rows()) == before


def test_it_refuses_when_another_head_has_overtaken_it(place: Checkout, user: User) -> None:
    write_revision(place, "feedfeedfee0", NEW_HEAD, "more")
    before = user.database.schema(), user.database.rows()

    refused = refusal(user.run(SCRIPT, "--allow-data-loss"), "db.E801", EXIT_FAILED)

    assert NEW_HEAD in refused.fact
    assert "feedfeedfee0" in refused.fact
    assert refused.commands[0].startswith("inv db.rollback-script --project=")
    assert user.current() == (NEW_HEAD,)
    assert (user.database.schema(), user.database.rows()) == before


# ---- git


def merge(checkout: Checkout, branch: str) -> Result:
    person = {f"GIT_{role}_{what}": "tests" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return checkout.run("git", "merge", "--no-edit", branch, env={"GIT_CONFIG_GLOBAL": os.devnull, **person})


def test_two_branches_with_a_revision_each_conflict_in_it(
    checkout: Checkout, sqlite_migrated: URL, config_file: ConfigFile
) -> None:
    user = User(sqlite_migrated, config_file(sqlite_migrated), checkout.path)
    for branch, id_ in (("left", "aaaaaaaaaaa1"), ("right", "aaaaaaaaaaa2")):
        checkout.git("switch", "--quiet", "--create", branch, "main")
        write_revision(checkout, id_, OLD_HEAD, table=branch)
        rollback_script.write(project_of(checkout))
        checkout.commit(f"Add {branch}")

    done = merge(checkout, "left")

    assert done.code == 1
    assert "Merge conflict in scripts/rollback.sh" in done.out
    assert checkout.git("diff", "--name-only", "--diff-filter=U").split() == [str(SCRIPT)]
    assert user.run(SCRIPT, "--allow-data-loss").code != EXIT_DONE
    assert user.current() == (OLD_HEAD,)
    refusal(user.inv("rollback-script"), "db.E202", EXIT_FAILED)

    write_revision(checkout, "aaaaaaaaaaa2", "aaaaaaaaaaa1", table="right")
    assert user.inv("rollback-script").code == EXIT_DONE

    assert target(checkout) == ("aaaaaaaaaaa1", "aaaaaaaaaaa2")
    assert (checkout.path / SCRIPT).read_text() == rollback_script.render(project_of(checkout))
    assert user.inv("upgrade").code == EXIT_DONE
    assert user.run(SCRIPT).code == EXIT_DONE
    assert user.current() == ("aaaaaaaaaaa1",)


# ---- who keeps it in sync


def test_a_command_that_moves_a_database_from_a_checkout_mends_it_and_an_installed_copy_does_not(
    checkout: Checkout, sqlite_database: URL, config_file: ConfigFile
) -> None:
    user = User(sqlite_database, config_file(sqlite_database), checkout.path)
    script = checkout.path / SCRIPT
    right = script.read_text()
    stale = right.replace(OLD_HEAD, HISTORY.order[1])
    script.write_text(stale)
    folder = checkout.path / ".git"
    shutil.move(folder, checkout.path.parent / "git")

    installed = user.inv("upgrade", f"--to={HISTORY.order[0]}")

    assert installed.code == EXIT_DONE, installed.err
    assert script.read_text() == stale

    shutil.move(checkout.path.parent / "git", folder)
    done = user.inv("upgrade", f"--to={HISTORY.order[1]}")

    assert done.code == EXIT_DONE, done.err
    assert f"rewrote {script}" in done.out
    assert script.read_text() == right
