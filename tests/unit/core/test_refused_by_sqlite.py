from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_FAILED, EXIT_LOCKED, EXIT_USAGE
from antarest.migration.errors.facts.database import DatabaseLocked, DatabaseMissing, NotADatabase
from tests.support.servers.connections import refused, sqlite_url


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
from antarest.migration.errors.base import AntarestError
from antarest.migration.database.driver_errors import translate_errors
from antarest.core.persistence import create_db_engine

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
        (0o555, 0o666, "written"),  # the folder is read-only, so no journal can be created beside the file
        (0o755, 0o000, "opened"),  # not even readable
        (0o555, None, "opened"),  # cannot be created
        (0o600, 0o666, "opened"),  # the folder cannot be entered
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
