"""Databases that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.core.config import normalise_url
from tests.desktop import Desk
from tests.installation import Installation, build
from tests.support import ROOT
from tests.support_histories import STUDY_ROWS, STUDY_TABLES, Database, Script, write_project
from tests.support_roles import PASSWORD, Roles

Build = Callable[..., Database]


@pytest.fixture
def filled(tmp_path: Path, empty_database: URL) -> Build:
    """A database with `STUDY_TABLES` and `STUDY_ROWS`, and these revisions still pending: `filled(*scripts)`."""

    def build(*scripts: Script, before: tuple[str, ...] = ()) -> Database:
        database = Database(empty_database, write_project(tmp_path / "project", STUDY_TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*STUDY_ROWS, *before)
        return database

    return build


@pytest.fixture
def roles(postgres_database: URL) -> Iterator[Roles]:
    superuser = normalise_url(postgres_database)
    names = [f"{kind}_{superuser.database}" for kind in ("owner", "application")]
    roles = Roles(superuser, *(superuser.set(username=name, password=PASSWORD) for name in names))
    roles.execute(superuser, *(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'" for name in names))
    roles.execute(superuser, f"GRANT CREATE, USAGE ON SCHEMA public TO {names[0]} WITH GRANT OPTION")
    yield roles
    for name in names:  # the owner first: the rights that it gave depend on its own
        roles.execute(superuser, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment with that wheel, for all tests of this process."""
    return Installation.create(wheel, tmp_path_factory.mktemp("an installation"))


@pytest.fixture
def installation(installed: Installation, tmp_path: Path) -> Iterator[Installation]:
    """The installation, with a new user; whatever is done with it, nothing is written into it."""
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
