"""Databases for tests: each its own, a copy of a template, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import URL

from ..errors.base import AntarestError
from ..errors.rendering import render_error
from ..errors.revision import HEAD
from ..errors.settings.urls import redact_url
from ..scratch.databases import EngineName, PostgresServer, postgres_server, scratch_database
from .database_pool import DatabasePool
from .pytest_run import (
    KEPT,
    folder_of_run,
    folder_of_runs,
    ini_for,
    is_said,
    outlives_the_run,
    run_id,
    shared_server,
    target_at,
)
from .templates import Template, TemplateFailed, sqlite_template

__all__ = [
    "NewDatabase",
    "database_at",
    "database_pool",
    "empty_database",
    "engine_name",
    "migrated_database",
    "new_database",
    "postgres",
    "sqlite_templates",
]

ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")


class NewDatabase(Protocol):
    """Makes databases for one test."""

    def __call__(self, engine: EngineName, revision: str = "", *, with_rows: bool = False) -> URL:
        """Return the URL of a new one.

        Args:
            engine: which engine.
            revision: the revision it is at, or `head`; it is empty without one.
            with_rows: whether there are rows in every table.
        """


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A PostgreSQL server; see `antarest.migration.scratch` for where it comes from."""
    shared = shared_server(pytestconfig)
    if isinstance(shared, str):
        pytest.fail(shared, pytrace=False)
    if shared:
        yield shared
        return
    with postgres_server() as server:
        yield server


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def empty_database(engine_name: EngineName, postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts it
    """An empty database, on each engine in turn."""
    return new_database(engine_name)


@pytest.fixture
def migrated_database(engine_name: EngineName, postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts it
    """A database at head, on each engine in turn, without rows but those of the migrations."""
    return new_database(engine_name, HEAD)


@pytest.fixture
def database_at(
    engine_name: EngineName,
    postgres: PostgresServer,  # noqa: ARG001 - starts it
    new_database: NewDatabase,
) -> Callable[[str], URL]:
    """Databases at a revision, with rows in every table: `database_at("0146b79f723c")`, on each engine in turn."""
    return lambda revision: new_database(engine_name, revision, with_rows=True)


@pytest.fixture
def new_database(request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Makes databases: `new_database("sqlite", "0146b79f723c")`; see `NewDatabase`.

    Those of PostgreSQL need the fixture `postgres`. With the plugin, those of a failed test are kept if they can be.
    """
    test = _Test(request)
    with ExitStack() as stack:

        def make(engine: EngineName, revision: str = "", *, with_rows: bool = False) -> URL:
            try:
                start = test.start(revision, with_rows=with_rows) if revision else None
                return stack.enter_context(_MAKERS[engine](test, start))
            except TemplateFailed as error:
                raise pytest.fail.Exception(f"no database at {revision}: {error}", pytrace=False) from None
            except AntarestError as error:
                raise pytest.fail.Exception(render_error(error, io.StringIO()), pytrace=False) from None

        yield make


@pytest.fixture(scope="session")
def sqlite_templates(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Template], Path]:
    """The files that databases of SQLite are copies of."""
    for_all = folder_of_runs(pytestconfig, tmp_path_factory)
    for_one = folder_of_run(pytestconfig, tmp_path_factory) / "templates"
    made: dict[Template, Path] = {}

    def template(start: Template) -> Path:
        if not (start in made and made[start].exists()):  # Another run may have cleared the cache.
            made[start] = sqlite_template(start, for_all, for_one, run_id(pytestconfig))
        return made[start]

    return template


@pytest.fixture(scope="session")
def database_pool(pytestconfig: pytest.Config, postgres: PostgresServer) -> Iterator[DatabasePool]:
    """Where databases of PostgreSQL are made ahead."""
    with closing(DatabasePool(postgres, run_id(pytestconfig))) as pool:
        yield pool


class _Test:
    """A test that has databases."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.fixture = request.getfixturevalue
        self.config = request.config
        self._request = request
        self._failed_before = request.session.testsfailed

    @property
    def has_failed(self) -> bool:
        """Known once its fixtures are torn down."""
        return self._request.session.testsfailed > self._failed_before

    def start(self, revision: str, *, with_rows: bool) -> Template:
        """What a database of it begins with."""
        return _start(ini_for(self.config, getattr(self._request, "module", None)), revision, with_rows)

    def tell(self, kept: str) -> None:
        """Have its report say where a database is."""
        self._request.node.user_properties.append((KEPT, kept))


@cache
def _start(ini: Path, revision: str, with_rows: bool) -> Template:
    return Template(target_at(ini), revision, with_rows)


@contextmanager
def _sqlite(test: _Test, start: Template | None) -> Iterator[URL]:
    template = str(test.fixture("sqlite_templates")(start)) if start else None
    temporary = test.fixture("tmp_path_factory")
    with scratch_database("sqlite", template=template) as url:
        yield url
        if test.has_failed and is_said(test.config):  # pytest itself keeps the folders of its last three runs.
            file = Path(str(url.database))
            folder = temporary.mktemp("database")
            shutil.copytree(file.parent, folder, dirs_exist_ok=True)
            test.tell(str(url.set(database=str(folder / file.name))))


@contextmanager
def _postgresql(test: _Test, start: Template | None) -> Iterator[URL]:
    pool, server = test.fixture("database_pool"), test.fixture("postgres")
    url = pool.take(start)
    yield url
    if test.has_failed and outlives_the_run(test.config, server):
        pool.keep(url)
        # The password of a server of ours is made up, and needed to have a look; of another one it is known.
        shown = redact_url(url) if server.kind == "url" else url.render_as_string(hide_password=False)
        test.tell(shown.replace("+psycopg2", "", 1))  # As psql takes it.
    else:
        pool.give_back(url)


_MAKERS: dict[str, Callable[[_Test, Template | None], AbstractContextManager[URL]]]
_MAKERS = {"sqlite": _sqlite, "postgresql": _postgresql}
