from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DBAPIError

from antarest.migration.database.connection import looking, moving, read_current
from antarest.migration.errors.revision import VersionTable

TABLE = VersionTable()


@pytest.fixture
def connection(empty_database: URL) -> Iterator[Connection]:
    """A connection that reads an empty database."""
    with moving(empty_database) as connection, connection.begin():
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
    with looking(empty_database) as connection:
        yield connection


def write(url: URL, *revisions: str, table: str = '"alembic_version"') -> None:
    with moving(url) as connection, connection.begin():
        connection.execute(text(f"CREATE TABLE {table} (version_num VARCHAR(32))"))
        for revision in revisions:
            connection.execute(text(f"INSERT INTO {table} VALUES (:revision)"), {"revision": revision})


def test_an_empty_database_is_at_no_revision_and_can_be_asked_on(connection: Connection) -> None:
    assert read_current(connection, TABLE) == ()
    assert connection.scalar(text("SELECT count(*) FROM other")) == 0
    assert read_current(connection, TABLE) == ()


def test_a_transaction_that_was_begun_goes_on(empty_database: URL) -> None:
    """The missing version table does not undo what the transaction wrote before."""
    with moving(empty_database) as connection, connection.begin():
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
        connection.execute(text("INSERT INTO other VALUES (1)"))
        assert read_current(connection, TABLE) == ()
        connection.execute(text("INSERT INTO other VALUES (2)"))

    with looking(empty_database) as connection:
        assert connection.scalar(text("SELECT count(*) FROM other")) == 2


def test_the_revisions_are_sorted(empty_database: URL) -> None:
    write(empty_database, "b", "a")
    with looking(empty_database) as connection:
        assert read_current(connection, TABLE) == ("a", "b")
        assert read_current(connection, TABLE) == ("a", "b")


def test_it_is_one_query(empty_database: URL) -> None:
    write(empty_database, "a")
    with looking(empty_database) as connection:
        asked: list[str] = []
        event.listen(connection.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        read_current(connection, TABLE)

    limits = [each for each in asked if "set_config(" in each]
    assert [each for each in asked if each != "BEGIN" and each not in limits] == [
        f"SELECT version_num FROM {TABLE.name}"
    ]
    assert len(limits) == (1 if empty_database.get_backend_name() == "postgresql" else 0)


def test_a_version_table_may_have_any_name(empty_database: URL) -> None:
    write(empty_database, "a", table='"Our versions"')
    with looking(empty_database) as connection:
        assert read_current(connection, VersionTable("Our versions")) == ("a",)


def test_a_version_table_that_is_another_one_is_an_error(empty_database: URL) -> None:
    with moving(empty_database) as connection, connection.begin():
        connection.execute(text(f"CREATE TABLE {TABLE} (id INTEGER)"))

    with looking(empty_database) as connection, pytest.raises(DBAPIError, match="version_num"):
        read_current(connection, TABLE)


def test_a_connection_whose_closing_is_interrupted_is_no_error_of_the_pool(
    empty_database: URL, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at this moment must not print a traceback. Other errors while a connection is closed are still logged."""
    ends: list[BaseException] = [KeyboardInterrupt(), OSError("no such connection")]

    def close(connection: Any) -> None:
        connection.close()
        raise ends.pop(0)

    with pytest.raises(KeyboardInterrupt), looking(empty_database) as connection:
        monkeypatch.setattr(connection.dialect, "do_close", close)
    assert not caplog.records

    with looking(empty_database) as connection:
        monkeypatch.setattr(connection.dialect, "do_close", close)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["no such connection"]
