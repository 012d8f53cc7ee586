"""Databases that the tests of this folder use."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.commands.program import main
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import (
    KIND_VARIABLE,
    URL_VARIABLE,
    EngineName,
    PostgresServer,
    scratch_database,
)
from antarest.migration.verify import processes
from tests.support.checks.refusals import SECRET
from tests.support.data.backups import Place, dumping_server
from tests.support.programs.runs import Runner, Start
from tests.support.programs.user import User
from tests.support.projects.author import Author
from tests.support.projects.branches import SETTINGS, Clone
from tests.support.projects.checkouts import ROOT, ConfigFile, Result
from tests.support.projects.histories import STUDY_ROWS, STUDY_TABLES, Database, Script, write_project
from tests.support.projects.installation import Installation, build
from tests.support.projects.suites import Suite
from tests.support.projects.verify import Verify, prove_here
from tests.support.servers.desktop import Desk
from tests.support.servers.roles import Roles, owner_of, two_roles

Build = Callable[..., Database]
MakePlace = Callable[..., Place]


@pytest.fixture(scope="session")
def dumpable(postgres: PostgresServer) -> Iterator[tuple[PostgresServer, Path]]:
    """A PostgreSQL server, and the folder with pg_dump of its version."""
    with dumping_server(postgres) as found:
        yield found


@pytest.fixture
def scratch_here(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the scratch databases of PostgreSQL on the server of the tests, instead of starting another one."""
    monkeypatch.delenv(KIND_VARIABLE, raising=False)
    monkeypatch.setenv(URL_VARIABLE, postgres.url.render_as_string(hide_password=False))


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Author]:
    """A project in this process. The module with its models has a name that no other test uses."""
    name = f"models_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    yield Author(tmp_path / "project", name)
    sys.modules.pop(name, None)


@pytest.fixture
def on_postgresql(postgres_database: URL) -> DbConfig:
    """The settings of an empty PostgreSQL database."""
    return DbConfig(postgres_database)


@pytest.fixture
def elsewhere(engine_name: EngineName, postgres: PostgresServer) -> Iterator[URL]:
    """Another empty database of the same engine."""
    with scratch_database(engine_name, postgres) as url:
        yield url


@pytest.fixture
def make_place(tmp_path: Path, engine_name: EngineName, dumpable: tuple[PostgresServer, Path]) -> Iterator[MakePlace]:
    """A place with one row, on each engine in turn: `make_place(**settings)`."""
    server, programs = dumpable
    with scratch_database(engine_name, server) as url:
        yield lambda **settings: Place.create(tmp_path, url, programs, **settings)


@pytest.fixture
def place(make_place: MakePlace) -> Place:
    """A place with one row, on each engine in turn."""
    return make_place()


@pytest.fixture
def sqlite_place(tmp_path: Path, sqlite_database: URL) -> Place:
    """A place on SQLite."""
    return Place.create(tmp_path, sqlite_database, None)


@pytest.fixture
def postgres_place(tmp_path: Path, dumpable: tuple[PostgresServer, Path]) -> Iterator[Place]:
    """A place on PostgreSQL."""
    server, programs = dumpable
    with scratch_database("postgresql", server) as url:
        yield Place.create(tmp_path, url, programs)


@pytest.fixture
def filled(tmp_path: Path, empty_database: URL) -> Build:
    """A database with `STUDY_TABLES` and `STUDY_ROWS`, on which these revisions are pending: `filled(*scripts)`."""
    return _build(tmp_path, empty_database)


@pytest.fixture
def postgres_filled(tmp_path: Path, postgres_database: URL) -> Build:
    """The same as `filled`, on PostgreSQL."""
    return _build(tmp_path, postgres_database)


@pytest.fixture
def sqlite_filled(tmp_path: Path, sqlite_database: URL) -> Build:
    """The same as `filled`, on SQLite."""
    return _build(tmp_path, sqlite_database)


def _build(folder: Path, url: URL) -> Build:
    def build(*scripts: Script, before: tuple[str, ...] = ()) -> Database:
        database = Database(url, write_project(folder / "project", STUDY_TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*STUDY_ROWS, *before)
        return database

    return build


@pytest.fixture
def user(empty_database: URL, config_file: ConfigFile) -> User:
    """Somebody with an empty database, on each engine in turn."""
    return User(empty_database, config_file(empty_database))


@pytest.fixture
def login(postgres_database: URL) -> Iterator[URL]:
    """A role with its own database, and a password with special characters."""
    with owner_of(postgres_database, SECRET) as login:
        yield login


@pytest.fixture
def roles(postgres_database: URL) -> Iterator[Roles]:
    with two_roles(postgres_database) as roles:
        yield roles


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment with the wheel, for all tests of this process."""
    return Installation.create(wheel, tmp_path_factory.mktemp("an installation"), "server", "desktop")


@pytest.fixture
def installation(installed: Installation, tmp_path: Path) -> Iterator[Installation]:
    """The installation, for a new user. The test fails if something is written into the installation."""
    home = tmp_path / "home"
    home.mkdir()
    before = installed.files()
    yield Installation(installed.prefix, home)
    assert installed.files() == before


@pytest.fixture
def desk(empty_database: URL, tmp_path: Path) -> Desk:
    """A computer with an empty database, on each engine in turn."""
    return Desk.create(empty_database, tmp_path)


@pytest.fixture
def sqlite_desk(sqlite_database: URL, tmp_path: Path) -> Desk:
    return Desk.create(sqlite_database, tmp_path)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Start]:
    """Start commands on a database with a project of its own: `runner(url, *scripts, **settings of the section db)`."""
    with ExitStack() as stack:

        def build(url: URL, *scripts: Script, **settings: object) -> Runner:
            project = write_project(tmp_path / "project", *scripts)
            shutil.copy(ROOT / "tasks.py", project.root)
            return stack.enter_context(Runner(Database(url, project), tmp_path, settings).ending())

        yield build


@pytest.fixture
def clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_database: URL, postgres: PostgresServer) -> Clone:
    """A working tree on main with its database, on each engine in turn."""
    return _clone(monkeypatch, tmp_path, empty_database, postgres)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_database: URL, postgres: PostgresServer) -> Clone:
    """A working tree on main with its database on SQLite, for tests that do not depend on the engine."""
    return _clone(monkeypatch, tmp_path, sqlite_database, postgres)


def _clone(monkeypatch: pytest.MonkeyPatch, folder: Path, url: URL, server: PostgresServer) -> Clone:
    for name, value in SETTINGS.items():  # Also for the git that is run in this process.
        monkeypatch.setenv(name, value)
    return Clone.create(folder / "clone", url, server)


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Call `db.verify` in this process. The tests of its programs use the processes that it starts."""
    monkeypatch.setattr(processes, "prove", prove_here)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def call(*flags: str) -> Result:
        capsys.readouterr()
        try:
            code = main(["verify", *flags])
        except SystemExit as ended:
            code = int(str(ended.code))
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def suite(tmp_path: Path, postgres: PostgresServer) -> Iterator[Suite]:
    """A project with one revision; its templates are deleted at the end."""
    found = Suite(write_project(tmp_path / "project", STUDY_TABLES).root, postgres)
    with (found.versions / "tables.py").open("a") as file:
        file.write(f"# Not that of another test: {tmp_path}\n")
    yield found
    found.sql(f"DROP DATABASE IF EXISTS {found.template}")
