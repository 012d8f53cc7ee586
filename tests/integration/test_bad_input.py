"""Whatever a user gets wrong: one clear error, the right exit code, a way on, and nothing changed.

Commands run as processes in a copy of one of the histories in `tests/histories`, with our tasks and a configuration
file beside it. `Workshop.refused` holds what is true of every refusal; each test adds the fact that its own is about.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.core.config import DbConfig, normalise_url
from antarest.core.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_LOCKED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    NOTHING_CHANGED,
)
from antarest.migration import cli
from antarest.migration.inventory import reflect
from antarest.migration.project import Project
from antarest.migration.rows import snapshot
from antarest.migration.workflow import MigrationWorkflow
from tests.refusals import SECRET, Refusal, parse, refusal
from tests.support import ROOT, ConfigFile, Result, run

HISTORIES = ROOT / "tests" / "histories"
COUNTRY, RIVER, ROAD, MERGE, BRIDGE = (f"{start:0<12}" for start in ("a", "b1", "b2", "c", "d"))
UNKNOWN = "c0ffee123456"
QUOTED = quote(SECRET, safe="")

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Workshop:
    """A folder with a history, in which somebody works on a database."""

    folder: Path
    url: URL | None = None

    @property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on its database."""
        assert self.url
        return MigrationWorkflow(Project.load(self.folder / "alembic.ini"), DbConfig(self.url))

    def configure(self, content: str) -> None:
        """Write the configuration that is found there."""
        (self.folder / "application.yaml").write_text(content, encoding="utf-8")

    def run(self, command: str, **env: str) -> Result:
        """Run a command in it."""
        return run(*shlex.split(command), cwd=self.folder, env={**ENVIRONMENT, **env})

    def refused(self, command: str, code: str, exit_code: int = EXIT_FAILED, **env: str) -> Refusal:
        """Run a command that must be refused with this error, and change nothing."""
        before = self.state()
        refused = refusal(self.run(command, **env), code, exit_code)
        assert refused.state.startswith(NOTHING_CHANGED)
        assert self.state() == before
        return refused

    def state(self) -> object:
        """Every file in the folder, and all that the database holds."""
        if self.url is None:
            return _files(self.folder)
        if self.url.get_backend_name() == "sqlite":
            return _files(self.folder), _files(Path(str(self.url.database)).parent)
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return _files(self.folder), reflect(connection, exclude=()), snapshot(connection, exclude=())

    def execute(self, *statements: str) -> None:
        """Run statements on its database, and commit."""
        assert self.url
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))


def _files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


MakeWorkshop = Callable[..., Workshop]


@pytest.fixture
def workshop(tmp_path: Path, config_file: ConfigFile) -> MakeWorkshop:
    """Copy a history, and configure the database: `workshop("merge", url)`, or a setting `url` as it is written."""

    def make(history: str = "merge", url: URL | None = None, **db: object) -> Workshop:
        folder = tmp_path / history
        shutil.copytree(HISTORIES / history, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tasks.py", folder)
        if url is not None:
            config_file(url, name=f"{history}/application.yaml", db=db)
        return Workshop(folder, url)

    return make


def at_country(workshop: Workshop) -> Workshop:
    """Put the database at the first revision, with a row, without Alembic: it may not read the history at all."""
    workshop.execute(
        "CREATE TABLE country (id INTEGER PRIMARY KEY, name VARCHAR)",
        "INSERT INTO country VALUES (1, 'France')",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{COUNTRY}')",
    )
    return workshop


def ours(workshop: Workshop, verb: str, flags: str = "") -> str:
    """A command of ours: through Invoke for SQLite, and without it for PostgreSQL."""
    assert workshop.url
    start = "inv db." if workshop.url.get_backend_name() == "sqlite" else "python -m antarest.migration "
    return f"{start}{verb} {flags}"


# ---- configuration

CONFIGURATIONS = {
    "empty": ("", "config.E102", "the configuration file is empty"),
    "not YAML": (f"db: [url: '{SECRET}'", "config.E103", "not valid YAML"),
    "a list": ("- db", "config.E104", "must hold keys with values"),
    "without db.url": ("db: {pool_size: 3}", "config.E105", "db.url: no database is named"),
    "an unknown key": (f"db: {{ulr: 'postgresql://me:{QUOTED}@h/d'}}", "config.E106", "unknown key db.ulr"),
    "an unset variable": ("db: {url: 'postgresql://me:${UNSET}@h/d'}", "config.E107", "variable UNSET is not set"),
    "an unsupported engine": (f"db: {{url: 'mysql://me:{QUOTED}@h/d'}}", "config.E109", "mysql is not supported"),
    "an unquoted password": (f"db: {{url: 'postgresql://me:{SECRET}@h/d'}}", "config.E110", "cannot be used"),
    "in memory": ("db: {url: 'sqlite://'}", "db.E701", "gone when the command ends"),
}


@pytest.mark.parametrize(("content", "code", "fact"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_cannot_be_used(workshop: MakeWorkshop, content: str, code: str, fact: str) -> None:
    here = workshop()
    here.configure(content)

    for command in ("inv db.upgrade", "alembic upgrade head"):
        assert fact in here.refused(command, code, EXIT_USAGE).fact


def test_an_unknown_key_comes_with_the_nearest_one(workshop: MakeWorkshop) -> None:
    here = workshop()
    here.configure("db: {ulr: 'sqlite:///x.db'}")

    assert here.refused("inv db.status", "config.E106", EXIT_USAGE).hints == (("The nearest key is db.url", ""),)


@pytest.mark.parametrize("command", ["inv db.upgrade --config=nowhere.yaml", "inv db.status", "alembic upgrade head"])
def test_a_named_configuration_that_is_missing_is_not_replaced_by_the_one_that_is_there(
    workshop: MakeWorkshop, command: str
) -> None:
    here = workshop()
    here.configure("db: {url: 'sqlite:///antarest.db'}")
    other = {} if "--config" in command else {"ANTAREST_CONF": "nowhere.yaml"}

    refused = here.refused(command, "config.E101", EXIT_USAGE, **other)

    assert refused.fact.endswith(f"(no such file or directory): {here.folder / 'nowhere.yaml'}")
    assert refused.details == {"named by": next(iter(other), "--config")}


# ---- a database that cannot be reached, or is none


def test_a_server_that_is_down(workshop: MakeWorkshop) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]  # which nobody listens on any more
    here = workshop(url=URL.create("postgresql", "me", SECRET, "127.0.0.1", port, "antarest"))
    here = Workshop(here.folder)  # there is no database to look at

    for command in ("inv db.status", "inv db.upgrade", "alembic current"):
        refused = here.refused(command, "db.E301", EXIT_UNREACHABLE)
        assert refused.fact == f"cannot connect to PostgreSQL on 127.0.0.1:{port}"
        assert refused.details["database"] == f"postgresql://me:***@127.0.0.1:{port}/antarest"
        assert refused.commands == [f"pg_isready --host=127.0.0.1 --port={port}", "inv db.status"]

    machine = here.run("python -m antarest.migration status --json")
    assert (machine.code, machine.err) == (EXIT_UNREACHABLE, "")
    assert json.loads(machine.out)["error"]["code"] == "db.E301"


def test_a_wrong_password(workshop: MakeWorkshop, postgres_database: URL) -> None:
    here = Workshop(workshop(url=postgres_database.set(password=SECRET)).folder, postgres_database)

    for command in ("inv db.upgrade", "alembic upgrade head"):
        refused = here.refused(command, "db.E303", EXIT_USAGE)
        assert refused.fact.endswith(f"does not let the role {postgres_database.username} in")


def test_the_traceback_that_debug_shows_has_no_password(workshop: MakeWorkshop, postgres_database: URL) -> None:
    here = workshop(url=postgres_database.set(password=SECRET))

    shown = run("inv", "db.status", "--debug", cwd=here.folder, env=ENVIRONMENT, traceback=True)

    assert shown.code == EXIT_USAGE
    assert "Traceback (most recent call last)" in shown.err
    assert "s3cr3t" not in shown.out + shown.err


def test_a_database_that_does_not_exist(workshop: MakeWorkshop, postgres_database: URL) -> None:
    here = Workshop(workshop(url=postgres_database.set(database="nowhere")).folder, postgres_database)

    refused = here.refused("inv db.upgrade", "db.E305", EXIT_USAGE)

    assert refused.fact.startswith("the database nowhere does not exist on ")
    assert refused.commands[0].startswith("createdb --host=")


def test_a_folder_that_does_not_exist(workshop: MakeWorkshop) -> None:
    here = workshop()
    here.configure("db: {url: 'sqlite:///misspelt/antarest.db'}")

    for command in ("inv db.upgrade", "inv db.status", "alembic upgrade head"):
        refused = here.refused(command, "db.E305", EXIT_USAGE)
        assert refused.fact == f"the folder of the SQLite file does not exist: {here.folder / 'misspelt'}"


def test_a_file_that_is_no_database(workshop: MakeWorkshop, capsys: pytest.CaptureFixture[str]) -> None:
    here = workshop()
    here.configure("db: {url: 'sqlite:///notes.db'}")
    (here.folder / "notes.db").write_text("These are notes, and long enough for SQLite to look at them.\n" * 20)

    for command in ("inv db.upgrade", "alembic upgrade head", "alembic stamp head"):
        refused = here.refused(command, "db.E308")
        assert refused.fact == f"the file is not an SQLite database: {here.folder / 'notes.db'}"
    for verb in ("rollback", "reset", "status", "history", "grant"):
        assert in_this_process(here, verb, capsys).code == "db.E308"


AS_NOBODY = """
import os, sys
import alembic.command, sqlalchemy
import antarest.migration.environment, antarest.migration.workflow
from antarest.migration.__main__ import main

sqlalchemy.create_engine("sqlite://").connect().close()  # what is imported late may lie where only root can read
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def test_a_file_that_this_user_may_not_write(workshop: MakeWorkshop) -> None:
    with tempfile.TemporaryDirectory() as name:  # others cannot enter the folder of pytest
        folder = Path(name) / "project"
        shutil.copytree(workshop().folder, folder)
        here = Workshop(folder, URL.create("sqlite", database=str(folder / "antarest.db")))
        here.configure("db: {url: 'sqlite:///antarest.db'}")
        at_country(here)
        for path in (*folder.rglob("*"), folder, folder.parent):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = shlex.join([sys.executable, "-c", AS_NOBODY])

        refused = here.refused(f"{command} upgrade", "db.E307")
        assert refused.fact == f"the SQLite file cannot be written by this user: {folder / 'antarest.db'}"

        seen = here.run(f"{command} status")
        assert (seen.code, seen.err) == (EXIT_FAILED, "")
        assert f"current        {COUNTRY}" in seen.out
        folder.parent.chmod(0o755)
        folder.chmod(0o755)


@contextmanager
def held(url: URL, begin: str) -> Iterator[None]:
    """Hold an SQLite database, as another process does."""
    connection = sqlite3.connect(str(url.database), isolation_level=None)
    connection.execute(begin)
    yield
    connection.close()


def test_a_database_that_another_process_writes_to(workshop: MakeWorkshop, sqlite_database: URL) -> None:
    here = at_country(workshop("merge", sqlite_database, busy_timeout=0))

    with held(sqlite_database, "BEGIN IMMEDIATE"):
        for command in ("inv db.upgrade", "alembic upgrade head", "alembic stamp head"):
            refused = here.refused(command, "db.E401", EXIT_LOCKED)
            assert refused.fact == f"another process is writing to the SQLite file {sqlite_database.database}"
        assert here.run("inv db.status").err == "", "who only looks does not wait for a writer"
    with held(sqlite_database, "BEGIN EXCLUSIVE"):
        here.refused("inv db.status", "db.E401", EXIT_LOCKED)


# ---- where the database is


def test_a_database_at_an_unknown_revision(
    workshop: MakeWorkshop, empty_database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    here = at_country(workshop("merge", empty_database))
    here.execute(f"UPDATE alembic_version SET version_num = '{UNKNOWN}'")

    for command in (ours(here, "upgrade"), "alembic current", "alembic downgrade -1"):
        refused = here.refused(command, "db.E201")
        assert refused.fact == f"the database is at revision {UNKNOWN}, which this checkout does not contain"
        assert refused.details["this code"] == f"head is {BRIDGE}, 5 revisions in versions"
        assert refused.commands == [f"git log --all -- '*{UNKNOWN}*'", "inv db.reset"]
    for options in ({}, {"to": "base"}, {"steps": "2"}, {"dry_run": True}):
        assert in_this_process(here, "rollback", capsys, **options).code == "db.E201"

    status = here.run(ours(here, "status"))
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert f"unknown        {UNKNOWN} (not in this checkout)" in status.out


# ---- revision files

FILES = {
    "syntax_error": ("db.E203", "b00000000000_create_river.py cannot be read: line 10: "),
    "no_revision_id": ("db.E203", "b00000000000_create_river.py cannot be read: it has no line revision = "),
    "missing_predecessor": ("db.E204", "c00000000000 follows b00000000000, and no revision file has that id"),
    "duplicate_id": ("db.E205", "revision b00000000000 is in more than one file"),
    "cycle": ("db.E206", "follow each other in a circle: b00000000000, c00000000000"),
}


@pytest.mark.parametrize("history", FILES)
def test_files_that_are_no_history(
    workshop: MakeWorkshop, empty_database: URL, history: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is asked for, the files are read first: it is one and the same error."""
    code, fact = FILES[history]
    here = at_country(workshop(history, empty_database))

    command = "inv db.upgrade" if empty_database.get_backend_name() == "sqlite" else "alembic upgrade head"
    assert fact in here.refused(command, code).fact

    for verb in ("rollback", "reset", "status", "history", "rollback-script", "check"):
        assert in_this_process(here, verb, capsys).code == code
    assert in_this_process(here, "revision", capsys, message="add road").code == code


def test_two_heads(workshop: MakeWorkshop, empty_database: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """`head` says nothing then; but looking, and going to one of them, still works."""
    here = at_country(workshop("two_heads", empty_database))

    for command in (ours(here, "upgrade"), "alembic upgrade head"):
        refused = here.refused(command, "db.E202")
        assert refused.fact == f"the history has 2 heads: {RIVER}, {ROAD}"
    for verb, options in (("rollback-script", {}), ("reset", {"yes": True}), ("revision", {"message": "add road"})):
        assert in_this_process(here, verb, capsys, **options).code == "db.E202"

    status = here.run(ours(here, "status"))
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert f"heads          {RIVER}, {ROAD}" in status.out
    assert here.run(ours(here, "upgrade", f"--to={ROAD}")).code == EXIT_DONE


# ---- how far


UNREACHABLE = [
    # where the database is, the command, its error, the fact, the command that the error names last
    (BRIDGE, "upgrade --to=zebra", "db.E207", "there is no revision 'zebra'", "inv db.history"),
    (BRIDGE, "rollback --to=b", "db.E208", f"'b' is ambiguous: it could be {RIVER}, {ROAD}", "inv db.history"),
    (BRIDGE, f"upgrade --to={COUNTRY}", "db.E209", "is below the current revision", f"inv db.rollback --to={COUNTRY}"),
    (BRIDGE, "upgrade --to=base", "db.E209", "base is below the current revision", "inv db.rollback --to=base"),
    (COUNTRY, f"rollback --to={BRIDGE}", "db.E209", "is not below the current", f"inv db.upgrade --to={BRIDGE}"),
    (RIVER, f"rollback --to={ROAD}", "db.E209", "is not below the current one", "inv db.history"),
    (RIVER, f"upgrade --to={ROAD}", "db.E209", "is on another branch", f"inv db.rollback --to={COUNTRY}"),
    (BRIDGE, f"rollback --to={ROAD}", "db.E209", "only one branch of a merge", f"inv db.rollback --to={COUNTRY}"),
    # Four revisions to base, but three states: a merge goes to the common ancestor of its branches.
    (
        BRIDGE,
        "rollback --steps=4",
        "db.E209",
        "cannot go 4 steps back: 3 at most",
        "inv db.rollback --to=base --dry-run",
    ),
    ("base", "rollback", "db.E209", "cannot go 1 step back: no revision is applied", "inv db.history"),
]


@pytest.mark.parametrize(("start", "command", "code", "fact", "way"), UNREACHABLE)
def test_a_revision_out_of_reach(
    workshop: MakeWorkshop, empty_database: URL, start: str, command: str, code: str, fact: str, way: str
) -> None:
    here = workshop("merge", empty_database)
    if start != "base":
        here.workflow.upgrade(start)
        here.execute("INSERT INTO country (id) VALUES (1)")
    verb, _, flags = command.partition(" ")

    refused = here.refused(ours(here, verb, flags), code)

    assert fact in refused.fact
    assert refused.commands[-1] == way


@pytest.mark.parametrize(("destination", "code"), [("upgrade zebra", "db.E207"), ("downgrade b", "db.E208")])
def test_plain_alembic_has_the_same_words(
    workshop: MakeWorkshop, empty_database: URL, destination: str, code: str
) -> None:
    here = at_country(workshop("merge", empty_database))

    here.refused(f"alembic {destination}", code)


@pytest.mark.parametrize("flags", ["--steps=0", "--steps=-1", "--steps=two", "--steps=1.5", "--steps=1 --to=base"])
def test_steps_that_are_no_number_of_steps(workshop: MakeWorkshop, sqlite_database: URL, flags: str) -> None:
    here = at_country(workshop("merge", sqlite_database))

    refused = here.refused(f"inv db.rollback {flags}", "usage.E101", EXIT_USAGE)

    assert refused.fact in {
        f"--steps must be a whole number from 1, not '{flags.partition('=')[2]}'",
        "--steps and --to cannot be given together",
    }


# ---- the command line


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("--config=other.yaml db.status", "--config=other.yaml"),
        ("--config other.yaml db.upgrade", "--config=other.yaml"),
        ("-f other.yaml db.upgrade", "--config=other.yaml"),
        ("--debug db.status", "--debug"),
    ],
)
def test_flags_that_invoke_would_swallow(workshop: MakeWorkshop, sqlite_database: URL, words: str, right: str) -> None:
    """Invoke takes them for its own and says nothing: the command would work on another database."""
    here = at_country(workshop("merge", sqlite_database))
    (here.folder / "other.yaml").write_text("db: {url: 'sqlite:///other.db'}")

    # What Invoke logs about itself with --debug comes before, and is not ours.
    before = here.state()
    result = here.run(f"inv {words}")
    refused = parse(result.err[result.err.index("error usage.E101") :])

    assert (result.code, refused.state) == (EXIT_USAGE, NOTHING_CHANGED)
    assert refused.commands == [f"inv {words.rpartition(' ')[2]} {right}"]
    assert here.state() == before


@pytest.mark.parametrize("words", ["db.nope", "db.upgrade --nope", "db.rollback --to"])
def test_words_that_invoke_does_not_know(workshop: MakeWorkshop, sqlite_database: URL, words: str) -> None:
    """Invoke answers these itself: one line, and nothing is run."""
    here = at_country(workshop("merge", sqlite_database))
    before = here.state()

    result = here.run(f"inv {words}")

    assert (result.code, result.out, len(result.err.splitlines())) == (EXIT_FAILED, "", 1)
    assert here.state() == before


def test_outside_of_the_repository(workshop: MakeWorkshop, sqlite_database: URL, tmp_path: Path) -> None:
    configuration = workshop("merge", sqlite_database).folder / "application.yaml"
    outside = Workshop(tmp_path / "outside", sqlite_database)
    outside.folder.mkdir()

    missing = outside.refused("python -m antarest.migration status --project=alembic.ini", "db.E200", EXIT_USAGE)
    assert missing.fact == f"there is no Alembic project at {outside.folder / 'alembic.ini'}"
    no_tasks = outside.run("inv db.status")
    assert (no_tasks.code, no_tasks.out, len(no_tasks.err.splitlines())) == (EXIT_FAILED, "", 1)

    # Our own program finds the project beside its package.
    status = outside.run(f"python -m antarest.migration status --config={configuration}")
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert "0 of " in status.out
    assert not list(outside.folder.iterdir())


# ---- in the middle


def test_a_revision_that_fails(workshop: MakeWorkshop, empty_database: URL) -> None:
    """What ran before it in the same run is undone with it, rows included."""
    here = workshop("broken_upgrade", empty_database)
    here.workflow.upgrade(COUNTRY)
    is_sqlite = empty_database.get_backend_name() == "sqlite"

    refused = here.refused("inv db.upgrade" if is_sqlite else "alembic upgrade head", "db.E601")

    assert refused.fact.startswith("the upgrade of revision c00000000000 failed: ")
    assert "nowhere" in refused.fact
    assert f"the database is still at {COUNTRY}. 1 revision was undone with it." in refused.state


@pytest.mark.parametrize("program", ["inv db.", "python -m antarest.migration "])
def test_an_upgrade_that_is_interrupted(workshop: MakeWorkshop, empty_database: URL, program: str) -> None:
    here = workshop("waiting_upgrade", empty_database)
    here.workflow.upgrade(COUNTRY)
    before = here.state()
    with subprocess.Popen(
        shlex.split(f"{program}upgrade"),
        cwd=here.folder,
        env={**os.environ, **ENVIRONMENT, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert "waiting\n" in process.stdout  # reads until the second revision has done its part
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == EXIT_INTERRUPTED
    assert said.split("\n", 1)[1] == (
        "interrupted: a run that was not committed was rolled back\n  See where the database is:   inv db.status\n"
    )
    assert here.state() == before


# ---- passwords


@pytest.fixture
def login(postgres_database: URL) -> Iterator[URL]:
    """A role that may create tables, whose password is easily misread."""
    superuser = create_engine(normalise_url(postgres_database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"role_{postgres_database.database}"
    with superuser.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET.replace(':', chr(92) + ':')}'"))
        connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}"))
    yield postgres_database.set(username=name, password=SECRET)
    with superuser.connect() as connection:
        connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
        connection.execute(text(f"DROP ROLE {name}"))


@pytest.mark.parametrize("place", ["in the URL", "among the parameters"])
def test_no_password_is_shown_where_all_is_well(workshop: MakeWorkshop, login: URL, place: str) -> None:
    url = login if place == "in the URL" else login.set(password=None, query={"password": SECRET})
    here = workshop("merge", url)
    # Beside the commands of the workflow those of Alembic that show what they are connected to.
    commands = (
        "upgrade --dry-run --debug",
        f"upgrade --to={COUNTRY}",
        "status --json",
        "history",
        "alembic upgrade head",
        "alembic current --verbose",
        "alembic upgrade head --sql",
        "rollback",
    )

    for command in commands:
        result = here.run(command if command.startswith("alembic") else f"python -m antarest.migration {command}")
        assert result.code == EXIT_DONE or (command, result.code) == ("status --json", EXIT_FAILED), result.err
        assert result.out + result.err
        assert "s3cr3t" not in result.out + result.err


def in_this_process(workshop: Workshop, verb: str, capsys: pytest.CaptureFixture[str], **options: Any) -> Refusal:
    """As `Workshop.refused`, but without the half second that a process takes to start."""
    before = workshop.state()
    config, project = workshop.folder / "application.yaml", workshop.folder / "alembic.ini"
    capsys.readouterr()
    code = cli.run(verb, config=str(config), project=str(project), **options)
    shown = capsys.readouterr()
    refused = parse(shown.err)
    assert code == EXIT_FAILED
    assert refused.state.startswith(NOTHING_CHANGED)
    assert workshop.state() == before
    return refused
