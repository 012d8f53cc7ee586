"""Restores: what they show, what they need, and that the database is afterwards the old one or the new one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from antarest.core.errors import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED
from antarest.migration.scratch import PostgresServer, scratch_database
from tests.refusals import refusal
from tests.support_backups import BRIDGE, COUNTRY, Place
from tests.support_roles import connected
from tests.user import assert_shows

MakePlace = Callable[..., Place]


@pytest.fixture
def newer(place: Place) -> Place:
    """A place with a backup of one row, at head and with three rows since."""
    place.done("upgrade", "--backup")
    place.add("Spain", "Italy")
    return place


def refused(place: Place, verb: str, flags: str, code: str, exit_code: int = EXIT_FAILED) -> dict[str, str]:
    """Run a command that must be refused, and change nothing in the database; the details of the error."""
    before = place.query("SELECT * FROM country"), place.query("SELECT * FROM alembic_version")
    found = refusal(place.run(verb, flags), code, exit_code)
    assert (place.query("SELECT * FROM country"), place.query("SELECT * FROM alembic_version")) == before
    return {"fact": found.fact, **found.details}


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
    assert _databases_of(place) == [str(place.url.database)]


def _of(place: Place, revision: str) -> str:
    return next(str(each["path"]) for each in place.listed() if each["revisions"] == [revision])


def _databases_of(place: Place) -> list[str]:
    """The databases of the server that have to do with this one."""
    name = str(place.url.database)
    if place.is_sqlite:
        return [name]
    return [str(row[0]) for row in place.query("SELECT datname FROM pg_database") if row[0].startswith(name)]


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


def test_a_backup_of_the_other_engine_is_refused(newer: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"PGDMP and so on" if newer.is_sqlite else b"SQLite format 3\0 and so on")

    details = refused(newer, "restore", f"--from={other} --allow-data-loss", "db.E905")

    assert "it is not an" in details["fact"]


# ---- others are there


@contextmanager
def somebody(place: Place, sqlite_statement: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is connected to the database."""
    program = """
import sys
from sqlalchemy import create_engine, NullPool, text
connection = create_engine(sys.argv[1], poolclass=NullPool).connect()
if connection.dialect.name == "sqlite":
    connection.connection.dbapi_connection.isolation_level = None
    for statement in sys.argv[2].split(";"):
        connection.connection.dbapi_connection.execute(statement)
else:
    connection.execute(text("SELECT 1"))
print("there", flush=True)
sys.stdin.readline()
print(connection.connection.dbapi_connection.cursor().execute("SELECT 1"), flush=True)
"""
    command = [sys.executable, "-c", program, place.url.render_as_string(hide_password=False), sqlite_statement]
    environment = {**os.environ, "PGAPPNAME": "somebody"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "statement", ["BEGIN IMMEDIATE", "BEGIN;SELECT * FROM country", "PRAGMA journal_mode = WAL;SELECT * FROM country"]
)
def test_an_sqlite_file_that_is_in_use_is_not_replaced(sqlite_place: Place, statement: str) -> None:
    place = sqlite_place
    place.here.configure(f"db: {{url: '{place.url.render_as_string()}', backup_folder: backups, busy_timeout: 0}}")
    place.done("backup")
    place.add("Spain")

    with somebody(place, statement):
        details = refused(place, "restore", "--allow-data-loss", "db.E908", EXIT_LOCKED)
        assert details["fact"].startswith("the database is in use")
    place.done("restore", "--allow-data-loss")
    assert place.names() == ["France"]


def test_who_has_the_sqlite_file_open_goes_on_with_the_restored_one(sqlite_place: Place) -> None:
    """A file put in its place would leave it with the old one, where what it writes is lost."""
    sqlite_place.done("backup")
    sqlite_place.add("Spain")
    with closing(sqlite3.connect(str(sqlite_place.url.database), isolation_level=None)) as open_before:
        assert open_before.execute("SELECT count(*) FROM country").fetchone() == (2,)

        sqlite_place.done("restore", "--allow-data-loss")

        assert open_before.execute("SELECT count(*) FROM country").fetchone() == (1,)
        open_before.execute("INSERT INTO country VALUES (9, 'Norway')")
    assert sqlite_place.names() == ["France", "Norway"]


def test_the_sessions_of_others_are_named_and_ended_only_when_asked(postgres_place: Place) -> None:
    place = postgres_place
    place.done("backup")
    place.add("Spain")

    with somebody(place, "") as process:
        details = refused(place, "restore", "--allow-data-loss", "db.E908", EXIT_LOCKED)
        assert details["fact"] == "the database is in use by another session"
        assert "somebody" in details["by"]
        assert details["by"].startswith("pid ")
        assert _databases_of(place) == [str(place.url.database)]

        place.done("restore", "--allow-data-loss --end-sessions")
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(60) != 0, "its session was ended"
    assert place.names() == ["France"]
    _drop_replaced(place)


def test_sessions_that_come_back_at_once_do_not_stop_a_restore(postgres_place: Place) -> None:
    """An application reconnects as soon as its session is ended."""
    place = postgres_place
    place.done("backup")
    place.add("Spain")
    program = """
import sys, psycopg2, time
while True:
    try:
        connection = psycopg2.connect(sys.argv[1])
        print("there", flush=True)
        while True:
            connection.cursor().execute("SELECT 1")
            connection.rollback()
    except psycopg2.Error:
        pass
"""
    url = place.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"there\n"
            place.done("restore", "--allow-data-loss --end-sessions")
        finally:
            process.kill()
    assert place.names() == ["France"]
    _drop_replaced(place)


def _drop_replaced(place: Place) -> None:
    """Drop what restores kept: a test leaves nothing on the server."""
    with connected(place.url.set(database="postgres")).execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in _databases_of(place):
            if name != place.url.database:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


# ---- what belongs to the database


def test_the_properties_of_a_database_stay(postgres_place: Place) -> None:
    place = postgres_place
    name = place.url.database
    role = f"reader_{name}"
    place.here.execute(
        f"CREATE ROLE {role}",
        f"GRANT CONNECT ON DATABASE {name} TO {role}",
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
        f"ALTER DATABASE {name} SET search_path TO public, \"$user\", 'it''s'",
        f"ALTER DATABASE {name} SET work_mem TO '12MB'",
        f"ALTER ROLE {role} IN DATABASE {name} SET statement_timeout TO '7s'",
        f"ALTER DATABASE {name} CONNECTION LIMIT 77",
        f"COMMENT ON DATABASE {name} IS 'it''s mine'",
    )
    before = _properties(place)
    place.done("backup")
    try:
        place.done("restore", "--yes")

        assert _properties(place) == before
        assert len(before[1]) == 3
    finally:
        _drop_replaced(place)
        place.here.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def _properties(place: Place) -> tuple[object, list[object]]:
    row = place.query(
        "SELECT datdba, encoding, datcollate, datctype, datconnlimit, dattablespace, datacl::text[],"
        " shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    )
    settings = place.query(
        "SELECT setrole, unnest(setconfig) FROM pg_db_role_setting"
        " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2"
    )
    (values,) = row
    return (*values[:6], sorted(values[6]), values[7]), [tuple(each) for each in settings]


# ---- rights


def test_a_role_without_the_rights_is_told_so_first(tmp_path: Path, dumpable: tuple[PostgresServer, Path]) -> None:
    server, programs = dumpable
    with scratch_database("postgresql", server) as url:
        place = Place.create(tmp_path / "a", url, programs)
        role = f"role_{url.database}"
        place.here.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'p'", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        )
        try:
            place.done("backup")
            file = place.files[0]
            place.here.configure(
                f"db: {{url: '{url.set(username=role, password='p').render_as_string(hide_password=False)}',"
                f" postgres_programs: '{programs}'}}"
            )
            details = refused(place, "restore", f"--from={file} --allow-data-loss", "db.E907")
            assert details["fact"] == (
                f"the role {role} may not restore: it may not create databases; the database belongs to {url.username}"
            )
        finally:
            place.here.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def test_an_owner_that_is_no_superuser_can_restore(tmp_path: Path, dumpable: tuple[PostgresServer, Path]) -> None:
    server, programs = dumpable
    with scratch_database("postgresql", server) as superuser:
        role = f"owner_{superuser.database}"
        with connected(superuser) as connection:
            connection.execute(text(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'p'"))
            connection.execute(text(f"ALTER DATABASE {superuser.database} OWNER TO {role}"))
            connection.commit()
        place = Place.create(tmp_path, superuser.set(username=role, password="p"), programs)
        try:
            place.done("backup")
            place.add("Spain")
            place.done("restore", "--allow-data-loss")
            assert place.names() == ["France"]
        finally:
            with connected(server.url).execution_options(isolation_level="AUTOCOMMIT") as connection:
                for name in _databases_of(place):
                    connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
                connection.execute(text(f"DROP ROLE {role}"))


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
