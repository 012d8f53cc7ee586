from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, event, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.database import (
    DatabaseLocked,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseUnreachable,
)
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.study.model import Study, Tag
from antarest.web.errors.answering import DatabaseSilent
from antarest.web.errors.launching import SchemaAhead, SchemaBehind
from antarest.web.reading import database as module
from antarest.web.reading import queries
from antarest.web.reading.database import Database, DatabaseStatus
from tests.support.data.database import HISTORY
from tests.support.data.database import Database as Migrated
from tests.support.servers.proxy import network

Ask = Callable[..., Any]
PREDECESSOR = HISTORY.order[-2]


def connect(url: URL, **settings: Any) -> Database:
    return Database(DbConfig(url, **settings), Project.own())


def refused(database: Database, query: Callable[[Session], Any]) -> AntarestError:
    """Return the error with which a query is refused."""
    with pytest.raises(AntarestError) as caught:
        asyncio.run(database.read(query))
    return caught.value


# ---- it only reads


@pytest.mark.parametrize(
    "statement", ["INSERT INTO tag (label) VALUES ('x')", "DROP TABLE study_tag", "DELETE FROM tag"]
)
def test_a_query_cannot_write(migrated_database: URL, database: Database, statement: str) -> None:
    before = Migrated(migrated_database).rows()

    assert isinstance(refused(database, lambda session: session.execute(text(statement))), DatabaseReadOnly)
    assert Migrated(migrated_database).rows() == before


def test_a_session_cannot_flush(database: Database) -> None:
    def write(session: Session) -> None:
        session.add(Tag(label="x"))
        session.commit()

    assert isinstance(refused(database, write), DatabaseReadOnly)


# ---- SQLite files


def test_a_file_that_is_missing_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "antarest.db"
    database = connect(URL.create("sqlite", database=str(file)))

    for error in (refused(database, queries.find_studies), failure(database.probe)):
        assert isinstance(error, DatabaseMissing)
        assert error.message == f"the SQLite file is gone: {file}"
    assert not file.exists()


def test_a_folder_that_is_missing_is_named_as_such(tmp_path: Path) -> None:
    database = connect(URL.create("sqlite", database=str(tmp_path / "nowhere" / "antarest.db")))

    assert isinstance(refused(database, queries.find_studies), DatabaseMissing)


@pytest.mark.parametrize("name", ["with space & é.db", "a?b#c%20d.db", "x'y\".db"])
def test_a_file_may_have_any_name(sqlite_database: URL, tmp_path: Path, name: str) -> None:
    Migrated(sqlite_database).upgrade()
    file = shutil.move(str(sqlite_database.database), tmp_path / name)

    assert asyncio.run(connect(URL.create("sqlite", database=str(file))).read(queries.find_studies)).total == 0


def test_a_file_that_was_replaced_is_the_new_one(sqlite_database: URL, tmp_path: Path) -> None:
    """If a backup is restored while the application runs, the application must not continue to use the old file."""
    Migrated(sqlite_database).upgrade()
    database = connect(sqlite_database)
    assert asyncio.run(database.probe()).up_to_date
    assert asyncio.run(database.status()).up_to_date
    other = URL.create("sqlite", database=str(tmp_path / "other.db"))
    Migrated(other).upgrade(PREDECESSOR)
    beside = shutil.move(tmp_path / "other.db", f"{sqlite_database.database}.new")
    Path(beside).replace(str(sqlite_database.database))

    assert asyncio.run(database.probe()).current == (PREDECESSOR,)
    assert asyncio.run(database.status()).current == (PREDECESSOR,)


def test_a_file_that_somebody_holds_is_locked(sqlite_database: URL) -> None:
    Migrated(sqlite_database).upgrade()
    with Migrated(sqlite_database).connected() as connection:
        connection.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        assert isinstance(refused(connect(sqlite_database, busy_timeout=0), queries.find_studies), DatabaseLocked)


# ---- where it is


def failure(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(AntarestError) as caught:
        asyncio.run(call())
    return caught.value


def test_the_standing_of_a_database_at_head(database: Database) -> None:
    status = asyncio.run(database.status())

    assert status == asyncio.run(database.probe())
    assert (status.current, status.head, status.pending) == ((HISTORY.head,), HISTORY.head, ())
    assert (status.unknown, status.up_to_date) == ((), True)
    assert status.engine in {"SQLite", "PostgreSQL"}
    assert status.engine_version[0].isdigit()


def test_the_standing_of_a_database_that_is_behind(migrated_database: URL, database: Database) -> None:
    Migrated(migrated_database).downgrade(PREDECESSOR)

    status = asyncio.run(database.status())
    assert (status.current, status.pending, status.up_to_date) == ((PREDECESSOR,), (HISTORY.head,), False)


def test_the_standing_of_an_empty_database(empty_database: URL) -> None:
    if empty_database.get_backend_name() == "sqlite":
        Path(str(empty_database.database)).touch()

    status = asyncio.run(connect(empty_database).status())
    assert (status.current, len(status.pending)) == ((), len(HISTORY))


def test_the_probe_asks_for_the_revision_and_the_rights(database: Database) -> None:
    asyncio.run(database.probe())  # the first connection of an engine also asks for the version of the server
    statements: list[str] = []
    event.listen(database._probing_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    asyncio.run(database.probe())
    asked = [each for each in statements if "set_config(" not in each]
    assert asked[0] == "SELECT version_num FROM alembic_version"
    assert len(asked) == (2 if database.engine.dialect.name == "postgresql" else 1)


# ---- what a refusal means


@pytest.mark.parametrize("revision", [PREDECESSOR, HISTORY.order[5]])
def test_a_schema_that_was_rolled_back_is_named_as_such(
    migrated_database: URL, database: Database, revision: str
) -> None:
    asyncio.run(database.read(queries.find_studies))
    Migrated(migrated_database).downgrade(revision)

    error = refused(database, lambda session: session.execute(text("SELECT solver_stats FROM job_result")))
    assert isinstance(error, SchemaBehind)
    assert error.pending[-1] == HISTORY.head


def test_a_schema_that_is_newer_is_named_as_such(migrated_database: URL, database: Database) -> None:
    Migrated(migrated_database).execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")

    error = refused(database, lambda session: session.execute(text("SELECT colour FROM study")))
    assert isinstance(error, SchemaAhead)
    assert error.details["current"] == "c0ffee123456"


@pytest.mark.parametrize("statement", ["SELECT colour FROM study", "SELEKT 1"])
def test_what_is_our_own_fault_stays_an_error_of_its_own(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"colour|SELEKT"):
        asyncio.run(database.read(lambda session: session.execute(text(statement))))


# ---- it is never waited for without end


def test_a_table_that_is_locked_for_long_is_an_answer_too(
    postgres_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STATEMENT_TIMEOUT", 300)
    Migrated(postgres_database).upgrade()
    with Migrated(postgres_database).connected() as connection:
        connection.execute(text("LOCK TABLE study"))

        error = refused(connect(postgres_database), queries.find_studies)
    assert isinstance(error, DatabaseSilent)
    assert error.seconds == 0.3


def test_a_server_that_hangs_is_not_waited_for(postgres_database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes existing and new connections. The server is used again as soon as it answers."""
    Migrated(postgres_database).upgrade()

    async def story() -> None:
        with network(postgres_database) as between:
            database = connect(between.url, pool_size=1, max_overflow=1)
            await database.read(queries.find_studies)
            between.freeze()
            monkeypatch.setattr(module, "PATIENCE", 0.5)
            monkeypatch.setattr(module, "PROBE_PATIENCE", 0.5)
            # More requests than connections, and one request after them.
            answers = await asyncio.gather(
                *(database.read(queries.find_studies) for _ in range(5)), return_exceptions=True
            )
            assert [type(each) for each in answers] == [DatabaseSilent] * 5
            before = asking()
            probes = await asyncio.gather(*(database.probe() for _ in range(20)), return_exceptions=True)
            assert [type(each) for each in probes] == [DatabaseSilent] * 20
            assert asking() == before + 1
            monkeypatch.undo()
            between.thaw()
            await until(database.probe)
            await until(lambda: database.read(queries.find_studies))
            database.close()

    asyncio.run(story())


def asking() -> int:
    """Return how many threads wait for the database."""
    return sum(each.name == "database" for each in threading.enumerate())


async def until(ask: Callable[[], Any]) -> None:
    """Ask until there is an answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            await ask()
        except (DatabaseSilent, DatabaseUnreachable):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        else:
            return


def test_many_requests_share_few_connections(migrated_database: URL) -> None:
    database = connect(migrated_database, pool_size=2, max_overflow=1)
    running: list[int] = []
    most: list[int] = []

    def query(session: Session) -> None:
        running.append(1)
        session.execute(select(Study.id)).all()
        most.append(len(running))
        running.pop()

    async def story() -> None:
        await asyncio.gather(*(database.read(query) for _ in range(200)))

    asyncio.run(story())
    database.close()
    assert len(most) == 200
    assert 1 <= max(most) <= 3


def test_a_standing_is_up_to_date_only_at_head() -> None:
    at_head = DatabaseStatus("SQLite", "3", ("b",), "b", (), ())

    assert at_head.up_to_date
    assert not DatabaseStatus("SQLite", "3", ("a",), "b", ("b",), ()).up_to_date
    assert not DatabaseStatus("SQLite", "3", ("c",), "b", (), ("c",)).up_to_date


def test_rows_that_nobody_committed_are_not_seen(migrated_database: URL, database: Database) -> None:
    with Migrated(migrated_database).connected() as connection:
        connection.execute(insert(Tag).values(label="x"))
        assert asyncio.run(database.read(lambda session: session.scalars(select(Tag.label)).all())) == []
        connection.rollback()
