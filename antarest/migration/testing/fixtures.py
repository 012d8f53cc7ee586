"""The fixtures that give each test its own databases, copied from templates, on SQLite and PostgreSQL."""

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
    has_plugin,
    ini_for,
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
    """A function that creates databases for one test."""

    def __call__(self, engine: EngineName, revision: str = "", *, with_rows: bool = False) -> URL:
        """Create a database, and return its URL.

        Args:
            engine: the engine of the database.
            revision: the revision of the database, or `head`. Without a revision, the database is empty.
            with_rows: whether every table has rows.
        """


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A PostgreSQL server. `antarest.migration.scratch.databases` describes how it is chosen."""
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
    """The name of an engine. A test that uses this fixture runs on each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def empty_database(engine_name: EngineName, postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts the server
    """An empty database, on each engine in turn."""
    return new_database(engine_name)


@pytest.fixture
def migrated_database(engine_name: EngineName, postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts the server
    """A database at head, on each engine in turn, with only the rows that the migrations insert."""
    return new_database(engine_name, HEAD)


@pytest.fixture
def database_at(
    engine_name: EngineName,
    postgres: PostgresServer,  # noqa: ARG001 - starts the server
    new_database: NewDatabase,
) -> Callable[[str], URL]:
    """A function that returns a database at a revision, with rows: `database_at("0146b79f723c")`.

    A test that uses this fixture runs on each engine in turn.
    """
    return lambda revision: new_database(engine_name, revision, with_rows=True)


@pytest.fixture
def new_database(request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """A function that creates databases: `new_database("sqlite", "0146b79f723c")`; see `NewDatabase`.

    A database of PostgreSQL needs the fixture `postgres`. With the plugin, databases of failed tests are kept.
    """
    test = _Test(request)
    with ExitStack() as stack:

        def make(engine: EngineName, revision: str = "", *, with_rows: bool = False) -> URL:
            try:
                template = test.template(revision, with_rows=with_rows) if revision else None
                return stack.enter_context(_MAKERS[engine](test, template))
            except TemplateFailed as error:
                raise pytest.fail.Exception(f"no database at {revision}: {error}", pytrace=False) from None
            except AntarestError as error:
                raise pytest.fail.Exception(render_error(error, io.StringIO()), pytrace=False) from None

        yield make


@pytest.fixture(scope="session")
def sqlite_templates(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Template], Path]:
    """A function that returns the file of a template for SQLite, and creates it if it is missing."""
    for_all = folder_of_runs(pytestconfig, tmp_path_factory)
    for_one = folder_of_run(pytestconfig, tmp_path_factory) / "templates"
    made: dict[Template, Path] = {}

    def file_of(template: Template) -> Path:
        if not (template in made and made[template].exists()):  # another run may have cleared the cache
            made[template] = sqlite_template(template, for_all, for_one, run_id(pytestconfig))
        return made[template]

    return file_of


@pytest.fixture(scope="session")
def database_pool(pytestconfig: pytest.Config, postgres: PostgresServer) -> Iterator[DatabasePool]:
    """The pool that creates databases of PostgreSQL in advance."""
    with closing(DatabasePool(postgres, run_id(pytestconfig))) as pool:
        yield pool


class _Test:
    """A test that uses databases of these fixtures."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.fixture = request.getfixturevalue
        self.config = request.config
        self._request = request
        self._failed_before = request.session.testsfailed

    @property
    def has_failed(self) -> bool:
        """Whether the test has failed. This is known when its fixtures are torn down."""
        return self._request.session.testsfailed > self._failed_before

    def template(self, revision: str, *, with_rows: bool) -> Template:
        """Return the template for the databases of this test at a revision."""
        return _template(ini_for(self.config, getattr(self._request, "module", None)), revision, with_rows)

    def report(self, kept: str) -> None:
        """Add the URL of a kept database to the report of the test."""
        self._request.node.user_properties.append((KEPT, kept))


@cache
def _template(ini: Path, revision: str, with_rows: bool) -> Template:
    return Template(target_at(ini), revision, with_rows)


@contextmanager
def _sqlite(test: _Test, template: Template | None) -> Iterator[URL]:
    file_of = test.fixture("sqlite_templates")
    temporary = test.fixture("tmp_path_factory")
    with scratch_database("sqlite", template=str(file_of(template)) if template else None) as url:
        yield url
        if test.has_failed and has_plugin(test.config):  # pytest keeps the folders of its last three runs
            file = Path(str(url.database))
            folder = temporary.mktemp("database")
            shutil.copytree(file.parent, folder, dirs_exist_ok=True)
            test.report(str(url.set(database=str(folder / file.name))))


@contextmanager
def _postgresql(test: _Test, template: Template | None) -> Iterator[URL]:
    pool, server = test.fixture("database_pool"), test.fixture("postgres")
    url = pool.take(template)
    yield url
    if test.has_failed and outlives_the_run(test.config, server):
        pool.keep(url)
        # Nobody knows the random password of a server that we started, so it is shown.
        shown = redact_url(url) if server.kind == "url" else url.render_as_string(hide_password=False)
        test.report(shown.replace("+psycopg2", "", 1))  # psql accepts it in this form
    else:
        pool.give_back(url)


_MAKERS: dict[str, Callable[[_Test, Template | None], AbstractContextManager[URL]]]
_MAKERS = {"sqlite": _sqlite, "postgresql": _postgresql}
