from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, NullPool, QueuePool, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from antarest.core.persistence import upgrade_db
from antarest.migration.database.driver_errors import translate_errors
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.configuration import ConfigNotFound, UsageError
from antarest.migration.errors.facts.database import DatabaseMissing, DatabaseUnreachable
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import normalise_url
from tests.support.projects.checkouts import ROOT, ConfigFile
from tests.support.servers.connections import SECRET, sqlite_url


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
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert done.stdout.strip() == "set()"


def test_upgrade_db_upgrades_the_database_that_a_configuration_names(
    empty_database: URL, config_file: ConfigFile
) -> None:
    url = normalise_url(empty_database)
    file = config_file(url)

    upgrade_db(file)
    upgrade_db(str(file))

    heads = ScriptDirectory(str(ROOT / "alembic")).get_heads()
    engine = create_db_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == heads


def test_upgrade_db_says_what_is_wrong_with_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotFound):
        upgrade_db(tmp_path / "gone.yaml")


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
