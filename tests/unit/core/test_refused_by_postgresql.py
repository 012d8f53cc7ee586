from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import URL, text

from antarest.migration.database.driver_errors import connection_error, translate_errors
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.base import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from antarest.migration.errors.facts.database import (
    AccessRefused,
    ConnectionLost,
    DatabaseError,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseUnreachable,
    InvalidParameter,
    RoleMissing,
    TooManyConnections,
)
from antarest.migration.errors.settings.urls import normalise_url
from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.servers.connections import SECRET, refused


def test_a_server_that_is_down() -> None:
    port = free_port()

    error = refused(URL.create("postgresql+psycopg2", "ada", SECRET, "127.0.0.1", port, "antarest"))

    assert type(error) is DatabaseUnreachable
    assert (error.code, error.exit_code) == ("db.E301", EXIT_UNREACHABLE)
    assert error.message == f"cannot connect to PostgreSQL on 127.0.0.1:{port}"
    assert error.details == {
        "database": f"postgresql://ada:***@127.0.0.1:{port}/antarest",
        "reason": "Connection refused",
    }
    assert error.hints[0].command == f"pg_isready --host=127.0.0.1 --port={port}"
    assert error.hints[1].command == "inv db.status"


def test_a_server_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = refused(URL.create("postgresql+psycopg2", "ada", SECRET, "127.0.0.1", port, "antarest"))

    assert type(error) is DatabaseUnreachable
    assert "timeout expired" in error.reason


def test_a_host_that_nobody_knows() -> None:
    error = refused(URL.create("postgresql+psycopg2", "ada", SECRET, "db1.invalid", None, "antarest"))

    assert type(error) is DatabaseUnreachable
    assert "db1.invalid" in error.reason


def test_a_socket_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(normalise_url(f"postgresql://ada@/antarest?host={tmp_path}"))

    assert type(error) is DatabaseUnreachable
    assert error.message == f"cannot connect to PostgreSQL on the socket in {tmp_path}"


def test_a_wrong_password(role: URL) -> None:
    error = refused(role.set(password=f"{SECRET}!"))

    assert type(error) is AccessRefused
    assert (error.code, error.exit_code) == ("db.E303", EXIT_USAGE)
    assert error.reason == f'password authentication failed for user "{role.username}"'
    assert f"the role {role.username}" in error.message
    assert error.hints[0].command.endswith(f"--username={role.username} --dbname={role.database}")
    assert error.hints[1].command == "inv db.status --config=PATH"


def test_no_password_where_one_is_needed(role: URL) -> None:
    error = refused(role.set(password=""))

    assert type(error) is AccessRefused
    assert "no password supplied" in error.reason


def test_a_password_among_the_parameters_is_used_and_masked(role: URL) -> None:
    plain = URL.create("postgresql", None, None, role.host, role.port, role.database, query=role.query)
    url = normalise_url(plain.update_query_dict({"user": str(role.username), "password": SECRET}))
    engine = create_db_engine(url)

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == role.username
    engine.dispose()
    refused(url.set(password="geheim"))


def test_a_role_that_may_not_log_in(role: URL, admin: Callable[[str], None]) -> None:
    admin(f"ALTER ROLE {role.username} NOLOGIN")

    error = refused(role)

    assert type(error) is AccessRefused
    assert "not permitted to log in" in error.reason


def test_a_role_that_may_not_use_the_database(role: URL, admin: Callable[[str], None]) -> None:
    admin(f"REVOKE CONNECT ON DATABASE {role.database} FROM PUBLIC")

    error = refused(role)

    assert type(error) is AccessRefused
    assert "permission denied for database" in error.reason


def test_a_database_that_does_not_exist(role: URL) -> None:
    error = refused(role.set(database="no such database"))

    assert type(error) is DatabaseMissing
    assert (error.code, error.exit_code) == ("db.E305", EXIT_USAGE)
    assert error.reason == 'database "no such database" does not exist'
    assert error.hints[0].command.startswith("createdb --host=")
    assert error.hints[0].command.endswith(f"--owner={role.username} 'no such database'")


def test_a_server_without_a_free_connection(role: URL, admin: Callable[[str], None]) -> None:
    admin(f"ALTER ROLE {role.username} CONNECTION LIMIT 0")

    error = refused(role)

    assert type(error) is TooManyConnections
    assert isinstance(error, DatabaseUnreachable)
    assert (error.code, error.exit_code) == ("db.E302", EXIT_UNREACHABLE)


@pytest.mark.parametrize("parameters", [{"sslmod": "require"}, {"sslmode": "maybe"}, {"options": "-c nonsense=1"}])
def test_parameters_that_the_driver_does_not_take(role: URL, parameters: dict[str, str]) -> None:
    error = refused(role.update_query_dict(parameters))

    assert type(error) is InvalidParameter
    assert (error.code, error.exit_code) == ("db.E306", EXIT_USAGE)


def test_a_database_that_is_read_only(role: URL, admin: Callable[[str], None]) -> None:
    admin(f"ALTER ROLE {role.username} SET default_transaction_read_only = on")

    error = refused(role, "CREATE TABLE t (id INTEGER)")

    assert type(error) is DatabaseReadOnly
    assert (error.code, error.exit_code) == ("db.E307", EXIT_FAILED)


def test_a_session_that_an_administrator_ends(role: URL, admin: Callable[[str], None]) -> None:
    engine = create_db_engine(role)
    with engine.connect() as connection:
        session = connection.scalar(text("SELECT pg_backend_pid()"))
        admin(f"SELECT pg_terminate_backend({session}, 5000)")
        with (
            pytest.raises(ConnectionLost, match=r"the connection to PostgreSQL on .* was lost"),
            translate_errors(role),
        ):
            connection.execute(text("SELECT 1"))
    engine.dispose()


PREFIX = 'connection to server at "db1" (10.0.0.1), port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (f'{PREFIX}FATAL:  role "ada" does not exist\n', RoleMissing, 'role "ada" does not exist'),
        (f'{PREFIX}FATAL:  Peer authentication failed for user "ada"\n', AccessRefused, None),
        (
            f'{PREFIX}FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "ada", database "d", no encryption\n',
            AccessRefused,
            None,
        ),
        (f"{PREFIX}FATAL:  sorry, too many clients already\n", TooManyConnections, "sorry, too many clients already"),
        (
            f"{PREFIX}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute\n",
            TooManyConnections,
            None,
        ),
        (f"{PREFIX}ERROR:  no more connections allowed (max_client_conn)\n", TooManyConnections, None),
        (
            f"{PREFIX}FATAL:  the database system is starting up\n",
            DatabaseUnreachable,
            "the database system is starting up",
        ),
        (f"{PREFIX}FATAL:  the database system is shutting down\n", DatabaseUnreachable, None),
        (f"{PREFIX}FATAL:  unsupported startup parameter: options\n", InvalidParameter, None),
        (f"{PREFIX}FATAL:  query_wait_timeout\n", TooManyConnections, "query_wait_timeout"),
        (f"{PREFIX}server does not support SSL, but SSL was required\n", InvalidParameter, None),
        (
            f"{PREFIX}FATAL:  Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen\n",
            DatabaseUnreachable,
            "Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen",
        ),
        (f"{PREFIX}ВАЖНО:  система баз данных запускается\n", DatabaseUnreachable, "система баз данных запускается"),
        (f"{PREFIX}No route to host\n\tIs the server running?\n", DatabaseUnreachable, "No route to host"),
        (f"{PREFIX}server closed the connection unexpectedly\n\tThis\n", DatabaseUnreachable, None),
        ("server closed the connection unexpectedly\n\tThis probably means\n", ConnectionLost, None),
        ("", DatabaseUnreachable, "no reason was given"),
        (
            f'{PREFIX}Connection refused\n\tIs it running?\n{PREFIX}FATAL:  database "d" does not exist\n',
            DatabaseMissing,
            'database "d" does not exist',
        ),
        (f'{PREFIX}FATAL:  wrong "{SECRET}" and geh%2Fei%25m%401\n', DatabaseUnreachable, 'wrong "***" and ***'),
    ],
)
def test_what_libpq_says_before_there_is_an_sqlstate(said: str, kind: type[DatabaseError], reason: str | None) -> None:
    url = URL.create("postgresql+psycopg2", "ada", SECRET, "db1", None, "d")

    error = connection_error(psycopg2.OperationalError(said), url)

    assert type(error) is kind
    assert error.reason == (reason or said.removeprefix(PREFIX).splitlines()[0].partition(":  ")[2] or error.reason)
    assert "FATAL" not in error.reason
    assert SECRET not in str(error.to_dict())


@pytest.mark.parametrize("password", ["database", "exist", "a", 'database "d" does not exist'])
def test_a_password_that_is_a_word_of_the_message_hides_nothing_of_its_meaning(password: str) -> None:
    url = URL.create("postgresql+psycopg2", "ada", password, "db1", None, "d")

    error = connection_error(psycopg2.OperationalError(f'{PREFIX}FATAL:  database "d" does not exist\n'), url)

    assert type(error) is DatabaseMissing
    assert error.reason == 'database "d" does not exist'


def test_a_role_that_does_not_exist_gets_a_command_that_creates_it() -> None:
    url = URL.create("postgresql+psycopg2", "ada l", SECRET, "db1", 5433, "d")

    error = connection_error(psycopg2.OperationalError('FATAL:  role "ada l" does not exist'), url)

    assert (error.code, error.exit_code) == ("db.E304", EXIT_USAGE)
    assert error.hints[0].command == "createuser --host=db1 --port=5433 --pwprompt 'ada l'"
