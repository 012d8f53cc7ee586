"""Losses behind other objects than the table itself: temporary tables, the text of a schema, types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.losses.tracking.base import NotAllowed
from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, Case, case, cases, losses

Database = Callable[[EngineName], URL]

UNIQUE = (
    "CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v TEXT)",
    "INSERT INTO u VALUES (1, 'a', 'v'), (2, 'b', 'v')",
)
ON_TASK = "CREATE TEMP TRIGGER t AFTER INSERT ON task BEGIN {}; END"
FOUR = "INSERT INTO temp.study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')"
INSTEAD = ("DROP TABLE main.study_tag", "ALTER TABLE n RENAME TO study_tag")


@cases(
    case("a table, by deleted rows", "CREATE TEMP TABLE study_tag AS SELECT * FROM main.study_tag",
         "DELETE FROM main.study_tag WHERE label = 'x'", loses={"study_tag": 2}, on=SQLITE),
    case("a table, by values", "CREATE TEMP TABLE study AS SELECT * FROM main.study", "UPDATE main.study SET path ="
         " CASE WHEN path IS NULL THEN 'q' END", loses={"study.path": 2}, on=SQLITE),
    case("a view, by deleted rows", "CREATE TEMP VIEW study_tag AS SELECT id FROM study",
         "DELETE FROM main.study_tag WHERE label = 'x'", loses={"study_tag": 2}, on=SQLITE),
    case("a table that is copied in its place", "CREATE TEMP TABLE study_tag (study_id INT, label TEXT)", FOUR,
         "CREATE TABLE n (study_id INT, label TEXT)", "INSERT INTO n SELECT * FROM study_tag", *INSTEAD,
         loses={"study_tag.study_id": 4, "study_tag.label": 4}, on=SQLITE),
    case("a trigger, by a row that replaces two", ON_TASK.format("REPLACE INTO u VALUES (1, 'b', 'v'), (7, 'z', 'v')"),
         "INSERT INTO task VALUES (9, NULL)", loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("a trigger, by values", ON_TASK.format("REPLACE INTO u VALUES (1, 'a', NULL), (7, 'z', 'v')"),
         "INSERT INTO task VALUES (9, NULL)", loses={"u.v": 1}, on=SQLITE, before=UNIQUE),
    case("changes of a temporary table are no loss", "CREATE TEMP TABLE study AS SELECT * FROM main.study",
         "UPDATE study SET path = NULL", "DELETE FROM study", on=SQLITE),
)  # fmt: skip
def test_a_temporary_object_hides_no_loss(database: Database, engine: EngineName, case: Case) -> None:
    """SQLite finds it first, under the name of the table."""
    assert losses(database(engine), case) == case.loses


def unchanged(op: Operations) -> None:
    """With this setting, SQLite would not refuse a rebuild of a table that a view needs."""
    assert op.get_bind().exec_driver_sql("PRAGMA writable_schema").scalar() == 0


WRITES = "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}') WHERE name = 'study'"


@cases(
    case("a column", "PRAGMA writable_schema = ON", WRITES.format(", path VARCHAR(50)", ""),
         loses={"study.path": None}, on=SQLITE),
    case("a column, and another text after it", "PRAGMA writable_schema = ON", WRITES.format(", path VARCHAR(50)", ""),
         WRITES.format("VARCHAR(50)", "TEXT"), loses={"study.path": None}, on=SQLITE),
    case("nothing, by a question about a table", lambda op: op.execute("SELECT 1 FROM pragma_table_info('study')"),
         unchanged, on=SQLITE),
    case("a type", "PRAGMA writable_schema = ON", WRITES.format("path VARCHAR(50)", "path TEXT"), on=SQLITE),
)  # fmt: skip
def test_a_column_that_is_only_taken_out_of_the_schema_is_lost(
    database: Database, engine: EngineName, case: Case
) -> None:
    """SQLite itself notices this when it opens the file again."""
    assert losses(database(engine), case) == case.loses


PLACES = (
    "CREATE TYPE spot AS (x INT, y INT)",
    "CREATE TABLE place (id INT PRIMARY KEY, a spot)",
    "INSERT INTO place VALUES (1, ROW(1, 2)), (2, ROW(3, NULL)), (3, NULL)",
)
DROPS = "ALTER TYPE spot DROP ATTRIBUTE y"


@cases(
    case("with a made-up text", "DO $$ BEGIN EXECUTE 'ALTER TYPE sp' || 'ot DROP ATTRIBUTE y'; END $$",
         loses={"place.a": None}, on=POSTGRESQL, before=PLACES),
    case("by a function", "SELECT f()", loses={"place.a": None}, on=POSTGRESQL, before=(
         *PLACES, f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {DROPS}; END $$")),
    case("in a savepoint that is rolled back", "SAVEPOINT s", f"DO $$ BEGIN EXECUTE '{DROPS}'; END $$",
         "ROLLBACK TO s", on=POSTGRESQL, before=PLACES),
    case("without values", f"DO $$ BEGIN EXECUTE '{DROPS}'; END $$", on=POSTGRESQL, before=PLACES[:2]),
)  # fmt: skip
def test_an_attribute_of_a_type_that_is_dropped_out_of_sight_is_an_unknown_number(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


FILLS = "UPDATE place SET a = CASE id WHEN {} THEN {}::spot WHEN 3 THEN ROW(5, 5)::spot ELSE a END"
BARE = "INSERT INTO place VALUES (4, ROW(NULL, NULL))"


@cases(
    case("they are another value", "UPDATE place SET a = ROW(NULL, NULL) WHERE id = 1", on=POSTGRESQL, before=PLACES),
    case("another value, beside a NULL that is filled", FILLS.format(1, "ROW(NULL, NULL)"), on=POSTGRESQL,
         before=PLACES),
    case("NULL in their place", "UPDATE place SET a = NULL WHERE id = 4", loses={"place.a": 1}, on=POSTGRESQL,
         before=(*PLACES, BARE)),
    case("NULL in their place, beside a NULL that is filled", FILLS.format(4, "NULL"), loses={"place.a": 1},
         on=POSTGRESQL, before=(*PLACES, BARE)),
    case("NULL in the place of some", FILLS.format(2, "NULL"), loses={"place.a": 1}, on=POSTGRESQL, before=PLACES),
    case("another type", "ALTER TABLE place ALTER a TYPE text USING a::text", on=POSTGRESQL, before=(*PLACES, BARE)),
    case("another type, with other values", "ALTER TABLE place ALTER a TYPE text USING 'n'", loses={"place.a": 3},
         on=POSTGRESQL, before=(*PLACES, BARE)),
    case("a move", "INSERT INTO other SELECT a FROM place WHERE id <> 1", "ALTER TABLE place DROP a",
         loses={"place.a": 1}, on=POSTGRESQL, before=(*PLACES, BARE, "CREATE TABLE other (a spot)"),
         moves={"place.a": "other.a"}),
)  # fmt: skip
def test_a_composite_value_with_nulls_is_a_value(database: Database, engine: EngineName, case: Case) -> None:
    """For PostgreSQL, `ROW(NULL, NULL) IS NULL` is true, and `ROW(1, NULL) IS NOT NULL` is false."""
    assert losses(database(engine), case) == case.loses


JSONS = ("CREATE DOMAIN settings AS JSONB", "CREATE DOMAIN wishes AS settings",
         "CREATE TABLE t (id INT PRIMARY KEY, d wishes)",
         "INSERT INTO t VALUES (1, '1'), (2, '[]'), (3, 'null')")  # fmt: skip
HEIRS = ("CREATE TABLE par (a INT, z INT)", "CREATE TABLE heir () INHERITS (par)", "INSERT INTO par (z) VALUES (1)",
         "INSERT INTO heir VALUES (2, 3)")  # fmt: skip


@cases(
    case("the null of JSON, in a domain", "UPDATE t SET d = 'null'", loses={"t.d": 2}, on=POSTGRESQL, before=JSONS),
    case("beside a value that is filled", "UPDATE t SET d = CASE id WHEN 3 THEN '1' ELSE 'null' END::jsonb",
         loses={"t.d": 2}, on=POSTGRESQL, before=JSONS),
    case("an empty text, in a domain", "UPDATE t SET d = ''", loses={"t.d": 1}, on=POSTGRESQL, before=(
         "CREATE DOMAIN label AS TEXT", "CREATE TABLE t (d label)", "INSERT INTO t VALUES ('a')")),
    case("rows that only the parent has", "ALTER TABLE par ALTER z TYPE bigint", "TRUNCATE ONLY par",
         loses={"par": 1}, on=POSTGRESQL, before=HEIRS),
)  # fmt: skip
def test_a_domain_and_an_heir_hide_no_loss(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


BYTES = ("CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, j JSON, b BLOB)",
         "INSERT INTO t VALUES (1, 's', '[]', x'01'), (2, x'', x'', x'')")  # fmt: skip


@cases(
    case("texts and JSON", "UPDATE t SET s = x'', j = x'', b = x''", loses={"t.s": 1, "t.j": 1}, on=SQLITE,
         before=BYTES),
    case("texts, beside one that is filled", "UPDATE t SET s = CASE id WHEN 1 THEN x'' ELSE 'n' END",
         loses={"t.s": 1}, on=SQLITE, before=BYTES),
    case("no text", "UPDATE t SET s = x'' WHERE id = 2", "UPDATE t SET s = x'00' WHERE id = 1", on=SQLITE,
         before=BYTES),
)  # fmt: skip
def test_no_bytes_in_place_of_a_text_are_an_empty_text(database: Database, engine: EngineName, case: Case) -> None:
    """In a column for bytes, they are another value, as on PostgreSQL."""
    assert losses(database(engine), case) == case.loses


DOC = ("CREATE VIRTUAL TABLE doc USING fts5(body)", "INSERT INTO doc VALUES ('a'), ('b')")


@cases(
    case("deleted rows", "DELETE FROM doc_content WHERE id = 1", on=SQLITE, before=DOC),
    case("values", "UPDATE doc_content SET c0 = NULL", on=SQLITE, before=DOC),
    case("all rows, by a trigger", "INSERT INTO task VALUES (9, NULL)", on=SQLITE, before=(
         *DOC, "CREATE TRIGGER t AFTER INSERT ON task BEGIN DELETE FROM doc_data; END")),
    case("a table that is made in the revision", *DOC, "DELETE FROM doc_content", on=SQLITE),
)  # fmt: skip
def test_a_write_to_the_tables_behind_a_virtual_table_is_refused(
    database: Database, engine: EngineName, case: Case
) -> None:
    with pytest.raises(NotAllowed, match=r"doc_(content|data), in which a virtual table"):
        losses(database(engine), case)


@cases(
    case("rows", "DELETE FROM doc WHERE body = 'a'", "INSERT INTO doc VALUES ('c'), ('d')", "INSERT INTO doc(doc)"
         " VALUES ('rebuild')", "UPDATE doc SET body = 'e'", loses={"doc": 1}, on=SQLITE, before=DOC),
    case("its name, and the whole table", "ALTER TABLE doc RENAME TO text", "DROP TABLE text", loses={"doc": 2},
         on=SQLITE, before=DOC),
    case("but not a table that only has such a name", "DELETE FROM doc_parent", "INSERT INTO doc_stat VALUES (1)",
         "DROP TABLE old", loses={"doc_parent": 1, "old": 1}, on=SQLITE, before=(
             *DOC, "CREATE VIRTUAL TABLE old USING fts4(body)", "INSERT INTO old VALUES ('a')",
             "CREATE TABLE doc_parent (id INT)", "CREATE TABLE doc_stat (id INT)",
             "INSERT INTO doc_parent VALUES (1)")),
    case("but not its own texts", "DELETE FROM page_content", loses={"page_content": 1}, on=SQLITE, before=(
         "CREATE TABLE page_content (id INTEGER PRIMARY KEY, body TEXT)", "INSERT INTO page_content VALUES (1, 'a')",
         "CREATE VIRTUAL TABLE page USING fts5(body, content='page_content', content_rowid='id')")),
    case("in a tree", "DROP TABLE box", loses={"box": 1}, on=SQLITE, before=(
         "CREATE VIRTUAL TABLE box USING rtree(id, x, y)", "INSERT INTO box VALUES (1, 2, 3)")),
)  # fmt: skip
def test_a_virtual_table_changes_the_tables_behind_it(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


ARCHIVE = "CREATE TABLE archive (study_id INT, label VARCHAR(50))"
TO_ARCHIVE = {"study_tag": "archive"}
EMPTIED = "INSERT INTO archive SELECT study_id, {} FROM study_tag"
WATERS = (
    *(f"CREATE TABLE {name} (id INT, v INT)" for name in ("pond", "pool", "lake")),
    "INSERT INTO pond VALUES (1, 1), (2, 2)",
    "INSERT INTO pool VALUES (3, 3), (4, 4)",
)
EVENTS = ("CREATE TABLE event (id INT, x INT) PARTITION BY RANGE (id)",
          "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10)",
          "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20)",
          "INSERT INTO event VALUES (1, 1), (2, 2)")  # fmt: skip


@cases(
    case("as NULL", EMPTIED.format("NULL"), "DROP TABLE study_tag", loses={"study_tag.label": 4},
         before=(ARCHIVE,), moves=TO_ARCHIVE),
    case("some of them", EMPTIED.format("NULLIF(label, 'x')"), "DELETE FROM study_tag", loses={"study_tag.label": 2},
         before=(ARCHIVE,), moves=TO_ARCHIVE),
    case("in another partition", "UPDATE event SET id = 11, x = NULL WHERE id = 1", loses={"event_1.x": 1},
         on=POSTGRESQL, before=EVENTS, moves={"event_1": "event_2"}),
    case("beside a row that does not arrive", f"{EMPTIED.format('label')} WHERE label <> 'z'", "DROP TABLE study_tag",
         loses={"study_tag": 1}, before=(ARCHIVE,), moves=TO_ARCHIVE),
    case("of one of two sources", "INSERT INTO lake SELECT id, NULL FROM pond",
         "INSERT INTO lake SELECT * FROM pool",
         "DROP TABLE pond", "DROP TABLE pool", loses={"pond.v": None, "pool.v": None}, before=WATERS,
         moves={"pond": "lake", "pool": "lake"}),
    case("of neither of two sources", "INSERT INTO lake SELECT id, v FROM pond", "INSERT INTO lake SELECT * FROM pool",
         "DROP TABLE pond", "DROP TABLE pool", before=WATERS, moves={"pond": "lake", "pool": "lake"}),
    case("changed", EMPTIED.format("upper(label)"), "DELETE FROM study_tag WHERE study_id = 1",
         "DELETE FROM study_tag", before=(ARCHIVE,), moves=TO_ARCHIVE),
)  # fmt: skip
def test_values_that_moved_rows_leave_behind_are_lost(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("a column that only the source has", "INSERT INTO archive SELECT study_id FROM study_tag",
         "DROP TABLE study_tag", before=("CREATE TABLE archive (study_id INT)",), moves=TO_ARCHIVE),
)  # fmt: skip
def test_columns_that_the_destination_of_rows_has_not_are_not_compared(
    database: Database, engine: EngineName, case: Case
) -> None:
    """A limit."""
    assert losses(database(engine), case) == case.loses
