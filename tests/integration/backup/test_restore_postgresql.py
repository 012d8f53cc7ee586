"""Restores into PostgreSQL: other sessions, the properties of the database, and rights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from antarest.migration.errors.base import EXIT_LOCKED
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from tests.support.data.backups import Place, databases_of, refused, somebody
from tests.support.servers.roles import connected

# ---- others are there


def test_the_sessions_of_others_are_named_and_ended_only_when_asked(postgres_place: Place) -> None:
    place = postgres_place
    place.done("backup")
    place.add("Spain")

    with somebody(place, "") as process:
        details = refused(place, "restore", "--allow-data-loss", "db.E406", EXIT_LOCKED)
        assert details["fact"] == "the database is in use by another session"
        assert "somebody" in details["by"]
        assert details["by"].startswith("pid ")
        assert databases_of(place) == [str(place.url.database)]

        place.done("restore", "--allow-data-loss --end-sessions")
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(60) != 0, "its session was ended"
    assert place.names() == ["France"]
    _drop_replaced(place)


def test_sessions_that_come_back_at_once_do_not_stop_a_restore(postgres_place: Place) -> None:
    """An application connects again as soon as its session is ended."""
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


def test_restores_may_follow_each_other_within_a_second(postgres_place: Place) -> None:
    """Each restore keeps the replaced database under another name."""
    place = postgres_place
    place.done("backup")
    (backup,) = place.files
    program = """
from antarest.migration.backup import Backups
for _ in range(5):
    with Backups(place.project, place.db).restoring(sys.argv[1]) as prepared:
        prepared.swap(end_sessions=True)
"""

    done = place.python(program, str(backup))

    assert (done.code, done.err) == (0, "")
    assert len(databases_of(place)) == 6
    _drop_replaced(place)


def _drop_replaced(place: Place) -> None:
    """Drop the databases that restores have kept, so that the test leaves nothing on the server."""
    with connected(place.url.set(database="postgres")).execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in databases_of(place):
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
                for name in databases_of(place):
                    connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
                connection.execute(text(f"DROP ROLE {role}"))
