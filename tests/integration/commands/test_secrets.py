"""No password is shown: not in the output of commands, nor in the files and processes that they create.

A new verb fails here until `EACH_VERB` and `ALL_IS_WELL` contain it.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import URL, NullPool, create_engine

from antarest.migration.commands.table import VERBS
from antarest.migration.database.lock.postgresql import _RUN
from antarest.migration.errors.settings.urls import normalise_url, redact_url
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.scratch.embedded_postgres import free_port
from tests.integration.commands.test_bad_input import CONFIGURATIONS
from tests.support.checks.refusals import MARK, SECRET
from tests.support.checks.secrets import ALL_IS_WELL, EACH_VERB, ONLY_ON_SCRATCH, PLAIN_ALEMBIC, Watched
from tests.support.projects.checkouts import Checkout
from tests.support.projects.workshop import Workshop
from tests.support.servers.roles import execute, owner_of

A_PROGRAM = ["a program"]  # it calls the workflow, and prints the traceback of any exception


def each_command(what: str) -> list[list[str]]:
    """All commands. The output with `--debug` contains the output without it.

    The verbs that use only scratch databases take most of the time. They are called in two places where something is
    wrong, and succeed there.
    """
    left_out = () if what in {"the database", "an unknown key"} else ONLY_ON_SCRATCH
    ours = [[verb, *flags, "--debug"] for verb, flags in EACH_VERB.items() if verb not in left_out]
    return [["upgrade"], *ours, *(command.split() for command in PLAIN_ALEMBIC)]


def test_each_verb_is_tried() -> None:
    assert EACH_VERB.keys() == VERBS.keys()
    # A baseline proves the whole history. So it runs only where the database is wrong, on a small project.
    assert {command.split()[0] for command, _ in ALL_IS_WELL} | {"baseline"} == {*VERBS, "alembic"}


# ---- all is well


@pytest.fixture
def at_work(checkout: Checkout, login: URL) -> Watched:
    """A checkout with a configuration, and a database."""
    return working(checkout, login)


def working(checkout: Checkout, login: URL, **db: str) -> Watched:
    """Create a checkout with a configuration, and further settings of its section db."""
    section = {"url": login.render_as_string(hide_password=False), **db}
    (checkout.path / "application.yaml").write_text(yaml.safe_dump({"db": section}))
    return Watched(checkout.path, {"PYTHONPATH": str(checkout.path)})


def test_where_all_is_well(checkout: Checkout, dumpable: tuple[PostgresServer, Path]) -> None:
    server, programs = dumpable
    with scratch_database("postgresql", server) as database, owner_of(database, SECRET) as login:
        at_work = working(checkout, login, postgres_programs=str(programs))

        codes = at_work.run_all([command.split() for command, _ in ALL_IS_WELL])

    at_work.assert_no_secret()
    assert any("pg_dump --format=custom" in line for line in at_work.said.splitlines())
    assert codes == [code for _, code in ALL_IS_WELL], at_work.said


def test_the_programs_that_a_user_calls(at_work: Watched) -> None:
    for command in (
        "inv db.upgrade",
        "inv db.status --debug",
        "inv --debug db.status",
        "inv --list",
        "scripts/rollback.sh --yes --debug",
        "scripts/create_db_migration.sh add road",
        "alembic -x config=application.yaml current",
        "python -m antarest.migration --help",
    ):
        assert at_work.run(*command.split()), command

    at_work.assert_no_secret()
    assert "rolled back: 1 revision" in at_work.said
    assert at_work.said.count("Traceback") == 0


# ---- something is wrong


@dataclass(frozen=True)
class Place:
    """A place where a test makes something wrong.

    Attributes:
        folder: a folder for a project.
        login: a role and its empty database.
        superuser: the same database with a superuser.
        stack: closed at the end of the test.
    """

    folder: Path
    login: URL
    superuser: URL
    stack: ExitStack

    def project(self, history: str = "merge", url: URL | None = None, **db: Any) -> Workshop:
        """Create a project with a history, and a configuration that names the database."""
        return Workshop.create(self.folder, history, url or self.login, **db)

    def execute(self, *statements: str) -> None:
        """Execute SQL on the database as the superuser."""
        execute(self.superuser, *statements)

    def hold(self, statement: str) -> None:
        """Hold a lock until the end of the test."""
        engine = create_engine(normalise_url(self.superuser), poolclass=NullPool)
        self.stack.enter_context(engine.connect()).exec_driver_sql(statement)


def read_only(place: Place) -> Workshop:
    place.execute(f"ALTER ROLE {place.login.username} SET default_transaction_read_only = on")
    return place.project()


def unknown_revision(place: Place) -> Workshop:
    here = place.project()
    here.at_country().execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
    return here


def no_right(place: Place) -> Workshop:
    place.execute(
        f"REVOKE CREATE ON SCHEMA public FROM {place.login.username}",
        f"ALTER DATABASE {place.login.database} OWNER TO CURRENT_USER",  # who has all rights in the database
    )
    return place.project()


def held_by_a_run(place: Place) -> Workshop:
    place.hold(f"SELECT pg_advisory_xact_lock({_RUN}, {zlib.crc32(b'alembic_version') & 0x7FFFFFFF})")
    return place.project(migration_lock_timeout=1)


def held_by_a_session(place: Place) -> Workshop:
    here = place.project(lock_timeout=1, lock_retries=0)
    here.at_country()
    place.hold("SELECT * FROM country")
    return here


def told_by_a_revision(place: Place) -> Workshop:
    """Each revision can read the password. This one has it in its error: alone, and in the URL."""
    here = place.project("broken_upgrade")
    path = here.folder / "versions" / "b00000000000_create_river.py"
    told = "url = op.get_bind().engine.url; raise RuntimeError(url.password, url.render_as_string(hide_password=False))"
    path.write_text(path.read_text().replace("def upgrade():\n", f"def upgrade():\n    {told}\n"))
    return here


def tells_of_the_application(place: Place) -> Workshop:
    """The run logs in as another role, and the error of the revision contains the password of the application."""
    here = place.project("broken_upgrade", admin_url=place.superuser.render_as_string(hide_password=False))
    path = here.folder / "versions" / "b00000000000_create_river.py"
    told = "import os; raise RuntimeError('cannot use ' + os.environ['DB_PASSWORD'])"
    path.write_text(path.read_text().replace("def upgrade():\n", f"def upgrade():\n    {told}\n"))
    return here


def from_the_environment(place: Place) -> Workshop:
    here = place.project()
    url = place.login.set(database="nowhere", password="PASSWORD").render_as_string(hide_password=False)
    here.configure(f"db: {{url: '{url.replace('PASSWORD', '${DB_PASSWORD}')}'}}")
    return here


WRONG: dict[str, tuple[str, Callable[[Place], Workshop]]] = {
    "the server is down": ("db.E301", lambda at: at.project(url=at.login.set(host="127.0.0.1", port=free_port()))),
    "the password": ("db.E303", lambda at: at.project(url=at.login.set(password=f"{SECRET}!"))),
    "a password among the parameters": (
        "db.E303", lambda at: at.project(url=at.login.set(password=None, query={"password": f"{SECRET}!"}))),
    "a secret among the parameters": (
        "db.E306", lambda at: at.project(url=at.login.set(query={"sslmode": "maybe", "sslpassword": SECRET}))),
    "the role": ("db.E303", lambda at: at.project(url=at.login.set(username="nobody_of_that_name"))),
    "the database": ("db.E305", lambda at: at.project(url=at.login.set(database="nowhere"))),
    "the database, its password from the environment": ("db.E305", from_the_environment),
    "the password of the other role": ("db.E303", lambda at: at.project(
        admin_url=at.login.set(password=f"{SECRET}!").render_as_string(hide_password=False))),
    "it is read-only": ("db.E307", read_only),
    "a right": ("db.E604", no_right),
    "the revision": ("db.E201", unknown_revision),
    "another run": ("db.E402", held_by_a_run),
    "another session": ("db.E404", held_by_a_session),
    "two heads": ("db.E202", lambda at: at.project("two_heads")),
    "a revision that fails": ("db.E601", lambda at: at.project("broken_upgrade")),
    "a revision that tells": ("db.E601", told_by_a_revision),
    "a revision that tells of the application": ("db.E601", tells_of_the_application),
    "a revision file": ("db.E203", lambda at: at.project("syntax_error")),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_where_something_is_wrong(tmp_path: Path, login: URL, postgres_database: URL, what: str) -> None:
    code, go_wrong = WRONG[what]
    programs = [A_PROGRAM] if not what.startswith("a revision that tells") else []
    with ExitStack() as stack:
        here = go_wrong(Place(tmp_path, login, postgres_database, stack))
        watched = Watched(here.folder, {"DB_PASSWORD": SECRET})

        watched.run_all([*each_command(what), *programs])

    assert f"error {code}: " in watched.said, watched.said
    watched.assert_no_secret()


@pytest.mark.parametrize("command", ["check", "upgrade head --sql"])
def test_plain_alembic_shows_no_traceback_with_a_password(
    tmp_path: Path, login: URL, postgres_database: URL, command: str
) -> None:
    with ExitStack() as stack:
        here = tells_of_the_application(Place(tmp_path, login, postgres_database, stack))
        watched = Watched(here.folder, {"DB_PASSWORD": SECRET})

        said = watched.run("alembic", *command.split())

    assert "cannot use ***" in said
    assert "--debug" not in said, "Alembic has no such flag"
    watched.assert_no_secret()


@pytest.mark.parametrize("what", [what for what, (content, *_) in CONFIGURATIONS.items() if MARK in content])
def test_where_the_configuration_is_wrong(tmp_path: Path, what: str) -> None:
    content, code, _ = CONFIGURATIONS[what]
    here = Workshop.create(tmp_path)
    here.configure(content)
    watched = Watched(here.folder)

    watched.run_all([*each_command(what), A_PROGRAM])

    assert f"error {code}: " in watched.said, watched.said
    watched.assert_no_secret()


WRONG_COMMANDS = (
    *(f"upgrade --to={to}" for to in ("zebra", "b", "base")),
    *(f"rollback --steps={steps}" for steps in ("0", "-1", "two", "9")),
    "rollback --steps=1 --to=base",
    "upgrade --to= --debug",
    "status --nope",
    "nope",
    "alembic upgrade zebra",
    "alembic downgrade -9",
    "alembic nope",
)


def test_where_the_role_of_the_application_is_wrong(checkout: Checkout, login: URL) -> None:
    """Rights are granted only if the project has models."""
    at_work = working(checkout, login, application_role="nobody_of_that_name")

    at_work.run_all([["upgrade", "--debug"], ["alembic", "upgrade", "head"], A_PROGRAM])

    assert "error db.E304: " in at_work.said
    at_work.assert_no_secret()


def test_where_the_command_is_wrong(tmp_path: Path, login: URL) -> None:
    here = Workshop.create(tmp_path, "merge", login)
    watched = Watched(here.folder)

    watched.run_all([command.split() for command in WRONG_COMMANDS])
    for words in ("inv --config=application.yaml db.status", "inv db.nope", "inv db.upgrade --nope"):
        watched.run(*words.split())

    watched.assert_no_secret()
    assert "error db.E207: " in watched.said


# ---- what is left to see


def test_the_database_is_named_without_it(tmp_path: Path, login: URL) -> None:
    here = Workshop.create(tmp_path, "merge", login.set(password=None, query={"password": SECRET}))

    result = here.run("alembic upgrade head")

    assert result.code == 0
    assert f"Database {redact_url(login)}" in result.err
    assert MARK not in result.out + result.err


def test_a_secret_would_be_found(tmp_path: Path) -> None:
    """The search finds a secret on a command line, in output, in a file and in the name of a file."""
    (tmp_path / "config").write_text(SECRET)
    for number, leak in enumerate(
        (f"sleep 0.3; : {SECRET}", "cat config", "cp config other", f"mkdir {MARK}; : >{MARK}/file")
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(tmp_path / "config", folder)
        watched = Watched(folder)
        watched.run("sh", "-c", leak)
        with pytest.raises(AssertionError):
            watched.assert_no_secret()
