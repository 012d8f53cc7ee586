"""Generated rows show every awkward value and respect checks and unique keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Connection

from antarest.migration.schema.reflection import reflect
from antarest.migration.verify.findings.behaviour import behaviour
from antarest.migration.verify.findings.integrity import late_sequences
from antarest.migration.verify.rows.draw import NoValidRow
from antarest.migration.verify.rows.filler import _Filler, fill
from antarest.migration.verify.rows.snapshots import snapshot
from tests.support.data.schemas import THING, column, create_things, opened, read, run


@pytest.fixture
def database(empty_database: URL) -> Iterator[Connection]:
    with opened(empty_database) as connection:
        yield connection


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
    assert {Decimal("99999999.99"), Decimal("-99999999.99"), Decimal("0.01")} <= {*column(database, "thing", "amount")}
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
    """Generated values have the same form as those that SQLAlchemy stores for a model."""
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


def test_all_rows_of_a_table_are_those_that_come_one_by_one(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_things(database)
    inserts: list[str] = []
    sa.event.listen(
        database,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: inserts.extend([statement] * statement.startswith("INSERT")),
    )

    fill(database)
    together, number = snapshot(database), len(inserts)
    database.rollback()
    monkeypatch.setattr(_Filler, "_add_together", lambda *_: [])
    fill(database)

    assert snapshot(database) == together
    assert (number, len(inserts)) == (1, 1 + len(together.tables["thing"].rows))


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

    values = {*column(database, "t", "value")}
    assert expected <= values
    assert values <= expected | {each.upper() for each in expected}  # For LIKE of SQLite, "A" equals "a".


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


@pytest.mark.parametrize("name", ["group", "Value", "length"])
def test_checks_of_a_column_that_needs_quotes_are_known_beforehand(database: Connection, name: str) -> None:
    """No generated row is refused and replaced by another one, so the other column shows all its values."""
    check = f'length("{name}") = 17'
    run(database, f'CREATE TABLE t (id INTEGER PRIMARY KEY, other TEXT, "{name}" VARCHAR(20) NOT NULL CHECK ({check}))')

    fill(database)

    assert {*column(database, "t", name)} == {"x" * 17}
    assert {None, "", "a", "NULL", " space around "} < {*column(database, "t", "other")}
    assert len({*column(database, "t", "other")}) == len(column(database, "t", "other")) - 1


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


# ---- what the caller says


def test_tables_of_every_schema_get_rows_that_refer_to_each_other(postgres_database: URL) -> None:
    with opened(postgres_database) as connection:
        run(
            connection,
            """
            CREATE SCHEMA "50%% Ours";
            CREATE TABLE "50%% Ours".club (id SERIAL PRIMARY KEY, name TEXT UNIQUE);
            CREATE TABLE member (id SERIAL PRIMARY KEY, club INTEGER REFERENCES "50%% Ours".club ON DELETE CASCADE)
            """,
        )
        fill(connection)
        rows, late = snapshot(connection), late_sequences(connection)
        found = behaviour(connection, reflect(connection), rows)

    assert set(rows.tables) == {"50% Ours.club", "member"}
    assert {club for (club,) in rows.tables["member"].pick(["club"]) if club} <= {
        club for (club,) in rows.tables["50% Ours.club"].pick(["id"])
    }
    assert found["repeat 50% Ours.club(name)"] == "refuses it"
    assert found["delete a row of 50% Ours.club to which member(club) refers"] == "also deletes the rows of member"
    assert not late


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


def test_a_repeated_moment_is_refused_however_the_database_spells_it(database: Connection) -> None:
    race = sa.Table("race", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.DateTime))
    race.append_constraint(sa.UniqueConstraint("at"))
    race.create(database)
    moments = [dt.datetime(2026, 4, day) for day in (1, 2)]  # noqa: DTZ001 - naive, as the column has it
    database.execute(sa.insert(race), [{"id": at.day, "at": at} for at in moments])

    assert behaviour(database, reflect(database), snapshot(database)) == {"repeat race(at)": "refuses it"}
