"""Generated rows respect all kinds of foreign keys: to the same table, in cycles, of several columns, and as keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection
from sqlalchemy.exc import IntegrityError

from antarest.migration.verify.proving.state import everywhere
from antarest.migration.verify.rows.draw import NoValidRow
from antarest.migration.verify.rows.filler import _Filler, fill
from antarest.migration.verify.rows.hints import Hints
from antarest.migration.verify.rows.inserts import Memory
from antarest.migration.verify.rows.plain import PlainValues
from antarest.migration.verify.rows.snapshots import snapshot
from tests.support.data.schemas import column, opened, run


@pytest.fixture
def database(empty_database: URL) -> Iterator[Connection]:
    with opened(empty_database) as connection:
        yield connection


def test_foreign_keys_hold_and_are_null_where_they_may(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE z_parent (id VARCHAR(9) PRIMARY KEY);"
        "CREATE TABLE a_child (id INTEGER PRIMARY KEY, one VARCHAR(9) REFERENCES z_parent, two VARCHAR(9) NOT NULL"
        " REFERENCES z_parent)",
    )

    added = fill(database)

    assert min(added.values()) > 3
    assert None in column(database, "a_child", "one")
    assert {*column(database, "a_child", "two")} == {*column(database, "z_parent", "id")}


def test_a_table_that_refers_to_itself_has_roots_and_children(database: Connection) -> None:
    run(database, "CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, parent VARCHAR(9) REFERENCES t)")

    fill(database)

    parents = column(database, "t", "parent")
    assert None in parents
    assert any(parents)


def test_a_table_that_must_refer_to_itself_begins_with_a_row_that_does(database: Connection) -> None:
    numbered = "INTEGER" if database.dialect.name == "sqlite" else "SERIAL"
    run(
        database,
        "CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, parent VARCHAR(9) NOT NULL REFERENCES t);"
        f"CREATE TABLE n (id {numbered} PRIMARY KEY, parent INTEGER NOT NULL REFERENCES n)",
    )

    assert min(fill(database).values()) >= 3


def test_a_cycle_of_tables_is_closed(database: Connection) -> None:
    run(database, "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER)")
    if database.dialect.name == "postgresql":
        run(
            database,
            "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER NOT NULL REFERENCES a);"
            "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b",
        )
    else:
        run(
            database,
            "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER NOT NULL REFERENCES a);"
            "DROP TABLE a; CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b)",
        )

    assert min(fill(database).values()) >= 3
    assert any(column(database, "a", "b_id"))
    assert None in column(database, "a", "b_id")


def test_a_cycle_without_null_is_closed_where_the_check_can_wait(database: Connection) -> None:
    later = "INTEGER NOT NULL REFERENCES {} DEFERRABLE INITIALLY IMMEDIATE"
    first = "INTEGER NOT NULL" if database.dialect.name == "postgresql" else later.format("b")
    run(
        database,
        f"CREATE TABLE a (id INTEGER PRIMARY KEY, b_id {first});"
        f"CREATE TABLE b (id INTEGER PRIMARY KEY, a_id {later.format('a')})",
    )
    if database.dialect.name == "postgresql":
        run(database, "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b DEFERRABLE INITIALLY IMMEDIATE")

    assert min(fill(database).values()) >= 3
    database.commit()
    assert {*column(database, "a", "b_id")} <= {*column(database, "b", "id")}


def test_a_foreign_key_to_a_table_without_a_key_refers_to_nothing(sqlite_database: URL) -> None:
    """SQLite accepts such a table, but its rows only without foreign keys. A migration switches them off."""
    with opened(sqlite_database) as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        run(connection, "CREATE TABLE p (a INT);\nCREATE TABLE t (a INT REFERENCES p, b INT REFERENCES t)")

        added = fill(connection)

        assert min(added.values()) > 0
        assert {*column(connection, "t", "a"), *column(connection, "t", "b")} == {None}


def test_foreign_keys_of_several_columns_agree_where_they_share_one(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE study (id INTEGER PRIMARY KEY);"
        "CREATE TABLE block (study_id INTEGER REFERENCES study, nr INTEGER, PRIMARY KEY (study_id, nr));"
        "CREATE TABLE line (id VARCHAR(9) PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES study, nr INTEGER,"
        " FOREIGN KEY (study_id, nr) REFERENCES block (study_id, nr))",
    )

    assert min(fill(database).values()) >= 3
    assert None in column(database, "line", "nr")
    assert any(number is not None for number in column(database, "line", "nr"))


def test_a_child_of_joined_inheritance_takes_the_keys_of_its_parent(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE identity (id VARCHAR(9) PRIMARY KEY, type VARCHAR(9) NOT NULL);"
        "CREATE TABLE bot (id VARCHAR(9) PRIMARY KEY REFERENCES identity,"
        " owner VARCHAR(9) NOT NULL REFERENCES identity)",
    )

    added = fill(database)

    # As in an application, one identity is not a bot.
    assert added["bot"] == added["identity"] - 1
    assert {*column(database, "bot", "id")} < {*column(database, "identity", "id")}


def test_a_table_of_links_has_no_link_twice(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, flag BOOLEAN); CREATE TABLE b (id INTEGER PRIMARY KEY, flag BOOLEAN);"
        "CREATE TABLE link (a INTEGER REFERENCES a, b INTEGER REFERENCES b, PRIMARY KEY (a, b))",
    )

    assert fill(database, rows=10)["link"] >= 10


def test_a_row_that_breaks_a_constraint_would_have_been_refused(database: Connection) -> None:
    """The databases of these tests enforce the constraints that the generated rows are said to respect."""
    run(database, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (p INTEGER REFERENCES p, CHECK (p > 0))")

    for value in (7, 0):
        with pytest.raises(IntegrityError):
            database.exec_driver_sql(f"INSERT INTO t VALUES ({value})")
        database.rollback()


def test_remembered_rows_are_those_that_would_be_drawn(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """This also holds in a second table that refers to them. If the database refuses the rows, others are generated."""
    numbered = "INTEGER PRIMARY KEY" if database.dialect.name == "sqlite" else "SERIAL PRIMARY KEY"
    run(
        database,
        f"CREATE TABLE parent (id {numbered}, name VARCHAR(20));"
        f"CREATE TABLE child (id {numbered}, parent_id INTEGER NOT NULL REFERENCES parent (id))",
    )
    memory: Memory = {}
    pools = PlainValues(Hints(), everywhere)
    fill(database, pools=pools, memory=memory)
    drawn = snapshot(database)
    database.rollback()
    if database.dialect.name == "postgresql":  # A rollback leaves sequences as they are.
        run(database, "ALTER SEQUENCE parent_id_seq RESTART; ALTER SEQUENCE child_id_seq RESTART")

    with monkeypatch.context() as patch:
        patch.delattr(_Filler, "_draw_table")
        fill(database, pools=pools, memory=memory)
    remembered = snapshot(database)
    database.rollback()
    run(database, "CREATE UNIQUE INDEX ux ON parent (name)")
    broken = {origin: known._replace(rows=known.rows * 2, statement=b"no SQL") for origin, known in memory.items()}
    fill(database, pools=pools, memory=broken)

    assert len(memory) == len(drawn.tables)
    assert remembered == drawn
    assert {name for name, table in snapshot(database).tables.items() if table.rows} == {*drawn.tables}


def test_rows_that_were_added_one_by_one_are_remembered_too(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table refers to itself, has a check of several columns, or accepts no row."""
    run(
        database,
        "CREATE TABLE folder (id CHAR(36) PRIMARY KEY, parent_id CHAR(36) REFERENCES folder (id));"
        "CREATE TABLE span (id CHAR(36) PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL, CHECK (low < high));"
        "CREATE TABLE note (id CHAR(36) PRIMARY KEY, folder_id CHAR(36) REFERENCES folder (id))",
    )
    memory: Memory = {}
    pools = PlainValues(Hints(), everywhere)
    fill(database, pools=pools, memory=memory)
    drawn = snapshot(database)
    database.rollback()

    with monkeypatch.context() as patch:
        patch.delattr(_Filler, "_draw_table")
        fill(database, pools=pools, memory=memory)
        remembered = snapshot(database)
    database.rollback()
    run(
        database,
        "CREATE TABLE never (low INTEGER NOT NULL, high INTEGER NOT NULL, CHECK (low < high), CHECK (high < low))",
    )
    run(database, "DROP TABLE note")

    assert remembered == drawn
    assert all(table.rows for table in drawn.tables.values())
    with pytest.raises(NoValidRow):
        fill(database, pools=pools, memory=memory)
    database.rollback()
    monkeypatch.delattr(_Filler, "_draw_table")
    with pytest.raises(NoValidRow, match="never"):
        fill(database, pools=pools, memory=memory)
