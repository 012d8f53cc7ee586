"""A value is lost if a change of type changes it. A value that has a new name is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL
from sqlalchemy.types import TypeEngine, UserDefinedType

from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, Case, Step, batch, case, cases, losses

Database = Callable[[EngineName], URL]

VALUES = (
    "CREATE TABLE v (id INTEGER, s VARCHAR(50), f FLOAT, n INTEGER, d DATE, t TIMESTAMP)",
    "INSERT INTO v VALUES (1, '007', 1.0, 1, '2024-01-05', '2024-01-05 10:00:00.000000')",
    "INSERT INTO v VALUES (2, '7', 2.5, 2, '2024-01-06', '2024-01-06 00:00:00.000000')",
    "INSERT INTO v (id) VALUES (3)",
)


def to(column: str, type_: TypeEngine[Any]) -> Step:
    return batch(lambda altered: altered.alter_column(column, type_=type_), table="v")


def rebuild(columns: str, insert: str) -> tuple[str, ...]:
    """Rebuild the table by hand."""
    return (f"CREATE TABLE n ({columns})", f"INSERT INTO n {insert}", "DROP TABLE v", "ALTER TABLE n RENAME TO v")


NUMBERS = "id INTEGER, s INTEGER"


@cases(
    case("a text that a number does not give back", to("s", sa.Integer()), loses={"v.s": 1}, on=SQLITE, before=VALUES),
    case("a fraction", to("f", sa.Integer()), loses={"v.f": 1}, on=SQLITE, before=VALUES),
    case("a whole number as a text", to("n", sa.String(9)), on=SQLITE, before=VALUES),
    case("a whole number as a fraction", to("n", sa.Float()), on=SQLITE, before=VALUES),
    case("a whole number in a text as a fraction", "DELETE FROM v WHERE s = '007'", to("s", sa.Float()), loses={"v": 1},
         on=SQLITE, before=VALUES),
    case("a date as a number", to("d", sa.Integer()), loses={"v.d": 2}, on=SQLITE, before=VALUES),
    case("a date as a text", to("d", sa.String(50)), on=SQLITE, before=VALUES),
    case("a time as a date", to("t", sa.Date()), loses={"v.t": 1}, on=SQLITE, before=VALUES),
    case("a date as a time", to("d", sa.DateTime()), on=SQLITE, before=VALUES),
    case("a text as a time", to("t", sa.String(50)), to("t", sa.DateTime()), on=SQLITE, before=VALUES),
    case("a text without CAST", *rebuild(NUMBERS, "SELECT id, s FROM v"), loses={"v.s": 1, "v.f": 2, "v.n": 2,
         "v.d": 2, "v.t": 2}, on=SQLITE, before=VALUES),
)  # fmt: skip
def test_sqlite_counts_the_values_that_a_type_changes(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


ANY = ("CREATE TABLE v (id INTEGER, s ANY) STRICT", "INSERT INTO v VALUES (1, '007'), (2, 7), (3, x'01'), (4, NULL)")
TEXT = ("CREATE TABLE v (id INTEGER, s TEXT)", "INSERT INTO v VALUES (1, '007'), (2, '7')")


def rebuild_strict(columns: str) -> tuple[str, ...]:
    made, *rest = rebuild(columns, "SELECT id, s FROM v")
    return (f"{made} STRICT", *rest)


class AnyType(UserDefinedType[Any]):
    """The type ANY, which SQLAlchemy does not have."""

    def get_col_spec(self, **_options: Any) -> str:
        """Return the name of the type."""
        return "ANY"


def in_a_batch(op: Operations) -> None:
    """SQLAlchemy reads ANY as NUMERIC, which a STRICT table refuses."""
    with op.batch_alter_table("v", reflect_args=(sa.Column("s", AnyType()),)) as altered:
        altered.add_column(sa.Column("more", sa.Text()))


@cases(
    case("from a text", *rebuild_strict("id INTEGER, s ANY"), on=SQLITE, before=TEXT),
    case("in a table that stays STRICT", *rebuild_strict("id INTEGER, s ANY"), "UPDATE v SET s = s", on=SQLITE,
         before=ANY),
    case("in a batch", in_a_batch, on=SQLITE, before=ANY),
    case("in a table that is STRICT no more", *rebuild("id INTEGER, s ANY", "SELECT id, s FROM v"), loses={"v.s": 1},
         on=SQLITE, before=ANY),
    case("in a table that was never STRICT", *rebuild_strict("id INTEGER, s ANY"), on=SQLITE, before=(
         "CREATE TABLE v (id INTEGER, s ANY)", ANY[1])),
)  # fmt: skip
def test_any_type_keeps_each_value_only_in_a_strict_table(database: Database, engine: EngineName, case: Case) -> None:
    """In other tables, SQLite turns texts of such a column into numbers."""
    assert losses(database(engine), case) == case.loses


ALTER = "ALTER TABLE v ALTER COLUMN"
JSONS = ("CREATE TABLE v (s JSON)", 'INSERT INTO v VALUES (\'{"b":1.0,"a":2}\'), (\'{"b": 1}\')')
POINTS = ("CREATE TABLE v (s POINT)", "INSERT INTO v VALUES ('(1,2)'), ('(3,4)')")
MOODS = ("CREATE TYPE mood AS ENUM ('a')", "CREATE TABLE v (s mood)", "INSERT INTO v VALUES ('a')")
PARTS = ("CREATE TABLE p (id INT, s TEXT) PARTITION BY LIST (id)", "CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1)",
         "INSERT INTO p VALUES (1, '01'), (1, '2')")  # fmt: skip


@cases(
    case("a text that a number does not give back", f"{ALTER} s TYPE integer USING s::integer", loses={"v.s": 1},
         on=POSTGRESQL, before=VALUES),
    case("a fraction, and two at once", f"{ALTER} f TYPE integer, ALTER s SET DATA TYPE varchar(2) USING left(s, 2)",
         loses={"v.f": 1, "v.s": 1}, on=POSTGRESQL, before=VALUES),
    case("by Alembic, under a new name", batch(lambda b: b.alter_column("s", new_column_name="x", type_=sa.Integer(),
         postgresql_using="s::integer"), table="v"), loses={"v.s": 1}, on=POSTGRESQL, before=VALUES),
    case("a time of the day", f"{ALTER} t TYPE date", loses={"v.t": 1}, on=POSTGRESQL, before=VALUES),
    case("a date as a time, a text and a time again", f"{ALTER} d TYPE timestamp", f"{ALTER} d TYPE text",
         f"{ALTER} d TYPE timestamp USING d::timestamp", on=POSTGRESQL, before=VALUES),
    case("a wider number, a longer text", f"{ALTER} n TYPE bigint, ALTER s TYPE varchar(99)", f"{ALTER} s TYPE text",
         on=POSTGRESQL, before=VALUES),
    case("a conversion that is meant", f"{ALTER} n TYPE text USING 'n' || n", loses={"v.n": 2}, on=POSTGRESQL,
         before=VALUES),
    case("another value of the same type", f"{ALTER} s TYPE varchar(50) USING upper(s || 'x')", on=POSTGRESQL,
         before=VALUES),
    case("an empty text", f"{ALTER} s TYPE text USING ''", loses={"v.s": 2}, on=POSTGRESQL, before=VALUES),
    case("a type without =", f"{ALTER} s TYPE text USING '(3,4)'", loses={"v.s": 1}, on=POSTGRESQL, before=POINTS),
    case("JSON, whose spaces and order are no data", f"{ALTER} s TYPE jsonb", f"{ALTER} s TYPE text",
         f"{ALTER} s TYPE json USING s::json", on=POSTGRESQL, before=JSONS),
    case("another value of JSON", f"{ALTER} s TYPE jsonb USING s::jsonb - 'a'", loses={"v.s": 1}, on=POSTGRESQL,
         before=JSONS),
    case("a text that is not JSON", f"{ALTER} s TYPE jsonb USING '{{}}'", loses={"v.s": 2}, on=POSTGRESQL,
         before=VALUES),
    case("a type without =, from a text", f"{ALTER} s TYPE point USING s::point", loses={"v.s": 1}, on=POSTGRESQL,
         before=("CREATE TABLE v (s TEXT)", "INSERT INTO v VALUES ('(1,2)'), ('(1, 2)')")),
    case("a time zone that the session has not", *(f"{ALTER} t TYPE {to} USING t AT TIME ZONE 'UTC'" for to in
         ("timestamptz", "timestamp")), on=POSTGRESQL, before=(*VALUES, "SET LOCAL TimeZone = 'Asia/Tokyo'")),
    case("a time zone, and a precision", f"{ALTER} t TYPE timestamptz(0) USING t AT TIME ZONE 'UTC'",
         loses={"v.t": 1}, on=POSTGRESQL, before=(*VALUES, "UPDATE v SET t = '2024-01-01 10:00:00.5' WHERE id = 1")),
    case("two time zones", f"{ALTER} t TYPE timestamptz USING (t AT TIME ZONE 'UTC' + interval '1 h')",
         loses={"v.t": 2}, on=POSTGRESQL, before=VALUES),
    case("a type without a way back", f"{ALTER} s TYPE integer USING 1", loses={"v.s": 1}, on=POSTGRESQL,
         before=MOODS),
    case("a partition", "ALTER TABLE p ALTER s TYPE integer USING s::integer", loses={"p_1.s": 1}, on=POSTGRESQL,
         before=PARTS),
    case("in a block: its count is unknown", f"DO $$ BEGIN {ALTER} s TYPE integer USING 7; END $$",
         loses={"v.s": None}, on=POSTGRESQL, before=VALUES),
    case("in a block with a made-up name", "DO $$ BEGIN EXECUTE 'ALTER TABLE st' || 'udy ALTER path TYPE text, ALTER id"
         " TYPE bigint'; EXECUTE 'ALTER TABLE st' || 'udy ADD COLUMN r FLOAT DEFAULT random()'; END $$", on=POSTGRESQL),
    case("in a block with a made-up name: its count is unknown", "DO $$ BEGIN EXECUTE 'ALTER TABLE st' || 'udy ALTER"
         " path TYPE integer USING 7'; END $$", loses={"study.path": None}, on=POSTGRESQL),
    case("in a block with a made-up name, which empties it too", "INSERT INTO study VALUES (7, 'n'), (8, 'n')",
         "DO $$ BEGIN EXECUTE 'TRUNCATE stu' || 'dy CASCADE'; EXECUTE 'INSERT INTO stu' || 'dy SELECT g, g::text FROM"
         " generate_series(1, 9) g'; END $$", loses={"study": 3, "study_tag": 4, "task": 3}, on=POSTGRESQL),
    case("in a block, without values", "DO $$ BEGIN ALTER TABLE empty ALTER note TYPE integer USING 7; END $$",
         on=POSTGRESQL),
)  # fmt: skip
def test_postgresql_counts_the_values_that_a_type_changes(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


TEXTS = ("CREATE TABLE v (id INTEGER, s VARCHAR(50))", "INSERT INTO v VALUES (1, '007'), (2, '7'), (3, NULL)")


@cases(
    case("with a list of columns", *rebuild(NUMBERS, "(s, id) SELECT CAST(s AS INTEGER) AS s, id FROM v"),
         loses={"v.s": 1}, before=TEXTS),
    case("without one", *rebuild(NUMBERS, "SELECT x.id, CAST(x.s AS INTEGER) FROM v AS x ORDER BY 1"),
         loses={"v.s": 1}, before=TEXTS),
    case("under another name", *rebuild("id INTEGER, number INTEGER", "SELECT id, CAST(s AS INTEGER) FROM v"),
         loses={"v.s": 1}, before=TEXTS),
    case("by way of another table", "CREATE TABLE b AS SELECT * FROM v", "DROP TABLE v", f"CREATE TABLE v ({NUMBERS})",
         "INSERT INTO v SELECT id, CAST(s AS INTEGER) FROM b", "DROP TABLE b", loses={"v.s": 1}, before=TEXTS),
    case("in two parts", f"CREATE TABLE n ({NUMBERS})", "INSERT INTO n SELECT id, CAST(s AS INTEGER) FROM v"
         " WHERE id = 1", "INSERT INTO n SELECT id, length(s) FROM v WHERE id > 1", "DROP TABLE v",
         "ALTER TABLE n RENAME TO v", loses={"v.s": 2}, before=TEXTS),
    case("a shorter text", *rebuild("id INTEGER, s VARCHAR(2)", "SELECT id, substr(s, 1, 2) FROM v"),
         loses={"v.s": 1}, before=TEXTS),
    case("a longer text", *rebuild("id INTEGER, s TEXT", "SELECT * FROM v"), before=TEXTS),
    case("another value is meant", *rebuild("id INTEGER, s VARCHAR(50)", "SELECT id, upper(s) FROM v"), before=TEXTS),
    case("in a way that cannot be counted", *rebuild(NUMBERS, "SELECT id, max(CAST(s AS INTEGER)) FROM v GROUP BY id"),
         loses={"v.s": None}, before=TEXTS),
    case("a copy into a table that has rows", "INSERT INTO study SELECT id + 9, s, upper(s) FROM v WHERE s IS NOT NULL",
         batch(lambda b: b.alter_column("path", nullable=True, type_=sa.Text()), table="study"), before=TEXTS),
    case("a copy that a savepoint takes back", "SAVEPOINT x", f"CREATE TABLE n ({NUMBERS})",
         "INSERT INTO n SELECT id, CAST(s AS INTEGER) FROM v", "ROLLBACK TO x", before=TEXTS),
)  # fmt: skip
def test_counts_the_values_that_a_rebuild_changes(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


RENAME = batch(lambda b: b.alter_column("path", new_column_name="place"))


@cases(
    case("in a batch", RENAME),
    case("with a new type", batch(lambda b: b.alter_column("path", new_column_name="place", type_=sa.Text()))),
    case("names in turns", batch(lambda b: b.alter_column("path", new_column_name="x"),
         lambda b: b.alter_column("name", new_column_name="path")), on=SQLITE),
    case("and dropped by the next one", RENAME, batch(lambda b: b.drop_column("place")), loses={"study.path": 2}),
    case("and emptied", RENAME, "UPDATE study SET place = NULL WHERE id = 1", loses={"study.path": 1}, on=SQLITE),
    case("by hand", "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), place VARCHAR(50))",
         "INSERT INTO n SELECT id, name, path FROM study", "DROP TABLE study", "ALTER TABLE n RENAME TO study",
         on=SQLITE),
    case("a default in its place", "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), path TEXT DEFAULT 'd')",
         "INSERT INTO n (id, name) SELECT id, name FROM study WHERE path IS NULL OR id > 0", "DROP TABLE study",
         "ALTER TABLE n RENAME TO study", loses={"study.path": 2}, on=SQLITE),
    case("filled afterwards", "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), path VARCHAR(50))",
         "INSERT INTO n (id, name) SELECT id, name FROM study JOIN (SELECT id AS other FROM task) ON other = id",
         "UPDATE n SET path = (SELECT path FROM study WHERE study.id = n.id)", "DROP TABLE study",
         "ALTER TABLE n RENAME TO study", on=SQLITE),
    case("joined with another table", "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), path VARCHAR(50))",
         "INSERT INTO n SELECT id, name, path FROM study JOIN task USING (id)", "DROP TABLE study",
         "ALTER TABLE n RENAME TO study", on=SQLITE),
    case("something else under a new name", "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), has_path"
         " VARCHAR(50))", "INSERT INTO n SELECT id, name, CASE WHEN path IS NULL THEN 'no' ELSE 'yes' END FROM study",
         "DROP TABLE study", "ALTER TABLE n RENAME TO study", loses={"study.path": 2}, on=SQLITE),
)  # fmt: skip
def test_knows_a_renamed_column_of_a_rebuilt_table(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


def test_a_batch_keeps_dates_readable(sqlite_database: URL) -> None:
    """A CAST would leave only the year."""
    texts: list[tuple[object, ...]] = []

    def look(op: Operations) -> None:
        texts.extend(tuple(row) for row in op.get_bind().execute(sa.text("SELECT s, d, t FROM v")))

    table = ("CREATE TABLE v (s VARCHAR(50), d DATE, t DATETIME)",
             "INSERT INTO v VALUES ('2024-01-05', '2024-01-06', '2024-01-07 00:00:00.000000')")  # fmt: skip
    steps = (to("s", sa.Date()), to("d", sa.DateTime()), to("t", sa.Date()), look)

    assert losses(sqlite_database, Case("", steps, {}, table)) == {}
    assert texts == [("2024-01-05", "2024-01-06 00:00:00.000000", "2024-01-07")]
