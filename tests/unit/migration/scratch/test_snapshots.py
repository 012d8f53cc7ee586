"""Snapshots show what happened to rows: lost, added, changed, or moved to another name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Connection

from antarest.migration.verify.rows.filler import fill
from antarest.migration.verify.rows.snapshots import snapshot
from tests.support.data.row_changes import changes
from tests.support.data.schemas import THING, create_things, opened, run


@pytest.fixture
def database(empty_database: URL) -> Iterator[Connection]:
    with opened(empty_database) as connection:
        yield connection


def test_the_same_rows_are_the_same_snapshot_on_both_engines(sqlite_database: URL, postgres_database: URL) -> None:
    with opened(sqlite_database) as sqlite, opened(postgres_database) as postgresql:
        create_things(sqlite)
        create_things(postgresql)
        fill(sqlite, rows=30)
        rows = sqlite.execute(sa.select(THING)).mappings().all()
        postgresql.execute(sa.insert(THING), [{k: v for k, v in row.items() if k != "half"} for row in rows])

        assert changes(snapshot(sqlite), snapshot(postgresql)) == []
        assert snapshot(sqlite) == snapshot(postgresql)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("SELECT 1", []),
        ("UPDATE t SET name = 'y' WHERE id = 1", ["t id=1: name: 'x' -> 'y'"]),
        ("UPDATE t SET name = NULL WHERE id = 1", ["t id=1: name: 'x' -> None"]),
        ("DELETE FROM t WHERE id = 2", ["t id=2: row lost"]),
        ("INSERT INTO t VALUES (3, 'z')", ["t id=3: row added"]),
        ("UPDATE t SET id = 4 WHERE id = 2", ["t id=2: row lost", "t id=4: row added"]),
        ("DELETE FROM bare", ["bare a=1, b='p': 2 rows lost"]),
        ("INSERT INTO bare VALUES (1, 'p')", ["bare a=1, b='p': row added"]),
        ("ALTER TABLE t ADD COLUMN more TEXT; UPDATE t SET more = 'm'", []),
        ("ALTER TABLE t DROP COLUMN name", []),
        ("CREATE TABLE other (id INTEGER); INSERT INTO other VALUES (1)", []),
        ("DROP TABLE bare", []),
        ("UPDATE alembic_version SET id = 2", []),
    ],
)
def test_changes_of_rows_are_found(database: Connection, change: str, expected: list[str]) -> None:
    run(
        database,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL);"
        "CREATE TABLE bare (a INTEGER, b TEXT); INSERT INTO bare VALUES (1, 'p'), (1, 'p');"
        "CREATE TABLE alembic_version (id INTEGER PRIMARY KEY); INSERT INTO alembic_version VALUES (1)",
    )
    before = snapshot(database)
    assert not database.in_transaction()

    run(database, change)

    assert changes(before, snapshot(database)) == expected


def test_renamed_tables_and_columns_are_compared_under_their_new_names(database: Connection) -> None:
    run(database, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    before = snapshot(database)
    run(
        database,
        "ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN id TO nr; ALTER TABLE u RENAME COLUMN name TO label;"
        "UPDATE u SET label = 'z' WHERE nr = 2",
    )
    names = {"t": "u", "t.id": "nr", "t.name": "label"}

    assert changes(before, snapshot(database), renamed=names) == ["u nr=2: label: 'y' -> 'z'"]
    assert changes(before, snapshot(database)) == []


def test_a_key_that_is_no_key_any_more_is_not_taken_for_one(database: Connection) -> None:
    run(database, "CREATE TABLE t (a INTEGER, b INTEGER, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 1), (1, 2)")
    before = snapshot(database)
    run(
        database,
        "CREATE TABLE u (a INTEGER PRIMARY KEY); INSERT INTO u VALUES (1); DROP TABLE t; ALTER TABLE u RENAME TO t",
    )
    after = snapshot(database)

    assert changes(before, after) == ["t a=1: row lost"]
    assert changes(after, before) == ["t a=1: row added"]


def test_what_sqlite_holds_against_its_type_is_still_read(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        run(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO t VALUES (1, 'yesterday')")

        assert snapshot(connection).tables["t"].rows == ((1, "yesterday"),)
