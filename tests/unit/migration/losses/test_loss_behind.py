"""Losses behind other objects than the table itself: temporary tables, the text of a schema, types."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL

from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import SQLITE, Case, case, cases, losses

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


WRITES = "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}') WHERE name = 'study'"


@cases(
    case("a column", "PRAGMA writable_schema = ON", WRITES.format(", path VARCHAR(50)", ""),
         loses={"study.path": None}, on=SQLITE),
    case("a column, and another text after it", "PRAGMA writable_schema = ON", WRITES.format(", path VARCHAR(50)", ""),
         WRITES.format("VARCHAR(50)", "TEXT"), loses={"study.path": None}, on=SQLITE),
    case("a type", "PRAGMA writable_schema = ON", WRITES.format("path VARCHAR(50)", "path TEXT"), on=SQLITE),
)  # fmt: skip
def test_a_column_that_is_only_taken_out_of_the_schema_is_lost(
    database: Database, engine: EngineName, case: Case
) -> None:
    """SQLite itself notices this when it opens the file again."""
    assert losses(database(engine), case) == case.loses
