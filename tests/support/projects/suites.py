"""A project whose tests use databases, and run in a separate pytest."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.errors.revision import HEAD
from antarest.migration.errors.settings.urls import normalise_url
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, PostgresServer
from antarest.migration.testing.pytest_run import target_at
from antarest.migration.testing.templates import Template
from tests.support.projects.checkouts import Result, run

_PLUGIN = 'pytest_plugins = ["antarest.migration.testing.plugin"]\n'
_HEADER = """
import pytest
from sqlalchemy import NullPool, create_engine, inspect, text


def columns(url):
    return {column["name"] for column in inspect(create_engine(url, poolclass=NullPool)).get_columns("study")}


def rows(url):
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.execute(text("SELECT count(*) FROM study")).scalar()


"""


@dataclass(frozen=True)
class Suite:
    """A project with tests.

    Attributes:
        folder: the folder of the project.
        server: the server for the databases of the tests, which continues to run after the tests.
    """

    folder: Path
    server: PostgresServer

    @property
    def versions(self) -> Path:
        """The folder of the revisions."""
        return self.folder / "alembic" / "versions"

    @property
    def files(self) -> Path:
        """The folder of the templates of SQLite."""
        return self.folder / ".pytest_cache" / "d" / "antarest-templates"

    @property
    def template(self) -> str:
        """The name of the template of PostgreSQL, at head."""
        return f"antarest_template_{self.start().key('', str(self.server.url.username))}"

    def start(self, revision: str = HEAD, *, with_rows: bool = False) -> Template:
        """Return the state in which a database begins, with the current files."""
        target_at.cache_clear()
        return Template(target_at(self.folder / "alembic.ini"), revision, with_rows)

    def test(self, tests: str, *flags: str, **env: str) -> Result:
        """Run tests."""
        (self.folder / "conftest.py").write_text(_PLUGIN)
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        (self.folder / "test_databases.py").write_text(_HEADER + textwrap.dedent(tests))
        ours = {URL_VARIABLE: self.server.url.render_as_string(hide_password=False), KIND_VARIABLE: "url"}
        # pytest keeps the last three of its folders. Those of the surrounding run must not count.
        ours["PYTEST_DEBUG_TEMPROOT"] = str(self.folder.parent)
        ours["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # Those that we have for other tests take most of its start.
        # A forked pytest warns of modules that exist already. The report of a failed test has a traceback.
        warnings = ("-Werror::pytest.PytestDeprecationWarning", "-Wignore::pytest.PytestAssertRewriteWarning")
        command = ("python", "-m", "pytest", "-p", "xdist", *warnings, *flags)
        return run(*command, cwd=self.folder, env={**ours, **env}, traceback=True)

    def sql(self, statement: str) -> list[object]:
        """Run a statement on the server, and return the first values of its rows."""
        return execute(self.server.url, statement)

    def databases(self, beginning: str) -> list[object]:
        """Return the databases on the server whose names have this prefix."""
        return databases(self.server.url, beginning)

    def made(self) -> list[object]:
        """Return the identities of the template's files and database, which change when it is created again."""
        files = [path.stat().st_ino for path in self.files.glob("*.db")]
        return [*files, *self.sql(f"SELECT oid FROM pg_database WHERE datname = '{self.template}'")]


def databases(server: URL, beginning: str) -> list[object]:
    """Return the databases on a server whose names have this prefix."""
    return execute(server, f"SELECT datname FROM pg_database WHERE starts_with(datname, '{beginning}') ORDER BY 1")


def execute(url: URL, statement: str) -> list[object]:
    """Run a statement outside of a transaction, and return the first values of its rows."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return list(result.scalars()) if result.returns_rows else []


def kept(done: Result) -> dict[str, URL]:
    """Return the databases that a run reports as kept, by test."""
    _, _, said = done.out.partition(" databases of the failed tests ")
    found = re.findall(r"^test_databases\.py::(\S+)\n  (sqlite:///\S+|postgresql://\S+)$", said, re.MULTILINE)
    return {test: normalise_url(url) for test, url in found}
