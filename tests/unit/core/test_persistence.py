from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from antarest.core.config import CHECKOUT, DbConfig, normalise_url
from antarest.core.errors import (
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    NOTHING_CHANGED,
    AccessRefused,
    AntarestError,
    ConfigNotFound,
    DatabaseError,
    DatabaseLocked,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseUnreachable,
    InvalidParameter,
    NotADatabase,
    RoleMissing,
    TooManyConnections,
    UsageError,
)
from antarest.core.persistence import connection_error, create_db_engine, translate_errors, upgrade_db
from tests.support import ConfigFile

SECRET = "geh/ei%m@1"


def refused(url: URL, statement: str = "SELECT 1") -> DatabaseError:
    """Connect and run a statement, and return the error that this must raise, after what holds for all of them."""
    engine = create_db_engine(DbConfig(url, connect_timeout=2, busy_timeout=0))
    try:
        with pytest.raises(DatabaseError) as caught, translate_errors(url), engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    error = caught.value
    shown = str(error) + repr(error) + str(error.to_dict()) + str(error.__cause__)
    assert SECRET not in shown
    assert "geh" not in shown
    assert error.state == NOTHING_CHANGED
    assert error.details["reason"]
    assert error.hints
    assert all(hint.command for hint in error.hints)
    assert 2 + len(error.details) + len(error.hints) <= 9
    assert isinstance(error.__cause__, Exception), "--debug shows what the driver said"
    return error


@pytest.fixture
def admin(postgres_database: URL) -> Callable[[str], None]:
    """Run a statement as the superuser of a PostgreSQL server."""

    def execute(statement: str) -> None:
        engine = create_engine(normalise_url(postgres_database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))

    return execute


@pytest.fixture
def role(postgres_database: URL, admin: Callable[[str], None]) -> Iterator[URL]:
    """The URL of a role without special rights, with a password."""
    url = normalise_url(postgres_database)
    name = f"role_{url.database}"
    admin(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    yield url.set(username=name, password=SECRET)
    admin(f"DROP OWNED BY {name}")
    admin(f"DROP ROLE {name}")


# ---- the engine


def test_every_sqlite_connection_enforces_foreign_keys_and_waits(tmp_path: Path) -> None:
    engine = create_db_engine(DbConfig(URL.create("sqlite", database=str(tmp_path / "a.db")), busy_timeout=7))

    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert connection.scalar(text("PRAGMA busy_timeout")) == 7000
    engine.dispose()


def test_a_child_goes_with_its_parent_on_sqlite(tmp_path: Path) -> None:
    engine = create_db_engine(URL.create("sqlite", database=str(tmp_path / "a.db")))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE child (id INTEGER REFERENCES parent ON DELETE CASCADE)"))
        connection.execute(text("INSERT INTO parent VALUES (1)"))
        connection.execute(text("INSERT INTO child VALUES (1)"))

    with engine.begin() as connection:
        connection.execute(text("DELETE FROM parent"))
        assert connection.scalar(text("SELECT count(*) FROM child")) == 0
    engine.dispose()


def test_a_database_in_memory_has_foreign_keys_too() -> None:
    engine = create_db_engine(normalise_url("sqlite://"))

    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    engine.dispose()


def test_the_pool_is_as_configured(tmp_path: Path) -> None:
    db = DbConfig(
        URL.create("sqlite", database=str(tmp_path / "a.db")),
        pool_size=2,
        max_overflow=3,
        pool_recycle=44,
        pool_pre_ping=False,
    )

    engine = create_db_engine(db)

    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.size() == 2
    assert engine.pool._max_overflow == 3
    assert engine.pool._recycle == 44
    assert engine.pool._pre_ping is False


def test_a_caller_can_choose_another_pool(tmp_path: Path) -> None:
    engine = create_db_engine(URL.create("sqlite", database=str(tmp_path / "a.db")), poolclass=NullPool)

    assert isinstance(engine.pool, NullPool)


def test_a_session_on_postgresql_says_who_it_is(postgres_database: URL) -> None:
    url = normalise_url(postgres_database)
    query = "SELECT current_setting('application_name')"

    def name(engine: Engine) -> object:
        with engine.connect() as connection:
            found = connection.scalar(text(query))
        engine.dispose()
        return found

    assert name(create_db_engine(url)) == "antarest"
    assert name(create_db_engine(url, application_name="antarest-migration")) == "antarest-migration"
    assert name(create_db_engine(url.update_query_dict({"application_name": "mine"}))) == "mine"


def test_bound_values_stay_out_of_errors(tmp_path: Path) -> None:
    engine = create_db_engine(URL.create("sqlite", database=str(tmp_path / "a.db")))

    with engine.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.execute(text("SELECT :password FROM nowhere"), {"password": SECRET})

    assert SECRET not in str(caught.value)
    engine.dispose()


def test_models_load_neither_alembic_nor_a_driver() -> None:
    program = "import sys, antarest.core.persistence; print({'alembic', 'psycopg2', 'fastapi'} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )

    assert done.stdout.strip() == "set()"


def test_upgrade_db_upgrades_the_database_that_a_configuration_names(
    empty_database: URL, config_file: ConfigFile
) -> None:
    url = normalise_url(empty_database)
    file = config_file(url)

    upgrade_db(file)
    upgrade_db(str(file))

    heads = ScriptDirectory(str(CHECKOUT / "alembic")).get_heads()
    engine = create_db_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == heads


def test_upgrade_db_says_what_is_wrong_with_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotFound):
        upgrade_db(tmp_path / "gone.yaml")


# ---- PostgreSQL refuses


def test_a_server_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

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

    assert type(error) is (DatabaseUnreachable if "options" in parameters else InvalidParameter)
    if isinstance(error, InvalidParameter):
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
        with pytest.raises(DatabaseUnreachable, match="cannot connect to PostgreSQL"), translate_errors(role):
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
        (f"{PREFIX}server does not support SSL, but SSL was required\n", InvalidParameter, None),
        (
            f"{PREFIX}FATAL:  Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen\n",
            DatabaseUnreachable,
            "Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen",
        ),
        (f"{PREFIX}ВАЖНО:  система баз данных запускается\n", DatabaseUnreachable, "система баз данных запускается"),
        (f"{PREFIX}No route to host\n\tIs the server running?\n", DatabaseUnreachable, "No route to host"),
        ("server closed the connection unexpectedly\n\tThis probably means\n", DatabaseUnreachable, None),
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
    assert password not in error.reason


def test_a_role_that_does_not_exist_gets_a_command_that_creates_it() -> None:
    url = URL.create("postgresql+psycopg2", "ada l", SECRET, "db1", 5433, "d")

    error = connection_error(psycopg2.OperationalError('FATAL:  role "ada l" does not exist'), url)

    assert (error.code, error.exit_code) == ("db.E304", EXIT_USAGE)
    assert error.hints[0].command == "createuser --host=db1 --port=5433 --pwprompt 'ada l'"


# ---- SQLite refuses


def sqlite_url(file: Path) -> URL:
    return URL.create("sqlite", database=str(file))


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(sqlite_url(tmp_path / "gone" / "a.db"))

    assert type(error) is DatabaseMissing
    assert error.exit_code == EXIT_USAGE
    assert error.message == f"the folder of the SQLite file does not exist: {tmp_path / 'gone'}"
    assert not (tmp_path / "gone").exists()


def test_a_link_into_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to(tmp_path / "gone" / "a.db")

    assert refused(sqlite_url(tmp_path / "a.db")).message.endswith(f"does not exist: {tmp_path / 'gone'}")


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    error = refused(sqlite_url(tmp_path))

    assert type(error) is DatabaseMissing
    assert error.message == f"{tmp_path} is a folder, and not an SQLite file"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    error = refused(sqlite_url(tmp_path / "file" / "a.db"))

    assert type(error) is DatabaseMissing
    assert error.message == f"{tmp_path / 'file'} is a file, and not the folder of the SQLite file"


def test_a_file_that_is_no_sqlite_database(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_text("db:\n  url: sqlite:///a.db\n" * 100)
    before = file.read_bytes()

    error = refused(sqlite_url(file), "CREATE TABLE t (id INTEGER)")

    assert type(error) is NotADatabase
    assert (error.code, error.exit_code) == ("db.E308", EXIT_FAILED)
    assert error.message == f"the file is not an SQLite database: {file}"
    assert file.read_bytes() == before


def test_a_damaged_sqlite_database(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE t (id INTEGER)")
    connection.close()
    data = bytearray(file.read_bytes())
    data[100:200] = b"\xff" * 100
    file.write_bytes(data)

    error = refused(sqlite_url(file), "SELECT * FROM t")

    assert type(error) is NotADatabase
    assert error.message == f"the SQLite database is damaged: {file}"


def test_a_database_that_another_process_writes_to(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    error = refused(sqlite_url(file), "CREATE TABLE t (id INTEGER)")

    other.close()
    assert type(error) is DatabaseLocked
    assert (error.code, error.exit_code) == ("db.E401", EXIT_LOCKED)
    assert error.hints[0].command == "inv db.status"


USE_SQLITE = """
import sys
from pathlib import Path
from sqlalchemy import URL, text
from antarest.core.errors import AntarestError
from antarest.core.persistence import create_db_engine, translate_errors

url = URL.create("sqlite", database=sys.argv[1])
try:
    with translate_errors(url), create_db_engine(url).begin() as connection:
        connection.execute(text(sys.argv[2]))
except AntarestError as error:
    print(type(error).__name__, error.code, error.exit_code, error.message)
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "said"),
    [
        (0o755, 0o444, "written"),  # the file is read-only
        (0o555, 0o666, "written"),  # the folder is, so no journal can lie beside the file
        (0o755, 0o000, "opened"),  # not even readable
        (0o755, None, "opened"),  # cannot be created
        (0o700, 0o666, "opened"),  # the folder cannot be entered
    ],
)
def test_a_sqlite_file_that_this_user_may_not_write(
    open_folder: Path, as_nobody: Callable[..., str], folder_mode: int, file_mode: int | None, said: str
) -> None:
    folder = open_folder / "data"
    folder.mkdir()
    file = folder / "a.db"
    if file_mode is not None:
        connection = sqlite3.connect(file)
        connection.executescript("CREATE TABLE t (id INTEGER)")
        connection.close()
        file.chmod(file_mode)
    folder.chmod(folder_mode)

    output = as_nobody(USE_SQLITE, file, "CREATE TABLE u (id INTEGER)")

    assert output == f"DatabaseReadOnly db.E307 1 the SQLite file cannot be {said} by this user: {file}"


# ---- what is not about the connection


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("SELECT * FROM nowhere", (OperationalError, ProgrammingError)),
        ("nonsense", (OperationalError, ProgrammingError)),
        ("INSERT INTO t VALUES (NULL)", (IntegrityError,)),
    ],
)
def test_errors_about_the_sql_pass(
    tmp_path: Path, postgres_database: URL, statement: str, kinds: tuple[type[DBAPIError], ...]
) -> None:
    for url in (sqlite_url(tmp_path / "a.db"), normalise_url(postgres_database)):
        engine = create_db_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (id INTEGER NOT NULL)"))
        with pytest.raises(kinds), engine.connect() as connection, translate_errors(url):
            connection.execute(text(statement))
        engine.dispose()


def test_a_statement_that_took_too_long_is_not_a_lost_connection(postgres_database: URL) -> None:
    url = normalise_url(postgres_database)
    engine = create_db_engine(url)

    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 20"))
        with pytest.raises(OperationalError, match="statement timeout"), translate_errors(url):
            connection.execute(text("SELECT pg_sleep(5)"))
    engine.dispose()


def test_our_own_errors_and_those_of_python_pass() -> None:
    url = normalise_url("postgresql://h/d")
    for error in (UsageError("no"), ValueError("no"), AntarestError("no")):
        with pytest.raises(type(error)) as caught, translate_errors(url):
            raise error
        assert caught.value is error


def test_errors_of_a_driver_without_sqlalchemy_are_translated_too(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable), translate_errors(normalise_url("postgresql://127.0.0.1:1/d")):
        psycopg2.connect(host="127.0.0.1", port=1)
    with pytest.raises(DatabaseMissing), translate_errors(sqlite_url(tmp_path / "gone" / "a.db")):
        sqlite3.connect(tmp_path / "gone" / "a.db")
