"""Restores: what they print, what they need, and that afterwards the database is the old or the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from antarest.migration.errors.base import EXIT_DONE
from tests.support.data.backups import BRIDGE, Place, databases_of, refused
from tests.support.programs.user import assert_shows
from tests.support.projects.workshop import COUNTRY
from tests.support.servers.roles import connected

MakePlace = Callable[..., Place]


@pytest.fixture
def newer(place: Place) -> Place:
    """A place with a backup of one row. The database is at head, and has three more rows than the backup."""
    place.done("upgrade", "--backup")
    place.add("Spain", "Italy")
    return place


# ---- what is shown, and asked


def test_the_plan_shows_what_would_be_lost(newer: Place) -> None:
    shown = newer.run("restore", "--yes")

    (backup,) = newer.listed()
    assert_shows(
        shown.out,
        f"restore        {backup['path']} (",
        f"revision       {COUNTRY}, 1 row",
        f"replaces       {BRIDGE}, 3 rows",
        "  goes back before b10000000000, b20000000000, c00000000000 and 1 more",
        "  2 rows of country: 3 now, 1 in the backup",
        "What was changed after the backup was made is lost",
    )
    details = refused(newer, "restore", "--yes", "db.E906")
    assert details["loses"].startswith("goes back before")
    assert details["loses 2"] == "2 rows of country: 3 now, 1 in the backup"


def test_nobody_to_ask_is_a_no(place: Place) -> None:
    place.done("backup")

    details = refused(place, "restore", "", "db.E704")

    assert details["fact"].startswith("not confirmed: Replace the database")


def test_a_restore_goes_back_and_keeps_what_it_replaces(newer: Place) -> None:
    shown = newer.done("restore", "--allow-data-loss")

    assert f"restored: the database is at {COUNTRY}" in shown
    assert newer.names() == ["France"]
    assert newer.query("SELECT version_num FROM alembic_version") == [(COUNTRY,)]
    kept = shown.partition("what it replaced: ")[2].splitlines()[0]
    if newer.is_sqlite:
        assert kept == newer.listed()[0]["path"]
        newer.done("restore", f"--from='{kept}' --yes")
        assert newer.names() == ["France", "Italy", "Spain"]
    else:
        old = newer.url.set(database=kept.removeprefix("the database "))
        assert Place(newer.here.watching(old), newer.settings).names() == ["France", "Italy", "Spain"]
        assert "dropdb --host=" in shown
        with connected(newer.url.set(database="postgres")).execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(text(f'DROP DATABASE "{old.database}"'))
    newer.done("upgrade")


def test_a_backup_of_a_newer_revision_than_the_database(place: Place) -> None:
    place.done("upgrade")
    place.done("backup")
    place.done("rollback", f"--to={COUNTRY} --yes --allow-data-loss")

    shown = place.done("restore", f"--from={_of(place, BRIDGE)} --yes")

    assert f"revision       {BRIDGE}, 1 row" in shown
    assert place.here.workflow.current() == (BRIDGE,)


def test_a_revision_that_this_checkout_does_not_have_is_said_so(place: Place) -> None:
    place.here.execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
    place.done("backup")
    place.here.execute(f"UPDATE alembic_version SET version_num = '{COUNTRY}'")

    shown = place.run("restore", "--allow-data-loss")

    assert "revision       c0ffee123456 (not in this checkout: c0ffee123456), 1 row" in shown.out
    assert (shown.code, shown.err) == (EXIT_DONE, "")


def test_an_agreement_does_not_cover_what_is_added_later(place: Place) -> None:
    place.done("backup")
    program = """
with place.backups.restoring() as prepared:
    place.add("Spain")
    prepared.swap()
"""
    done = place.python(program)

    assert "DatabaseChanged: the database was changed while the restore was prepared: rows were added to country" in (
        done.err
    )
    assert place.names() == ["France", "Spain"]
    assert databases_of(place) == [str(place.url.database)]


def _of(place: Place, revision: str) -> str:
    return next(str(each["path"]) for each in place.listed() if each["revisions"] == [revision])


# ---- what to restore


def test_there_is_no_backup(place: Place) -> None:
    assert refused(place, "restore", "--yes", "db.E904")["fact"] == "there is no backup of the database"
    assert refused(place, "restore", "--from=gone --yes", "db.E904")["fact"] == "there is no backup gone"


def test_a_backup_is_found_by_its_name(newer: Place) -> None:
    newer.done("restore", f"--from={newer.files[0].name} --allow-data-loss")

    assert newer.names() == ["France"]


@pytest.mark.parametrize("damage", ["cut", "changed", "text"])
def test_a_damaged_backup_is_refused(newer: Place, damage: str) -> None:
    (file,) = newer.files
    data = file.read_bytes()
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
    file.write_bytes({"cut": data[:middle], "changed": changed, "text": b"These are notes.\n" * 300}[damage])

    assert refused(newer, "restore", "--allow-data-loss", "db.E905")["backup"] == str(file)


def test_a_backup_in_which_only_a_value_was_changed_is_refused(sqlite_place: Place) -> None:
    """SQLite itself finds no fault in the file."""
    sqlite_place.done("backup")
    (file,) = sqlite_place.files
    file.write_bytes(file.read_bytes().replace(b"France", b"Prance"))

    details = refused(sqlite_place, "restore", "--allow-data-loss", "db.E905")

    assert details["backup"] == str(file)


def test_a_backup_of_the_other_engine_is_refused(newer: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"PGDMP and so on" if newer.is_sqlite else b"SQLite format 3\0 and so on")

    details = refused(newer, "restore", f"--from={other} --allow-data-loss", "db.E905")

    assert "it is not an" in details["fact"]
