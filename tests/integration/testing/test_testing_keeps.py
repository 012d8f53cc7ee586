"""The databases of failed tests, and runs without a server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE
from tests.support.projects.suites import Suite, execute, kept

ONE = """
def test_it(migrated_database):
    pass
"""
SOME_FAIL = """
@pytest.fixture
def broken(migrated_database):
    assert columns(migrated_database) == set()


def test_bad(migrated_database):
    assert columns(migrated_database) == set()


def test_not_even_begun(broken):
    pass


def test_without_a_database():
    assert not "it"


def test_good(migrated_database):
    pass
"""
FAILED = {f"{test}[{engine}]" for test in ("test_bad", "test_not_even_begun") for engine in ("sqlite", "postgresql")}


# ---- tests that fail


@pytest.mark.parametrize("flags", [(), ("-n2", "--tb=no")], ids=["one process", "workers"])
def test_the_databases_of_a_failed_test_are_kept_where_the_server_lives_on(
    suite: Suite, flags: tuple[str, ...], tmp_path: Path
) -> None:
    done = suite.test(SOME_FAIL, *flags, f"--basetemp={tmp_path / 'temporary'}")

    found = kept(done)
    assert found.keys() == FAILED, done.out
    assert str(suite.server.url.password) not in done.out
    assert "goes on" not in done.out
    on_server = {
        url.set(password=suite.server.url.password)
        for url in found.values()
        if url.get_backend_name() == "postgresql" and url.password == "***"
    }
    assert len(on_server) == 2
    for url in (*on_server, found["test_bad[sqlite]"], found["test_not_even_begun[sqlite]"]):
        assert execute(url, "SELECT count(*) FROM study") == [0]
    for url in on_server:
        suite.sql(f"DROP DATABASE {url.database}")
    assert [name for url in on_server for name in suite.databases(str(url.database).rpartition("_")[0])] == []


def test_a_server_of_the_run_takes_them_with_it(suite: Suite) -> None:
    failing = SOME_FAIL + "\n\ndef test_where(postgres):\n    print(postgres.url.port)\n    assert not 'it'\n"

    done = suite.test(failing, **{KIND_VARIABLE: "embedded"})

    assert kept(done).keys() == {name for name in FAILED if name.endswith("[sqlite]")}
    (port,) = re.findall(r"^(\d+)$", done.out, re.MULTILINE)
    with pytest.raises(OperationalError, match="Connection refused"):
        execute(make_url(f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"), "SELECT 1")


@pytest.mark.parametrize("flags", [(), ("-n2",)], ids=["one process", "workers"])
def test_it_runs_on_with_them_if_that_is_asked_for(suite: Suite, flags: tuple[str, ...]) -> None:
    for kind in {"embedded", suite.server.kind} - {"url"}:  # The test starts each kind of server that can run here.
        done = suite.test(SOME_FAIL, "--keep-db", *flags, **{KIND_VARIABLE: kind})

        stop = re.search(r"^PostgreSQL goes on\. This command stops it, .*:\n  (.*)$", done.out, re.MULTILINE)
        assert stop, done.out
        try:
            url = kept(done)["test_bad[postgresql]"]
            assert execute(url, "SELECT count(*) FROM study") == [0]
        finally:
            subprocess.run(["sh", "-c", stop[1]], check=True, capture_output=True)
        with pytest.raises(OperationalError):
            execute(url, "SELECT 1")


def test_it_ends_as_ever_if_no_test_with_a_database_fails(suite: Suite) -> None:
    done = suite.test(
        """
        def test_it(migrated_database):
            print(migrated_database.render_as_string(hide_password=False))


        def test_another():
            assert not "it"
        """,
        *("--keep-db", "-s"),
        **{KIND_VARIABLE: "embedded"},
    )

    assert re.search(r"^=+ 1 failed, 2 passed in ", done.out, re.MULTILINE), done.out
    assert "goes on" not in done.out
    (url,) = re.findall(r"postgresql\+psycopg2://\S+", done.out)
    with pytest.raises(OperationalError):
        execute(make_url(url), "SELECT 1")


# ---- without a server

NOWHERE = {KIND_VARIABLE: "url", URL_VARIABLE: "postgresql://antarest:secret@127.0.0.1:1/postgres"}


@pytest.mark.parametrize("flags", [(), ("-n2",)], ids=["one process", "workers"])
def test_where_there_is_no_server_the_tests_that_need_one_say_so(suite: Suite, flags: tuple[str, ...]) -> None:
    done = suite.test(
        """
        def test_on_sqlite(new_database):
            assert "name" in columns(new_database("sqlite", "head"))


        def test_on_postgresql(postgres, new_database):
            assert "name" in columns(new_database("postgresql", "head"))
        """,
        *flags,
        **NOWHERE,
    )

    assert re.search(r"^=+ 1 passed, 1 error in ", done.out, re.MULTILINE), done.out
    assert "no PostgreSQL is available for scratch databases" in done.out
    assert "export ANTAREST_TEST_POSTGRES_URL=" in done.out
    assert "secret" not in done.out
    assert "antarest/migration" not in done.out


def test_who_only_looks_starts_none(suite: Suite) -> None:
    for flags in (("--help",), ("--fixtures",), ("--markers",), ("--collect-only",)):
        done = suite.test(ONE, "-n2", *flags, **NOWHERE)

        assert done.code == 0, done.out
        assert "no PostgreSQL" not in done.out
