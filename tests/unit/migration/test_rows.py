"""Generated rows respect every constraint and show every awkward value; snapshots say what became of rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Connection, MetaData, Table
from sqlalchemy.exc import IntegrityError

from antarest.migration.rows import NoValidRow, changes, fill, snapshot

EVERY_TYPE = MetaData()
THING = Table(
    "thing",
    EVERY_TYPE,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(12), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("fixed", sa.CHAR(4)),
    sa.Column("kind", sa.Enum("RAW", "VARIANT", "O'K", name="kind", create_constraint=True), nullable=False),
    sa.Column("soft", sa.Enum("A", "B", name="soft", native_enum=False, create_constraint=True)),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Column("small", sa.SmallInteger),
    sa.Column("count", sa.Integer),
    sa.Column("big", sa.BigInteger),
    sa.Column("ratio", sa.Float),
    sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("args", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("half", sa.Integer, sa.Computed("small / 2", persisted=True)),
)


@contextmanager
def opened(url: URL) -> Iterator[Connection]:
    """A connection that enforces foreign keys; the engine is disposed of afterwards."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
                connection.rollback()
            yield connection
    finally:
        engine.dispose()


@pytest.fixture
def database(empty_database: URL) -> Iterator[Connection]:
    with opened(empty_database) as connection:
        yield connection


def run(connection: Connection, ddl: str) -> None:
    """Run statements separated by semicolons, and keep what they did."""
    for statement in ddl.split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    connection.commit()


def read(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def column(connection: Connection, table: str, name: str) -> list[object]:
    """The values of one column, in the order of the table's key."""
    rows = snapshot(connection).tables[table]
    return [row[0] for row in rows.pick([name])]


def create_things(connection: Connection) -> None:
    EVERY_TYPE.create_all(connection)
    connection.commit()


# ---- what the rows hold


def test_every_awkward_value_is_among_the_rows(database: Connection) -> None:
    create_things(database)

    fill(database)

    names, texts = column(database, "thing", "name"), column(database, "thing", "text")
    assert {"", "Zürich — Ång", "日本語 Ελληνικά"[:12]} <= {*names}
    assert max(len(str(name)) for name in names) == 12
    assert any("🙂" in str(text) for text in texts)
    assert any("\n" in str(text) for text in texts)
    assert {0, 1, -1, 2**31 - 1, -(2**31)} <= {*column(database, "thing", "count")}
    assert {2**15 - 1, -(2**15)} <= {*column(database, "thing", "small")}
    assert {2**63 - 1, -(2**63)} <= {*column(database, "thing", "big")}
    assert {True, False} == {*column(database, "thing", "done")}
    assert {dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)} <= {*column(database, "thing", "at")}  # noqa: DTZ001
    assert {dt.date(1, 1, 1), dt.date(9999, 12, 31)} <= {*column(database, "thing", "day")}
    assert {b"", bytes(range(256))} <= {*column(database, "thing", "blob")}
    assert {} in column(database, "thing", "args")


def test_every_enum_label_is_among_the_rows(database: Connection) -> None:
    create_things(database)

    fill(database)

    assert {*column(database, "thing", "kind")} == {"RAW", "VARIANT", "O'K"}
    assert {*column(database, "thing", "soft")} == {"A", "B", None}


def test_null_is_among_the_rows_wherever_it_is_allowed(database: Connection) -> None:
    create_things(database)

    fill(database)

    for each in THING.columns:
        if each.nullable and each.name != "half":
            assert None in column(database, "thing", each.name), each.name


def test_values_repeat_where_they_may(database: Connection) -> None:
    create_things(database)

    fill(database)

    for each in ("name", "at", "count"):
        values = column(database, "thing", each)
        assert len(set(values)) < len(values), each


def test_the_rows_are_those_that_the_models_read(database: Connection) -> None:
    """What SQLAlchemy stores for a model and what is generated have the same form."""
    create_things(database)

    fill(database)

    stored = database.execute(sa.select(THING.c.at, THING.c.done, THING.c.hour)).all()
    assert stored
    assert all(isinstance(at, dt.datetime) and isinstance(done, bool) for at, done, _ in stored)


def test_the_same_seed_gives_the_same_rows(database: Connection) -> None:
    create_things(database)

    def rows(seed: int) -> object:
        fill(database, seed=seed)
        found = snapshot(database)
        database.rollback()
        return found

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_at_least_as_many_rows_as_asked_for(database: Connection) -> None:
    create_things(database)

    assert fill(database, rows=40) == {"thing": 40}
    assert read(database, "SELECT count(*) FROM thing") == [(40,)]


# ---- constraints


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("value IN ('A', 'B''s', 'c, d')", {"A", "B's", "c, d"}),
        ("value = 'only'", {"only"}),
        ("length(value) = 17", {"x" * 17}),
        ("value LIKE 'a%' AND length(value) = 1", {"a"}),
    ],
)
def test_checks_of_texts_are_respected(database: Connection, check: str, expected: set[str]) -> None:
    run(
        database,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, value VARCHAR(20) NOT NULL CHECK ({check}))".replace("%", "%%"),
    )

    fill(database)

    assert {*column(database, "t", "value")} == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("value >= 2147483646", {2**31 - 2, 2**31 - 1}),
        ("value BETWEEN 41 AND 43", {41, 42, 43}),
        ("value IN (7, 9)", {7, 9}),
        ("value > 5 AND value < 7", {6}),
    ],
)
def test_checks_of_numbers_are_respected(database: Connection, check: str, expected: set[int]) -> None:
    run(database, f"CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, value INTEGER NOT NULL CHECK ({check}))")

    fill(database)

    assert {*column(database, "t", "value")} == expected


def test_checks_of_several_columns_are_respected(database: Connection) -> None:
    run(database, "CREATE TABLE t (id INTEGER PRIMARY KEY, low INTEGER, high INTEGER, CHECK (low < high))")

    assert fill(database)["t"] > 3


def test_unique_keys_of_any_kind_are_respected(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE t (id VARCHAR(5) PRIMARY KEY, a INTEGER NOT NULL UNIQUE, b VARCHAR(9) NOT NULL, c BOOLEAN);"
        "CREATE UNIQUE INDEX lowered ON t (lower(b)); CREATE UNIQUE INDEX partial ON t (c) WHERE c IS NOT NULL",
    )

    assert fill(database)["t"] > 3


def test_a_unique_flag_allows_two_rows_only(database: Connection) -> None:
    run(database, "CREATE TABLE t (flag BOOLEAN NOT NULL UNIQUE)")

    assert fill(database, rows=5) == {"t": 2}


def test_an_id_is_left_to_the_database_that_numbers_its_rows(database: Connection) -> None:
    numbered = "INTEGER PRIMARY KEY" if database.dialect.name == "sqlite" else "SERIAL PRIMARY KEY"
    run(database, f"CREATE TABLE t (id {numbered}, a INTEGER)")

    count = fill(database)["t"]

    database.exec_driver_sql("INSERT INTO t (a) VALUES (5)")
    assert sorted(str(value).zfill(3) for value in column(database, "t", "id")) == [
        f"{n + 1:03}" for n in range(count + 1)
    ]


def test_the_sequence_of_an_id_that_we_numbered_goes_on_behind_it(postgres_database: URL) -> None:
    with opened(postgres_database) as connection:
        run(connection, 'CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE SEQUENCE "T_ids"')

        fill(connection, rows=20)

        connection.exec_driver_sql("INSERT INTO t SELECT nextval('\"T_ids\"')")
        assert read(connection, "SELECT max(id) FROM t") == [(21,)]


# ---- foreign keys


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

    assert added["bot"] == added["identity"]
    assert {*column(database, "bot", "id")} == {*column(database, "identity", "id")}


def test_a_table_of_links_has_no_link_twice(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, flag BOOLEAN); CREATE TABLE b (id INTEGER PRIMARY KEY, flag BOOLEAN);"
        "CREATE TABLE link (a INTEGER REFERENCES a, b INTEGER REFERENCES b, PRIMARY KEY (a, b))",
    )

    assert fill(database, rows=10)["link"] >= 10


# ---- what the caller says


def test_values_of_the_caller_replace_the_generated_ones(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE p (id VARCHAR(9) PRIMARY KEY);"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, data TEXT, must TEXT NOT NULL, p VARCHAR(9) REFERENCES p)",
    )

    fill(database, values={"t.data": ['{"a": 1}', None], "t.must": ["x", None], "gone.data": [1], "p.id": ["one"]})

    assert {*column(database, "t", "data")} == {'{"a": 1}', None}
    assert {*column(database, "t", "must")} == {"x"}
    assert {*column(database, "t", "p")} == {"one", None}


def test_a_table_that_has_rows_is_left_alone_and_referred_to(database: Connection) -> None:
    run(
        database,
        "CREATE TABLE p (id VARCHAR(9) PRIMARY KEY); INSERT INTO p VALUES ('mine');"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, p VARCHAR(9) NOT NULL REFERENCES p)",
    )

    added = fill(database)

    assert added["p"] == 0
    assert added["t"] >= 3
    assert {*column(database, "t", "p")} == {"mine"}
    assert fill(database) == {"p": 0, "t": 0}


def test_excluded_tables_stay_empty(database: Connection) -> None:
    run(database, "CREATE TABLE alembic_version (version_num VARCHAR(32)); CREATE TABLE t (id INTEGER PRIMARY KEY)")

    assert fill(database).keys() == {"t"}
    assert read(database, "SELECT * FROM alembic_version") == []


def test_the_rows_are_in_the_transaction_of_the_caller(database: Connection) -> None:
    create_things(database)

    fill(database)
    assert database.in_transaction()
    database.rollback()

    assert read(database, "SELECT * FROM thing") == []


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("id INTEGER PRIMARY KEY, a VARCHAR(9) NOT NULL CHECK (a = 'x' AND a = 'y')", "a, VARCHAR(9) NOT NULL"),
        ("id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, CHECK (coalesce(a < b AND b < a, 1 = 0))", "check"),
        ("id INTEGER PRIMARY KEY REFERENCES parent", "id must refer to a row of parent"),
    ],
)
def test_a_table_that_cannot_be_filled_is_named_with_the_reason(
    database: Connection, definition: str, reason: str
) -> None:
    run(database, "CREATE TABLE alembic_version (id INTEGER); CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    run(database, f"CREATE TABLE t ({definition})")

    with pytest.raises(NoValidRow) as caught:
        fill(database, exclude=("alembic_version", "parent"))

    assert caught.value.table == "t"
    assert reason in caught.value.reason or reason in caught.value.reason.lower()
    assert caught.value.message.endswith("the table t")


def test_a_value_of_the_wrong_type_is_named_as_the_reason(database: Connection) -> None:
    create_things(database)

    with pytest.raises(NoValidRow) as caught:
        fill(database, values={"thing.at": ["not a date"]})

    assert caught.value.table == "thing"
    assert caught.value.code == "db.E850"


# ---- snapshots


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

    assert changes(before, snapshot(database)) == ["t a=1: row lost"]


def test_what_sqlite_holds_against_its_type_is_still_read(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        run(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO t VALUES (1, 'yesterday')")

        assert snapshot(connection).tables["t"].rows == ((1, "yesterday"),)


def test_a_row_that_breaks_a_constraint_would_have_been_refused(database: Connection) -> None:
    """The databases of these tests do enforce what the generated rows are said to respect."""
    run(database, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (p INTEGER REFERENCES p, CHECK (p > 0))")

    for value in (7, 0):
        with pytest.raises(IntegrityError):
            database.exec_driver_sql(f"INSERT INTO t VALUES ({value})")
        database.rollback()
