"""Losses that the text of a statement does not show, or that look like something else."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.errors.facts.loss import LossNotDeclared
from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, TABLES, Case, case, cases, losses
from tests.support.projects.histories import Database as Histories
from tests.support.projects.histories import Script, write_project

Database = Callable[[EngineName], URL]

PATHS = {"study.path": 2}
UNKNOWN: dict[str, int | None] = {"study.path": None, "study.name": None}  # The key is neither NULL nor empty.


def function(body: str, signature: str = "f() RETURNS int") -> str:
    return f"CREATE FUNCTION {signature} LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"


def copy(sql: str) -> Callable[[Operations], None]:
    return lambda op: op.get_bind().connection.cursor().copy_expert(sql, StringIO())


# ---- what a statement calls

NULLS = function("UPDATE study SET path = NULL")
NULLS_AS_TRIGGER = function("UPDATE study SET path = NULL", "f() RETURNS trigger")
MADE_UP = "EXECUTE 'UPDATE stu' || 'dy SET pa' || 'th = NULL'"
EMPTIES = MADE_UP.replace("NULL", "''''")


@cases(
    case("a function", "SELECT f()", loses=PATHS, on=POSTGRESQL, before=(NULLS,)),
    case("a function that a function calls", "SELECT g()", loses=PATHS, on=POSTGRESQL,
         before=(NULLS, function("PERFORM f()", "g() RETURNS int"))),
    case("a function in SQL", "SELECT f()", loses=PATHS, on=POSTGRESQL, before=(
         "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE study SET path = NULL; END",)),
    case("a procedure", "CALL f()", loses=PATHS, on=POSTGRESQL,
         before=("CREATE PROCEDURE f() LANGUAGE sql AS 'UPDATE study SET path = NULL'",)),
    case("a function that the driver calls", lambda op: op.get_bind().connection.cursor().callproc("f"), loses=PATHS,
         on=POSTGRESQL, before=(NULLS,)),
    case("a trigger", "INSERT INTO task VALUES (9, NULL)", loses=PATHS, on=POSTGRESQL, before=(
         NULLS_AS_TRIGGER, "CREATE TRIGGER t AFTER INSERT ON task EXECUTE FUNCTION f()")),
    case("a trigger that changes the row", "UPDATE study SET name = 'x'", loses=PATHS, on=POSTGRESQL, before=(
         "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.path = NULL; RETURN NEW; END $$",
         "CREATE TRIGGER t BEFORE UPDATE ON study FOR EACH ROW EXECUTE FUNCTION f()")),
    case("a trigger that takes nothing", "UPDATE study SET name = 'x'", on=POSTGRESQL, before=(
         "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = 'y'; RETURN NEW; END $$",
         "CREATE TRIGGER t BEFORE UPDATE ON study FOR EACH ROW EXECUTE FUNCTION f()")),
    case("a rule", "INSERT INTO task VALUES (9, NULL)", loses=PATHS, on=POSTGRESQL,
         before=("CREATE RULE r AS ON INSERT TO task DO ALSO UPDATE study SET path = NULL",)),
    case("a view", "UPDATE v SET p = NULL", loses=PATHS, on=POSTGRESQL,
         before=("CREATE VIEW v AS SELECT id, path AS p FROM study",)),
    case("a view of a view", "UPDATE w SET p = NULL", loses=PATHS, on=POSTGRESQL,
         before=("CREATE VIEW v AS SELECT id, path AS p FROM study", "CREATE VIEW w AS SELECT * FROM v")),
    case("a view with a trigger", "INSERT INTO v VALUES (1)", loses=PATHS, on=POSTGRESQL, before=(
         "CREATE VIEW v AS SELECT 1 AS x", NULLS_AS_TRIGGER,
         "CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION f()")),
    case("a view with a trigger", "INSERT INTO v VALUES (1)", loses=PATHS, on=SQLITE, before=(
         "CREATE VIEW v AS SELECT 1 AS x",
         "CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN UPDATE study SET path = NULL; END")),
    case("a temporary trigger", "CREATE TEMPORARY TRIGGER t AFTER INSERT ON task BEGIN DELETE FROM study_tag; END",
         "INSERT INTO task VALUES (9, NULL)", loses={"study_tag": 4}, on=SQLITE),
    case("a COPY", copy("COPY (UPDATE study SET path = NULL RETURNING 1) TO STDOUT"), loses=PATHS, on=POSTGRESQL),
    case("a key that sets NULL where it is updated", "UPDATE study SET id = id + 10", loses={"task.study_id": 2},
         on=POSTGRESQL, before=("ALTER TABLE study_tag DROP CONSTRAINT study_tag_study_id_fkey",
                                "ALTER TABLE task DROP CONSTRAINT task_study_id_fkey",
                                "ALTER TABLE task ADD FOREIGN KEY (study_id) REFERENCES study ON UPDATE SET NULL")),
    case("a key that the revision adds", "DELETE FROM study_tag",
         "ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES study ON DELETE SET NULL", "DELETE FROM study",
         loses={"study": 3, "study_tag": 4, "task.study_id": 2, "other.id": 2}, on=POSTGRESQL, before=(
         "CREATE TABLE other (id INTEGER)", "INSERT INTO other VALUES (1), (2)")),
    case("a function that the revision makes", NULLS, "INSERT INTO study VALUES (9, 'x', NULL)", "SELECT f()",
         loses=PATHS, on=POSTGRESQL),
    case("a view that names a table as it was", "UPDATE v SET p = 'x'", "ALTER TABLE study RENAME TO s",
         "UPDATE v SET p = NULL", loses=PATHS, on=POSTGRESQL, before=("CREATE VIEW v AS SELECT path AS p FROM study",)),
    case("MERGE", "MERGE INTO study s USING (VALUES (1), (9)) AS t (id) ON s.id = t.id"
         " WHEN MATCHED THEN UPDATE SET path = NULL WHEN NOT MATCHED THEN INSERT (id) VALUES (t.id)",
         loses={"study.path": 1}, on=POSTGRESQL),
    case("two statements in a WITH", "WITH a AS (UPDATE study SET path = NULL WHERE id = 1),"
         " b AS (DELETE FROM study_tag WHERE label = 'z') SELECT 1", loses={"study.path": 1, "study_tag": 1},
         on=POSTGRESQL),
    case("names that are made up", "SELECT f()", loses=PATHS, on=POSTGRESQL, before=(function(MADE_UP),)),
    case("names that a block makes up", f"DO $$ BEGIN {MADE_UP}; END $$", loses=PATHS, on=POSTGRESQL),
    case("names that a block makes up, beside an UPDATE", "UPDATE study SET path = upper(path)",
         f"DO $$ BEGIN {MADE_UP}; END $$", "UPDATE study SET name = upper(name)", loses=PATHS, on=POSTGRESQL),
    case("an empty text, by names that a block makes up", f"DO $$ BEGIN {EMPTIES}; END $$", loses=PATHS,
         on=POSTGRESQL),
    case("a statement that was prepared", "EXECUTE p", loses=PATHS, on=POSTGRESQL,
         before=("PREPARE p AS UPDATE study SET path = NULL",)),
    case("an event trigger", "CREATE INDEX i ON study (path)", loses=UNKNOWN, on=POSTGRESQL, before=(
         "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE study SET path = NULL; END $$",
         "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()")),
    case("a TRUNCATE beside what may move rows to another file", "SELECT f(); ALTER TABLE task ADD COLUMN n INT",
         loses={"study_tag": 4}, on=POSTGRESQL, before=(function("TRUNCATE study_tag"),)),
    case("a TRUNCATE that is made up, beside it", "SELECT f(); ALTER TABLE task ADD COLUMN n INT",
         loses={"study_tag": 4}, on=POSTGRESQL, before=(function("EXECUTE 'TRUN' || 'CATE study' || '_tag'"),)),
)  # fmt: skip
def test_sees_what_a_statement_calls(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- which table it is

SHARED = (
    "CREATE SCHEMA shared",
    "CREATE TABLE shared.note (id INT, text TEXT)",
    "INSERT INTO shared.note VALUES (1, 'a'), (2, 'b')",
)
OTHER = ("CREATE TABLE other (id INTEGER, label VARCHAR(9))", "INSERT INTO other VALUES (1, 'a'), (2, 'b')")
PARTITIONS = (
    "CREATE TABLE event (id INT, x INT) PARTITION BY RANGE (id)",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20)",
    "INSERT INTO event VALUES (1, 1), (2, 2)",
)
ROLE = f"tricks_{secrets.token_hex(4)}"
SAFE = (
    f"CREATE ROLE {ROLE}",
    "CREATE TABLE safe (id INT)",
    "INSERT INTO safe VALUES (1)",
    "ALTER TABLE safe ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE safe FORCE ROW LEVEL SECURITY",
    f"ALTER TABLE safe OWNER TO {ROLE}",
)


@cases(
    case("one that the search path finds", "SET LOCAL search_path = public, shared", "UPDATE note SET text = NULL",
         loses={"shared.note.text": 2}, on=POSTGRESQL, before=SHARED),
    case("one in the schema that is current for a while", "SET LOCAL search_path = shared",
         "UPDATE note SET text = NULL", "SET LOCAL search_path = public", loses={"shared.note.text": 2}, on=POSTGRESQL,
         before=SHARED),
    case("another table of versions", "DROP TABLE shared.alembic_version", loses={"shared.alembic_version": 1},
         on=POSTGRESQL, before=(SHARED[0], "CREATE TABLE shared.alembic_version (version_num TEXT)",
                                "INSERT INTO shared.alembic_version VALUES ('a')")),
    case("one that gets the name of another one", "DROP TABLE other", 'ALTER TABLE "order" RENAME TO other',
         loses={"other": 2}, before=OTHER),
    case("one with another name now", "ALTER TABLE study RENAME TO s", "UPDATE s SET path = NULL", loses=PATHS),
    case("a column with another name now", "ALTER TABLE study RENAME COLUMN path TO p", "UPDATE study SET p = NULL",
         loses=PATHS),
    case("a column that gets another name", "UPDATE study SET path = NULL", "ALTER TABLE study RENAME COLUMN path TO p",
         loses=PATHS),
    case("a column that is generated now", "CREATE TABLE n (study_id INT, label INT GENERATED ALWAYS AS (study_id)"
         " STORED)", "INSERT INTO n (study_id) SELECT study_id FROM study_tag WHERE label IS NOT NULL",
         "DROP TABLE study_tag", "ALTER TABLE n RENAME TO study_tag", loses={"study_tag.label": 4}),
    case("a partition, by a column", "ALTER TABLE event DROP COLUMN x", loses={"event_1.x": 2}, on=POSTGRESQL,
         before=PARTITIONS),
    case("a partition, by an UPDATE", "UPDATE event SET x = NULL", loses={"event_1.x": 2}, on=POSTGRESQL,
         before=PARTITIONS),
    case("rows that move to another partition", "UPDATE event SET id = 11 WHERE id = 1", on=POSTGRESQL,
         before=PARTITIONS, moves={"event_1": "event_2"}),
    case("rows that this role may not see", "DROP TABLE safe", loses={"safe": None}, on=POSTGRESQL,
         before=(*SAFE, f"GRANT ALL ON SCHEMA public TO {ROLE}", f"SET LOCAL ROLE {ROLE}")),
    case("all of a role", f"DROP OWNED BY {ROLE} CASCADE", loses={"safe": 1}, on=POSTGRESQL, before=SAFE),
    case("a column with its domain", "DROP DOMAIN d CASCADE", loses={"t.x": 1}, on=POSTGRESQL,
         before=("CREATE DOMAIN d AS INT", "CREATE TABLE t (id INT, x d)", "INSERT INTO t VALUES (1, 2)")),
    case("a conversion by Alembic", lambda op: op.alter_column("study", "path", type_=sa.Integer(),
                                                               postgresql_using="NULL"), loses=PATHS, on=POSTGRESQL),
    case("a table behind the schema's back", "PRAGMA writable_schema = ON",
         "DELETE FROM sqlite_master WHERE name = 'study_tag'", loses={"study_tag": None}, on=SQLITE),
    case("a virtual table", "DROP TABLE doc", loses={"doc": 1}, on=SQLITE,
         before=("CREATE VIRTUAL TABLE doc USING fts5(body)", "INSERT INTO doc VALUES ('a')")),
)  # fmt: skip
def test_knows_a_table_again(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- values and rows side by side

NULL_ONE = "UPDATE study SET path = NULL WHERE id = 1"
DELETE_ANOTHER = ("DELETE FROM study_tag WHERE study_id = 3", "DELETE FROM study WHERE id = 3")
INSERT_TWO = "INSERT INTO study VALUES (8, 'x', 'y'), (9, 'x', 'y')"
REFILLS = """
    CREATE TRIGGER t AFTER INSERT ON task BEGIN
        DELETE FROM study_tag;
        INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n');
    END
"""
UNIQUE = ("CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT UNIQUE)", "INSERT INTO u VALUES (1, 'a'), (2, 'b')")


@cases(
    case("a row that goes does not hide a value", NULL_ONE, *DELETE_ANOTHER,
         loses={"study": 1, "study.path": 1, "study_tag": 1}),
    case("nor one that went before it", *DELETE_ANOTHER, NULL_ONE, loses={"study": 1, "study.path": 1, "study_tag": 1}),
    case("nor in turns", "UPDATE study_tag SET label = upper(label)", "DELETE FROM study_tag WHERE study_id = 3",
         "UPDATE study_tag SET label = NULL WHERE study_id = 2", loses={"study_tag": 1, "study_tag.label": 1}),
    case("a row that comes does not hide a value", "UPDATE study SET path = NULL", INSERT_TWO, loses=PATHS),
    case("nor one that came before it", INSERT_TWO, "UPDATE study SET path = NULL WHERE id < 8", loses=PATHS),
    case("values go with their rows", "UPDATE study_tag SET label = upper(label)",
         "DELETE FROM study_tag WHERE study_id = 3", "DELETE FROM study_tag WHERE study_id = 2",
         loses={"study_tag": 2}),
    case("a value that is NULL only for a while is not a loss", "UPDATE study SET path = NULL",
         "UPDATE study SET path = name WHERE id < 3"),
    case("a row that replaces two, before a new one", "INSERT OR REPLACE INTO u VALUES (1, 'b')",
         "INSERT INTO u VALUES (3, 'c')", loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("a row that replaces two, before one that replaces none", "INSERT OR REPLACE INTO u VALUES (1, 'b')",
         "INSERT OR REPLACE INTO u VALUES (3, 'c')", loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("a row that replaces one is not a loss", "INSERT OR REPLACE INTO u VALUES (1, 'x'), (3, 'c')", on=SQLITE,
         before=UNIQUE),
    case("rows that a trigger replaces", "INSERT INTO task VALUES (9, NULL)", loses={"study_tag": 4}, on=SQLITE,
         before=(REFILLS,)),
)  # fmt: skip
def test_neither_rows_nor_values_hide_the_other(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- savepoints


@cases(
    case("a table", "SAVEPOINT s", "DROP TABLE study_tag", "ROLLBACK TO s"),
    case("rows and their table", "SAVEPOINT s", "DELETE FROM study_tag", "DROP TABLE study_tag", "ROLLBACK TO s"),
    case("a column", "SAVEPOINT s", "ALTER TABLE study DROP COLUMN path", "ROLLBACK TO s"),
    case("values", "SAVEPOINT s", "UPDATE study SET path = NULL", "ROLLBACK TO s"),
    case("a name", "SAVEPOINT s", "ALTER TABLE study_tag RENAME TO x", "ROLLBACK TO s"),
    case("a TRUNCATE", "SAVEPOINT s", "TRUNCATE study_tag", "ROLLBACK TO s", on=POSTGRESQL),
    case(
        "but not what was before it",
        "SAVEPOINT s",
        "DELETE FROM study_tag",
        "SAVEPOINT s -- again",
        "DELETE FROM task",
        "ROLLBACK TO s",
        loses={"study_tag": 4},
    ),
    case(
        "nor what a second one keeps",
        "SAVEPOINT s",
        "DELETE FROM study_tag",
        'SAVEPOINT "s"',
        "INSERT INTO task VALUES (9, NULL)",
        "ROLLBACK TO s",
        loses={"study_tag": 4},
    ),
)
def test_what_a_savepoint_takes_back_is_no_loss(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- SQLite moves tables within its file


def test_a_table_that_sqlite_moves_within_its_file_is_the_same(sqlite_database: URL) -> None:
    """With auto_vacuum, SQLite moves the last table to the place of a dropped table."""
    with closing(sqlite3.connect(str(sqlite_database.database))) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.executescript(TABLES)

    assert losses(sqlite_database, Case("", ("DROP TABLE study_tag",), {"study_tag": 4}, ())) == {"study_tag": 4}


# ---- a revision hides what its tables are


def test_a_temporary_table_hides_nothing(tmp_path: Path, sqlite_database: URL) -> None:
    """SQLite finds a temporary table before another table with the same name."""
    rebuilds = (
        "CREATE TEMP TABLE study AS SELECT id, name FROM main.study",
        "DROP TABLE main.study",
        "CREATE TABLE main.study (id INTEGER PRIMARY KEY, name TEXT, owner TEXT)",
        "INSERT INTO main.study SELECT id, name, 'me' FROM temp.study",
        "DROP TABLE temp.study",
    )
    assert _lost_with_the_owner(tmp_path, sqlite_database, *rebuilds) == {"study.owner": 2}


def test_a_text_that_a_revision_writes_itself_hides_nothing(tmp_path: Path, sqlite_database: URL) -> None:
    text = "CREATE TABLE study (id INTEGER PRIMARY KEY, name TEXT, owner TEXT)"
    writes = (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{text}' WHERE name = 'study'",
        "PRAGMA writable_schema = RESET",
        "UPDATE study SET owner = 'me'",
    )
    assert _lost_with_the_owner(tmp_path, sqlite_database, *writes) == {"study.owner": 2}


def _lost_with_the_owner(tmp_path: Path, url: URL, *statements: str) -> dict[str, int | None]:
    """Return the losses of the third revision. The second one, in the same run, adds the owner by these statements."""
    study = "CREATE TABLE study (id INTEGER PRIMARY KEY, name TEXT)"
    one = Script("one", upgrade=f"sql({study!r}, \"INSERT INTO study VALUES (1, 'a'), (2, 'b')\")")
    two = Script("two", upgrade=f"sql(*{statements!r})")
    three = Script("three", upgrade='sql("ALTER TABLE study DROP COLUMN owner")')
    workflow = Histories(url, write_project(tmp_path / "project", one, two, three)).workflow
    workflow.upgrade(to="one")
    with pytest.raises(LossNotDeclared) as refused:
        workflow.upgrade()
    return {loss.item: loss.count for loss in refused.value.losses}


DEFERRED = (
    function("UPDATE study SET path = NULL; DELETE FROM study_tag", "f() RETURNS trigger"),
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
)


@cases(
    case("a trigger that waits for the commit", "INSERT INTO task VALUES (9, NULL)",
         loses={"study.path": 2, "study_tag": 4}, on=POSTGRESQL, before=DEFERRED),
    case("a trigger that the revision lets wait", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO task VALUES (9, NULL)",
         loses={"study.path": 2, "study_tag": 4}, on=POSTGRESQL,
         before=(DEFERRED[0], DEFERRED[1].replace("INITIALLY DEFERRED", "INITIALLY IMMEDIATE"))),
)  # fmt: skip
def test_sees_what_would_happen_at_the_commit(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("as many other rows", "DROP TABLE study_tag", "CREATE TABLE study_tag (study_id INT, label TEXT)",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')",
         loses={"study_tag.study_id": 4, "study_tag.label": 4}),
    case("as many other rows, after a SELECT", "SELECT study_id, label FROM study_tag", "DROP TABLE study_tag",
         "CREATE TABLE study_tag (study_id INT, label TEXT)",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')",
         loses={"study_tag.study_id": 4, "study_tag.label": 4}),
    case("as many other rows, after an UPDATE", "UPDATE study_tag SET label = upper(label)", "DROP TABLE study_tag",
         "CREATE TABLE study_tag (study_id INT, label TEXT)",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')",
         loses={"study_tag.study_id": 4, "study_tag.label": 4}),
    case("one column of them", "CREATE TABLE n AS SELECT study_id, 'n' AS label FROM study_tag", "DROP TABLE study_tag",
         "ALTER TABLE n RENAME TO study_tag", loses={"study_tag.label": 4}, on=SQLITE),
    case("by its name", "CREATE TABLE n AS TABLE study_tag", "DROP TABLE study_tag",
         "ALTER TABLE n RENAME TO study_tag", on=POSTGRESQL),
    case("by what a DELETE returns", "CREATE TABLE n (study_id INT, label TEXT)", "WITH gone AS (DELETE FROM study_tag"
         " RETURNING study_id, label) INSERT INTO n SELECT * FROM gone", "DROP TABLE study_tag",
         "ALTER TABLE n RENAME TO study_tag", on=POSTGRESQL),
)  # fmt: skip
def test_a_table_that_is_rebuilt_from_something_else_is_lost(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses
