"""The databases that the tests of a project get: copies of one template, gone with the test or kept if it fails."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from antarest.core.urls import normalise_url
from antarest.migration.history import HEAD
from antarest.migration.scratch import KIND_VARIABLE, URL_VARIABLE, PostgresServer
from antarest.migration.testing import templates
from antarest.migration.testing.pool import Pool
from antarest.migration.testing.run import target_at
from antarest.migration.testing.templates import Start, drop_unused, note_use, sqlite_template
from tests.support import Result, run
from tests.support_histories import STUDY_TABLES, Script, write_project

PLUGIN = 'pytest_plugins = ["antarest.migration.testing.plugin"]\n'
HEADER = """
import pytest
from sqlalchemy import NullPool, create_engine, inspect, text


def columns(url):
    return {column["name"] for column in inspect(create_engine(url, poolclass=NullPool)).get_columns("study")}


def rows(url):
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.execute(text("SELECT count(*) FROM study")).scalar()


"""
EIGHT = """
@pytest.mark.parametrize("number", range(4))
def test_it(migrated_database, number):
    assert "name" in columns(migrated_database)
"""
ONE_FAILS = """
def test_good(migrated_database):
    pass


def test_bad(migrated_database):
    assert columns(migrated_database) == set()
"""


@dataclass(frozen=True)
class Suite:
    """A project with tests that use a database; they run in a pytest of their own."""

    folder: Path
    server: PostgresServer

    @property
    def versions(self) -> Path:
        """Its revisions."""
        return self.folder / "alembic" / "versions"

    @property
    def templates(self) -> Path:
        """Where its templates of SQLite are."""
        return self.folder / ".pytest_cache" / "d" / "antarest-templates"

    @property
    def start(self) -> Start:
        """What a database at head begins with, as its files are now."""
        target_at.cache_clear()
        return Start(target_at(self.folder / "alembic.ini"), HEAD)

    def test(self, tests: str, *flags: str, **env: str) -> Result:
        """Run tests on the server of this run, as one that lives on."""
        (self.folder / "conftest.py").write_text(PLUGIN)
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        (self.folder / "test_databases.py").write_text(HEADER + textwrap.dedent(tests))
        ours = {URL_VARIABLE: self.server.url.render_as_string(hide_password=False), KIND_VARIABLE: "url"}
        # A pytest that is forked warns that modules are there already; the report of a test that fails is a traceback.
        command = ("python", "-m", "pytest", "-Wignore::pytest.PytestAssertRewriteWarning", *flags)
        return run(*command, cwd=self.folder, env={**ours, **env}, traceback=True)

    def sql(self, statement: str) -> list[object]:
        """Run a statement on the server; the first values of its rows."""
        return execute(self.server.url, statement)

    def made(self) -> list[object]:
        """What tells whether a template of the project was made anew: each file, and each database."""
        files = [path.stat().st_ino for path in self.templates.glob("*.db")]
        return [*files, *self.sql(f"SELECT oid FROM pg_database WHERE datname = '{self.template}'")]

    @property
    def template(self) -> str:
        """The name of its template of PostgreSQL."""
        return f"antarest_template_{self.start.key('')}"


def execute(url: URL, statement: str) -> list[object]:
    """Run a statement outside of a transaction; the first values of its rows."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return list(result.scalars()) if result.returns_rows else []


@pytest.fixture
def suite(tmp_path: Path, postgres: PostgresServer) -> Iterator[Suite]:
    """A project with one revision; its templates are gone at the end."""
    found = Suite(write_project(tmp_path / "project", STUDY_TABLES).root, postgres)
    with (found.versions / "tables.py").open("a") as file:
        file.write(f"# Not that of another test: {tmp_path}\n")
    yield found
    found.sql(f"DROP DATABASE IF EXISTS {found.template}")


# ---- templates


def counting(folder: Path) -> Script:
    """A revision that leaves a line behind each time that it runs."""
    return Script(
        "counting", f"open({str(folder / 'count')!r}, 'a').write(op.get_bind().dialect.name + chr(10))", "pass"
    )


def test_all_workers_and_tests_of_a_run_have_one_template_of_each_engine(suite: Suite, tmp_path: Path) -> None:
    other = Suite(write_project(tmp_path / "other", STUDY_TABLES, counting(tmp_path)).root, suite.server)

    done = other.test(EIGHT, "-n", "3")

    assert re.search(r"^=+ 8 passed in ", done.out, re.MULTILINE), done.out
    assert sorted((tmp_path / "count").read_text().split()) == ["postgresql", "sqlite"]


def test_where_nobody_can_tell_what_a_revision_does_the_next_run_makes_its_own(suite: Suite, tmp_path: Path) -> None:
    other = Suite(write_project(tmp_path / "other", STUDY_TABLES, counting(tmp_path)).root, suite.server)

    for _ in range(2):
        assert other.test(EIGHT).code == 0

    assert sorted((tmp_path / "count").read_text().split()) == ["postgresql", "postgresql", "sqlite", "sqlite"]


def test_the_next_run_has_the_same_templates(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0
    before = suite.made()
    assert suite.test(EIGHT, "-n", "2").code == 0

    assert suite.made() == before
    assert len(before) == 2


def test_a_revision_that_has_changed_has_a_new_template(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0
    suite.sql(f"DROP DATABASE {suite.template}")
    revision = suite.versions / "tables.py"
    revision.write_text(revision.read_text().replace('sa.Column("name"', 'sa.Column("title"'))

    done = suite.test(EIGHT.replace('"name" in', '"title" in'))

    assert done.code == 0, done.out


def test_a_template_that_is_damaged_or_half_made_is_made_anew(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0
    key = suite.start.key("")
    (suite.templates / f"{key}.db").write_bytes(b"SQLite format 3\0 and nothing more")
    suite.sql(f"ALTER DATABASE antarest_template_{key} RENAME TO antarest_unfinished_{key}")

    done = suite.test(EIGHT)

    assert done.code == 0, done.out
    assert suite.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '%{key}'") == [f"antarest_template_{key}"]


def test_rows_are_in_a_template_of_their_own(suite: Suite) -> None:
    done = suite.test("""
    @pytest.mark.parametrize("number", range(2))
    def test_it(database_at, migrated_database, number):
        assert rows(database_at("tables")) > 0
        assert rows(migrated_database) == 0
    """)

    assert done.code == 0, done.out
    target_at.cache_clear()
    with_rows = Start(suite.start.target, "tables", with_rows=True).key("")
    suite.sql(f"DROP DATABASE antarest_template_{with_rows}")


def test_a_cache_that_cannot_be_written_is_no_hindrance(suite: Suite) -> None:
    done = suite.test(EIGHT, "-p", "no:cacheprovider")

    assert done.code == 0, done.out
    assert not suite.templates.exists()


def test_what_nobody_has_asked_for_of_late_goes(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (f"antarest_note_{suite.start.key('')[:20]}_{number}" for number in range(2))
    with create_engine(suite.server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for name in (old, new):
            connection.execute(text(f"CREATE DATABASE {name}"))
            note_use(connection, name)
        connection.execute(text(f"COMMENT ON DATABASE {old} IS 'antarest, for tests, last used 1700000000'"))
        drop_unused(connection)
        assert suite.sql(f"SELECT datname FROM pg_database WHERE datname IN ('{old}', '{new}')") == [new]
        connection.execute(text(f"DROP DATABASE {new}"))

    monkeypatch.setattr(templates, "_UNUSED", -60)
    (tmp_path / "other.db").touch()
    assert sqlite_template(suite.start, tmp_path, "") == tmp_path / f"{suite.start.key('')}.db"
    assert not (tmp_path / "other.db").exists()


# ---- made ahead, dropped behind


def test_a_pool_makes_what_was_asked_for_twice_ahead_and_leaves_nothing(suite: Suite) -> None:
    def there() -> list[object]:
        return suite.sql(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}') ORDER BY 1")

    with closing(Pool(suite.server, "run")) as pool:
        first = pool.take(None)
        prefix = str(first.database).rpartition("_")[0]
        assert there() == [first.database]
        second = pool.take(None)
        while len(there()) < 3:  # It comes by itself.
            pass
        ahead = set(there()) - {first.database, second.database}
        third = pool.take(None)
        assert {third.database} == ahead
        pool.give_back(first)
        pool.keep(second)

    assert there() == [second.database]
    suite.sql(f"DROP DATABASE {second.database}")


# ---- tests that fail


def kept(done: Result) -> dict[str, URL]:
    """The databases that a run says are kept, by engine."""
    found = re.findall(r"^kept: (.*)$", done.out, re.MULTILINE)
    return {make_url(each).get_backend_name(): normalise_url(each) for each in found}


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["one process", "workers"])
def test_the_databases_of_a_failed_test_are_kept_where_the_server_lives_on(
    suite: Suite, flags: tuple[str, ...], tmp_path: Path
) -> None:
    done = suite.test(ONE_FAILS, *flags, f"--basetemp={tmp_path / 'temporary'}")

    found = kept(done)
    assert re.search(r"^=+ 2 failed, 2 passed in ", done.out, re.MULTILINE), done.out
    assert done.out.count("kept: ") == 2
    assert str(suite.server.url.password) not in done.out
    assert found["postgresql"].password == "***"
    assert "runs on" not in done.out
    on_server = found["postgresql"].set(password=suite.server.url.password)
    for url in (found["sqlite"], on_server):
        assert execute(url, "SELECT count(*) FROM study") == [0]
    suite.sql(f"DROP DATABASE {on_server.database}")
    prefix = str(on_server.database).rpartition("_")[0]
    assert suite.sql(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}')") == []


def test_a_server_of_the_run_takes_them_with_it(suite: Suite) -> None:
    done = suite.test(ONE_FAILS, **{KIND_VARIABLE: "embedded"})

    assert list(kept(done)) == ["sqlite"]


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["one process", "workers"])
def test_it_runs_on_with_them_if_that_is_asked_for(suite: Suite, flags: tuple[str, ...]) -> None:
    kinds = {"embedded", suite.server.kind} - {"url"}  # What can be started here is started.
    for kind in kinds:
        done = suite.test(ONE_FAILS, "--keep-db", *flags, **{KIND_VARIABLE: kind})

        url = kept(done)["postgresql"]
        assert execute(url, "SELECT count(*) FROM study") == [0]
        stop = re.search(r"^PostgreSQL runs on\. This stops it, .*:\n  (.*)$", done.out, re.MULTILINE)
        assert stop, done.out
        subprocess.run(["sh", "-c", stop[1]], check=True, capture_output=True)
        with pytest.raises(OperationalError):
            execute(url, "SELECT 1")


def test_it_ends_as_ever_if_no_test_fails(suite: Suite) -> None:
    done = suite.test(
        """
        def test_it(migrated_database):
            print(migrated_database.render_as_string(hide_password=False))
        """,
        "--keep-db",
        "-s",
        **{KIND_VARIABLE: "embedded"},
    )

    assert done.code == 0
    assert "runs on" not in done.out
    (url,) = re.findall(r"postgresql\+psycopg2://\S+", done.out)
    with pytest.raises(OperationalError):
        execute(make_url(url), "SELECT 1")
