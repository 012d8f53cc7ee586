"""Restores into an SQLite file in different states, and while other processes have it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_LOCKED
from tests.support.data.backups import Place, refused, somebody


@pytest.mark.parametrize(
    "statement", ["BEGIN IMMEDIATE", "BEGIN;SELECT * FROM country", "PRAGMA journal_mode = WAL;SELECT * FROM country"]
)
def test_an_sqlite_file_that_is_in_use_is_not_replaced(sqlite_place: Place, statement: str) -> None:
    place = sqlite_place
    timeouts = "busy_timeout: 0, migration_lock_timeout: 0"
    place.here.configure(f"db: {{url: '{place.url.render_as_string()}', backup_folder: backups, {timeouts}}}")
    place.done("backup")
    place.add("Spain")

    with somebody(place, statement):
        details = refused(place, "restore", "--allow-data-loss", "db.E406", EXIT_LOCKED)
        assert details["fact"].startswith("the database is in use")
    place.done("restore", "--allow-data-loss")
    assert place.names() == ["France"]


def test_who_has_the_sqlite_file_open_goes_on_with_the_restored_one(sqlite_place: Place) -> None:
    """If a new file replaced the old file, the process would still write to the old one, and its rows would be lost."""
    sqlite_place.done("backup")
    sqlite_place.add("Spain")
    with closing(sqlite3.connect(str(sqlite_place.url.database), isolation_level=None)) as open_before:
        assert open_before.execute("SELECT count(*) FROM country").fetchone() == (2,)

        sqlite_place.done("restore", "--allow-data-loss")

        assert open_before.execute("SELECT count(*) FROM country").fetchone() == (1,)
        open_before.execute("INSERT INTO country VALUES (9, 'Norway')")
    assert sqlite_place.names() == ["France", "Norway"]


# ---- SQLite: an old file in any state


def test_a_missing_database_is_restored(sqlite_place: Place) -> None:
    sqlite_place.done("backup")
    file = Path(str(sqlite_place.url.database))
    file.unlink()

    shown = sqlite_place.done("restore")

    assert "replaces       nothing: the database is empty" in shown
    assert sqlite_place.names() == ["France"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["header", "middle", "empty page"])
def test_a_damaged_database_is_restored_and_kept(sqlite_place: Place, damage: str) -> None:
    sqlite_place.here.execute("CREATE TABLE filler (x)", f"INSERT INTO filler VALUES ('{'x' * 40_000}')")
    sqlite_place.done("backup")
    file = Path(str(sqlite_place.url.database))
    data = bytearray(file.read_bytes())
    start = {"header": 0, "middle": 4096, "empty page": 100}[damage]
    data[start : start + 4096] = b"\xff" * 4096
    file.write_bytes(data)

    shown = sqlite_place.done("restore", "--yes")

    assert "replaces       a damaged database (" in shown
    assert sqlite_place.names() == ["France"]
    (kept,) = file.parent.glob("*.damaged-*")
    assert str(kept) in shown
    assert b"\xff" * 4000 in kept.read_bytes()


def test_what_is_damaged_and_can_still_be_counted_is_restored_and_kept(sqlite_place: Place) -> None:
    """An index lacks a row. Only a check of the whole file shows this."""
    sqlite_place.here.execute("CREATE TABLE filler (x)", "CREATE INDEX ix_filler ON filler (x)")
    sqlite_place.here.execute("INSERT INTO filler VALUES ('one'), ('two')")
    sqlite_place.done("backup")
    file = Path(str(sqlite_place.url.database))
    change = "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = '{}' WHERE name = 'ix_filler'"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(change.format("CREATE INDEX ix_filler ON filler (x) WHERE 0"))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript("INSERT INTO filler VALUES ('three')")
        connection.executescript(change.format("CREATE INDEX ix_filler ON filler (x)"))

    shown = sqlite_place.done("restore", "--allow-data-loss")

    (kept,) = file.parent.glob("*.damaged-*")
    assert f"what it replaced: {kept}" in shown
    assert sqlite_place.names() == ["France"]


def test_a_file_in_wal_mode_stays_in_it_whatever_its_page_size(sqlite_place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite_place.done("backup")
    with closing(sqlite3.connect(sqlite_place.files[0])) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)
        target.executescript("PRAGMA page_size = 8192; VACUUM")
    with closing(sqlite3.connect(str(sqlite_place.url.database))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    sqlite_place.add("Spain")

    sqlite_place.done("restore", f"--from={other} --allow-data-loss")

    with closing(sqlite3.connect(str(sqlite_place.url.database))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
    assert sqlite_place.names() == ["France"]
