"""Backups: when they are made, what they contain, and how many are kept."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from tests.support.checks.refusals import refusal
from tests.support.data.backups import BRIDGE, Place
from tests.support.projects.workshop import COUNTRY, Workshop

MakePlace = Callable[..., Place]


# ---- when


def test_an_upgrade_and_a_rollback_back_up_first(place: Place) -> None:
    flag = "" if place.is_sqlite else "--backup"

    upgraded = place.done("upgrade", flag)
    rolled_back = place.done("rollback", f"--to={COUNTRY} --yes --allow-data-loss {flag}")

    backups = place.listed()
    assert [backup["revisions"] for backup in backups] == [[BRIDGE], [COUNTRY]]
    for shown, backup in zip((rolled_back, upgraded), backups, strict=True):
        assert f"backup         {backup['path']} (" in shown
        assert shown.count("backup  ") == 1
    assert [backup["rows"] for backup in backups] == [1, 1]


def test_a_reset_backs_up_first(place: Place) -> None:
    place.done("reset", f"--yes --allow-data-loss --allow-production {'' if place.is_sqlite else '--backup'}")

    assert [backup["revisions"] for backup in place.listed()] == [[COUNTRY]]


def test_postgresql_is_backed_up_when_it_is_asked_for(tmp_path: Path, dumpable: tuple[PostgresServer, Path]) -> None:
    for number, (settings, flag, expected) in enumerate(
        [({}, "", 0), ({}, "--backup", 1), ({"backup": "true"}, "", 1), ({"backup": "false"}, "", 0)]
    ):
        with scratch_database("postgresql", dumpable[0]) as url:
            place = Place.create(tmp_path / str(number), url, dumpable[1], **settings)
            place.done("upgrade", flag)
            assert len(place.files) == expected


def test_plain_alembic_backs_up_too(place: Place) -> None:
    asked = "" if place.is_sqlite else "-x backup"

    done = place.here.run(f"alembic {asked} upgrade head")

    assert done.code == EXIT_DONE, done.err
    assert [backup["revisions"] for backup in place.listed()] == [[COUNTRY]]
    assert str(place.files[0]) in done.err


def test_what_changes_nothing_makes_no_backup(place: Place) -> None:
    place.done("upgrade", "--backup --dry-run")
    place.done("rollback", "--to=base --dry-run --backup")
    assert place.files == []
    place.done("upgrade", "--backup")
    (made,) = place.files

    place.done("upgrade", "--backup")

    assert place.files == [made]


def test_a_database_that_is_empty_or_missing_makes_no_backup(tmp_path: Path, empty_database: URL) -> None:
    here = Workshop.create(tmp_path, "merge", empty_database, backup_folder="backups")

    done = here.run(here.ours("upgrade", "--backup"))

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert not (here.folder / "backups").exists()


def test_there_is_nothing_to_back_up_in_an_empty_database(tmp_path: Path, empty_database: URL) -> None:
    here = Workshop.create(tmp_path, "merge", empty_database, backup_folder="backups")

    done = here.run(here.ours("backup"))

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "nothing to do: the database is empty" in done.out
    assert not (here.folder / "backups").exists()


# ---- what it holds


def test_a_backup_holds_the_database(place: Place) -> None:
    place.add("Spain", "Italy")

    shown = place.done("backup")

    (backup,) = place.listed()
    assert f"backup         {backup['path']} (" in shown
    assert (backup["revisions"], backup["rows"], backup["tables"]) == ([COUNTRY], 3, {"country": 3})
    assert backup["size"] == Path(backup["path"]).stat().st_size
    listed = place.done("backups")
    assert "3 rows" in listed
    assert Path(backup["path"]).name in listed
    assert COUNTRY in listed


def test_a_backup_that_nothing_distinguishes_from_the_last_one_is_not_made_twice(place: Place) -> None:
    """Otherwise a service that fails and starts again and again would soon have deleted every other backup."""
    place.done("backup")
    again = place.done("backup")
    (only,) = place.files
    assert str(only) in again

    place.add("Spain")
    place.done("backup")

    assert [backup["rows"] for backup in place.listed()] == [2, 1]


def test_a_backup_in_wal_mode_beside_a_writer_is_of_one_moment(sqlite_place: Place) -> None:
    writer = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
number = 10
while True:
    connection.execute("BEGIN")  # Always two rows: a copy of two moments would have an odd number
    connection.executemany("INSERT INTO country VALUES (?, ?)", [(number, "x" * 500), (number + 1, "y" * 500)])
    connection.execute("COMMIT")
    number += 2
    print(number, flush=True)
"""
    command = [sys.executable, "-c", writer, str(sqlite_place.url.database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(50):
            process.stdout.readline()
        try:
            sqlite_place.done("backup")
        finally:
            process.kill()

    (backup,) = sqlite_place.listed()
    assert backup["rows"] % 2 == 1, "and one of before"
    assert backup["rows"] > 50
    with closing(sqlite3.connect(backup["path"])) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT count(*) FROM country").fetchone() == (backup["rows"],)


def test_writers_wait_for_the_copy_and_not_until_it_is_verified(sqlite_place: Place) -> None:
    program = """
import sqlite3
from contextlib import closing
from antarest.migration.backup import Backups, sqlite
verify = sqlite.read
def write_and_verify(*arguments):
    with closing(sqlite3.connect(place.db.url.database, timeout=0)) as other, other:
        other.execute("INSERT INTO country VALUES (10, 'late')")
    return verify(*arguments)
sqlite.read = write_and_verify
print(dict(Backups(place.project, place.db).make().contents.rows))
"""
    assert sqlite_place.python(program).out == "{'country': 1}\n"
    assert sqlite_place.names() == ["France", "late"]


def test_a_dump_its_revision_and_its_rows_are_of_one_moment(postgres_place: Place) -> None:
    """Another session adds a row between the snapshot and the count."""
    program = """
from antarest.migration.backup import Backups
from antarest.migration.errors.listener import Listener
class Adder(Listener):
    is_done = False
    def working(self, what, done, total):
        if not self.is_done:
            self.is_done = True
            place.add("late")
print(dict(Backups(place.project, place.db, Adder()).make().contents.rows))
"""
    done = postgres_place.python(program)

    assert done.out == "{'country': 1}\n", done.err
    assert postgres_place.names() == ["France", "late"]


# ---- how few


def test_the_oldest_ones_are_deleted_and_nothing_else(make_place: MakePlace) -> None:
    place = make_place(backups_kept=2)
    place.folder.mkdir(mode=0o700)
    suffix = ".sqlite" if place.is_sqlite else ".dump"
    name = Path(str(place.url.database)).stem
    foreign = [
        place.folder / f"{name}-{COUNTRY}-20200101T000000Z{suffix}",  # this file has a name like ours, but is not ours
        place.folder / f"other-{COUNTRY}-20200101T000000Z{suffix}",
        place.folder / "notes.json",
    ]
    for path in foreign:
        path.write_text("precious")
    described = {"database": "somebody else's", "time": "2020-01-01T00:00:00+00:00", "size": 8, "digest": ""}
    contents = {"revisions": [], "rows": {}, "engine": ""}
    foreign[1].with_suffix(".json").write_text(json.dumps({**described, "contents": contents}))

    for number in range(4):
        place.add(f"country {number}")
        place.done("backup")

    assert [backup["rows"] for backup in place.listed()] == [5, 4]
    assert all(path.read_text() == "precious" for path in foreign)
    assert len(place.files) == 2 + 2


def test_what_is_restored_is_not_deleted_however_its_path_is_written(make_place: MakePlace) -> None:
    """The replaced database is kept as a backup too, which makes an old backup superfluous."""
    place = make_place(backups_kept=2)
    for number in range(2):
        place.add(f"country {number}")
        place.done("backup")
    oldest = Path(place.listed()[-1]["path"])
    place.add("one more")

    place.done("restore", f"--allow-data-loss --from={place.folder}/../{place.folder.name}/{oldest.name}")

    assert oldest.exists()


def test_the_newest_one_is_kept_when_the_clock_goes_backwards(make_place: MakePlace) -> None:
    place = make_place(backups_kept=1)
    place.done("backup")
    described = place.files[0].with_suffix(".json")
    read = json.loads(described.read_text())
    described.write_text(json.dumps({**read, "time": "2999-01-01T00:00:00+00:00"}))

    place.add("Spain")
    place.done("backup")

    assert [backup["rows"] for backup in place.listed()] == [2]


def test_backups_made_at_once_do_not_hurt_each_other(make_place: MakePlace) -> None:
    place = make_place(backups_kept=2)
    program = """
first = int(sys.argv[1]) * 1000
for number in range(first, first + 3):
    place.here.execute(f"INSERT INTO country VALUES ({number}, 'new')")
    place.backups.make()
"""

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda number: place.python(program, str(number)), range(1, 4)))

    assert [(result.code, result.err) for result in results] == [(0, "")] * 3
    backups = place.listed()
    assert len(backups) == len({backup["path"] for backup in backups}) == len(place.files) == 2
    assert max(backup["rows"] for backup in backups) == 10
    assert list(place.folder.glob(".unfinished*")) == []


# ---- a run that fails


def test_a_failed_upgrade_names_the_backup(make_place: MakePlace) -> None:
    place = make_place()
    (place.here.folder / "versions" / "d00000000000_create_bridge.py").write_text(BROKEN)
    before = place.names()

    for command in (place.here.ours("upgrade", "--backup"), "alembic -x backup upgrade head"):
        refused = refusal(place.here.run(command), "db.E601", EXIT_FAILED)
        assert refused.details["backup"] == str(place.files[-1])
    assert place.names() == before
    assert len(place.files) == 1, "the second one would have been the same"


BROKEN = '''
"""create bridge"""
revision = "d00000000000"
down_revision = "c00000000000"
def upgrade():
    from alembic import op
    op.execute("SELECT * FROM nowhere")
def downgrade():
    pass
'''
