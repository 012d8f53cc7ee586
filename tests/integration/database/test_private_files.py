"""Only the owner can read the files that we write, because the SQLite file and the backups contain the data."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE
from tests.support.data.backups import Place
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import Checkout
from tests.support.projects.workshop import Workshop


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_backups_are_their_owners_alone(place: Place) -> None:
    old = os.umask(0)
    try:
        place.done("upgrade", "--backup")
        place.done("backup")
    finally:
        os.umask(old)

    assert mode(place.folder) == 0o700
    assert {path.suffix for path in place.folder.iterdir()} >= {".json", place.files[0].suffix}
    assert {mode(path) for path in place.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("command", ["inv db.upgrade", "alembic upgrade head", "alembic stamp head"])
def test_the_sqlite_file_that_we_create_is_its_owners_alone(tmp_path: Path, sqlite_database: URL, command: str) -> None:
    here = Workshop.create(tmp_path, "merge", sqlite_database)

    old = os.umask(0)
    try:
        done = here.run(command)
    finally:
        os.umask(old)

    assert done.code == EXIT_DONE, done.err
    assert mode(Path(str(sqlite_database.database))) == 0o600


def test_a_file_that_a_link_leads_to_is_its_owners_alone(tmp_path: Path) -> None:
    """The link leads to an empty volume. Without care, SQLite would create a file there that everybody can read."""
    link = tmp_path / "linked.db"
    link.symlink_to(tmp_path / "volume.db")
    here = Workshop.create(tmp_path, "merge", URL.create("sqlite", database=str(link)))

    old = os.umask(0)
    try:
        done = here.run("inv db.upgrade")
    finally:
        os.umask(old)

    assert done.code == EXIT_DONE, done.err
    assert mode(tmp_path / "volume.db") == 0o600


def test_git_does_not_see_the_backups_in_a_checkout(checkout: Checkout) -> None:
    """The backups contain the data of the database. Git would add them to the next commit."""
    (checkout.path / "application.yaml").write_text("db:\n  url: sqlite:///antarest.db\n")
    for to in (HISTORY.pending(())[-2], "head"):
        done = checkout.run(sys.executable, "-m", "antarest.migration", "upgrade", f"--to={to}")
        assert done.code == EXIT_DONE, done.err

    assert list((checkout.path / "backups").glob("*.sqlite"))
    assert checkout.git("status", "--porcelain") == ""


def test_a_file_that_exists_keeps_its_mode(sqlite_place: Place) -> None:
    file = Path(str(sqlite_place.url.database))
    file.chmod(0o640)

    sqlite_place.done("upgrade")

    assert mode(file) == 0o640
