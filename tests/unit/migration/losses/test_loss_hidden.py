"""Losses beside new rows and values in the same statement or in the same table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.losses import kept_values
from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, Case, batch, case, cases, driver, losses
from tests.unit.migration.losses.test_loss import rebuild

Database = Callable[[EngineName], URL]

ROWS = "INSERT INTO u VALUES (1, 'a'), (2, 'b')"
UNIQUE = ("CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT UNIQUE)", ROWS)
TWO = "INSERT OR REPLACE INTO u VALUES (1, 'b'), (5, 'n')"


def with_a_list(op: Operations) -> None:
    op.get_bind().connection.cursor().executemany("REPLACE INTO u VALUES (?, ?)", [(1, "b"), (5, "n")])


def within_a_query(op: Operations) -> None:
    rows = driver(op).execute("SELECT id FROM study")
    rows.fetchone()
    driver(op).execute(TWO)
    driver(op).execute("REPLACE INTO u VALUES (1, 'c'), (6, 'm')")
    assert len(rows.fetchall()) == 2


@cases(
    case("two rows in one statement", TWO, loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("the rows of a query", "REPLACE INTO u SELECT 1, 'b' UNION ALL SELECT 5, 'n'", loses={"u": 1}, on=SQLITE,
         before=UNIQUE),
    case("a list of parameters", with_a_list, loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("beside an unfinished query", within_a_query, loses={"u": 1}, on=SQLITE, before=UNIQUE),
    case("a trigger", "INSERT INTO task VALUES (9, NULL)", loses={"u": 1}, on=SQLITE, before=(
         *UNIQUE, f"CREATE TRIGGER t AFTER INSERT ON task BEGIN {TWO}; END")),
    case("a table that replaces", "INSERT INTO u VALUES (1, 'b'), (5, 'n')", loses={"u": 1}, on=SQLITE, before=(
         "CREATE TABLE u (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, k TEXT UNIQUE ON CONFLICT REPLACE)", ROWS)),
    case("a key of two columns, without a number", "REPLACE INTO u VALUES ('a', 1, 'y'), ('q', 1, 'r')", loses={"u": 1},
         on=SQLITE, before=("CREATE TABLE u (a TEXT, b INT, k TEXT UNIQUE, PRIMARY KEY (a, b)) WITHOUT ROWID",
                            "INSERT INTO u VALUES ('a', 1, 'x'), ('b', 1, 'y')")),
    case("a key for some rows only is not compared", "REPLACE INTO u VALUES (3, 'a'), (4, 'n')", loses={"u": 1},
         on=SQLITE, before=(UNIQUE[0].replace(" UNIQUE", ""), "CREATE UNIQUE INDEX i ON u (k) WHERE id > 0", ROWS)),
    case("each row takes the place of one", "REPLACE INTO u VALUES (1, 'A'), (4, 'b'), (3, 'n')", on=SQLITE,
         before=(UNIQUE[0].replace("UNIQUE", "UNIQUE COLLATE NOCASE"), ROWS, "INSERT INTO u VALUES (9, NULL)")),
    case("taken back", "SAVEPOINT s", TWO, "ROLLBACK TO s", on=SQLITE, before=UNIQUE),
)  # fmt: skip
def test_a_row_that_replaces_two_is_seen_beside_other_new_rows(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


def beside(select: str, *then: str) -> tuple[str, ...]:
    """Rebuild the table from this query, and run statements before the old table is dropped."""
    made, *rest = rebuild(select)
    return (made, rest[0], *then, *rest[1:])


NULLED = "SELECT study_id, NULLIF(label, 'x') FROM study_tag"
OTHERS = "INSERT INTO n VALUES (1, 'q'), (1, 'q')"
LABELS = {"study_tag.label": 2}


@cases(
    case("NULL", *beside(NULLED, OTHERS), loses=LABELS),
    case("an empty text", *beside("SELECT study_id, replace(label, 'x', '') FROM study_tag", OTHERS), loses=LABELS),
    case("in two parts", *beside(f"{NULLED} WHERE study_id = 1", f"INSERT INTO n {NULLED} WHERE study_id > 1", OTHERS),
         loses=LABELS),
    case("in the second part of a UNION", *beside(f"SELECT study_id, label FROM study_tag WHERE study_id = 1 UNION ALL"
         f" {NULLED} WHERE study_id > 1", OTHERS), loses={"study_tag.label": 1}),
    case("by way of another table", f"CREATE TABLE b AS {NULLED}", *beside("SELECT * FROM b", OTHERS, "DROP TABLE b"),
         loses=LABELS),
    case("and a row", *beside(f"{NULLED} WHERE label <> 'z'", OTHERS), loses={"study_tag": 1, **LABELS}),
    case("of the rows that a DELETE returns", rebuild("")[0], "WITH gone AS (DELETE FROM study_tag RETURNING *)"
         " INSERT INTO n SELECT study_id, NULLIF(label, 'x') FROM gone", *rebuild("")[2:], loses=LABELS, on=POSTGRESQL),
    case("filled again", *beside(NULLED, "UPDATE n SET label = 'r' WHERE label IS NULL", OTHERS)),
    case("new rows without values", *beside("SELECT * FROM study_tag", "INSERT INTO n VALUES (1, NULL)")),
)  # fmt: skip
def test_other_rows_do_not_hide_values_that_a_copy_takes(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


SOME = "SELECT study_id, label FROM study_tag WHERE label = 'x'"
STUDY = "CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(50), path VARCHAR(50))"
INSTEAD = ("DROP TABLE study", "ALTER TABLE n RENAME TO study")
JOINED = "INSERT INTO n SELECT s.id, s.name, s.path FROM study s JOIN task t ON t.id = s.id"


@cases(
    case("a row twice, by two statements", *beside(SOME, f"INSERT INTO n {SOME}"), loses={"study_tag": 2}),
    case("a row twice, by a join", *beside("SELECT t.study_id, t.label FROM study_tag t, study s WHERE label = 'x' AND"
         " s.id < 3"), loses={"study_tag": 2}),
    case("rows of a UNION", *beside(f"{SOME} UNION ALL SELECT 1, 'n' FROM study WHERE id < 3"), loses={"study_tag": 2}),
    case("rows of a WITH, by their key", STUDY, "WITH a AS (SELECT id, name, path FROM study WHERE id = 1 UNION ALL"
         " SELECT id + 10, name, 'p' FROM study WHERE id < 3) INSERT INTO n SELECT * FROM a", *INSTEAD,
         loses={"study": 2}, on=SQLITE),
    case("all of a UNION", *beside(f"{SOME} UNION ALL SELECT study_id, upper(label) FROM study_tag"
         " WHERE label <> 'x'")),
    case("all of a join, changed then", STUDY, JOINED, "UPDATE n SET name = 'q'", *INSTEAD, on=SQLITE),
    case("all in two parts, beside a row that comes and goes", *beside(SOME, "INSERT INTO n SELECT * FROM study_tag"
         " WHERE label <> 'x'", "INSERT INTO n VALUES (9, 'q')", "DELETE FROM n WHERE study_id = 9")),
)  # fmt: skip
def test_a_row_that_is_copied_twice_is_copied_once(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


def undone(statement: str, *, then: str = "NULL") -> str:
    """Return a block that runs a statement, undoes it because of an error, and continues."""
    fails = f"BEGIN {statement}; RAISE EXCEPTION 'no'; EXCEPTION WHEN others THEN {then}; END"
    return f"DO $$ BEGIN {fails}; END $$"


MANY = "INSERT INTO study_tag SELECT id, 'n' FROM study, generate_series(1, 9)"
DELETES = "DELETE FROM study_tag WHERE label = 'x'"
LOG_FAILS = undone("INSERT INTO empty VALUES (1); RETURN NULL", then="RETURN NULL").removeprefix("DO ")


@cases(
    case("new rows", undone(MANY), DELETES, on=POSTGRESQL, loses={"study_tag": 2}),
    case("new rows, by a text", undone("EXECUTE 'INSERT INTO study' || '_tag VALUES (1), (1), (1), (1)'"), DELETES,
         on=POSTGRESQL, loses={"study_tag": 2}),
    case("new rows before a rebuild", undone(MANY), *rebuild("SELECT * FROM study_tag WHERE label = 'x'"),
         on=POSTGRESQL, loses={"study_tag": 2}),
    case("deleted rows", undone("DELETE FROM study_tag", then=f"{DELETES} AND study_id = 1"),
         on=POSTGRESQL, loses={"study_tag": 1}),
    case("deleted rows, in a savepoint", "SAVEPOINT s", undone(MANY, then=DELETES), "ROLLBACK TO s",
         f"{DELETES} AND study_id = 1", on=POSTGRESQL, loses={"study_tag": 1}),
    case("rows of a trigger, beside rows that stay", "INSERT INTO task VALUES (8, 1)", "INSERT INTO task VALUES (9, 1)",
         "DELETE FROM task WHERE id < 3", on=POSTGRESQL, loses={"task": 2}, before=(
             f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS {LOG_FAILS}",
             "CREATE TRIGGER t AFTER INSERT ON task FOR EACH ROW EXECUTE FUNCTION f()")),
)  # fmt: skip
def test_what_a_block_takes_back_hides_no_row(database: Database, engine: EngineName, case: Case) -> None:
    """PostgreSQL counts such a row in any case."""
    assert losses(database(engine), case) == case.loses


JSONS = ("CREATE TABLE doc (id INT, j JSON)", "INSERT INTO doc VALUES (1, '[1]'), (2, '{}'), (3, NULL), (4, 'null')")
DOC = sa.table("doc", sa.column("id"), sa.column("j", sa.JSON))
NO_NULLS = ("CREATE TABLE doc (j JSONB NOT NULL)", "INSERT INTO doc VALUES ('1')")


@cases(
    case("None", lambda op: op.execute(DOC.update().values(j=None)), loses={"doc.j": 2}, before=JSONS),
    case("a text", "UPDATE doc SET j = 'null' WHERE id < 4", loses={"doc.j": 2}, before=JSONS),
    case("a copy, beside a new row", "CREATE TABLE n (id INTEGER, j JSON)", "INSERT INTO n SELECT id, CASE WHEN id > 1"
         " THEN j ELSE CAST('null' AS TEXT) END FROM doc", "INSERT INTO n VALUES (9, '9')", "DROP TABLE doc",
         "ALTER TABLE n RENAME TO doc", loses={"doc.j": 1}, before=JSONS, on=SQLITE),
    case("where no NULL is allowed", "DO $$ BEGIN EXECUTE 'UPDATE d' || 'oc SET j = ''null'''; END $$",
         loses={"doc.j": 1}, before=NO_NULLS, on=POSTGRESQL),
    case("NULL, and another value", "UPDATE doc SET j = 'null' WHERE j IS NULL", "UPDATE doc SET j = '{}'",
         before=JSONS),
    case("the text null", "UPDATE study SET path = 'null'"),
)  # fmt: skip
def test_the_null_of_json_is_no_value(database: Database, engine: EngineName, case: Case) -> None:
    """SQLAlchemy writes None as this JSON value, unless the type has another setting."""
    assert losses(database(engine), case) == case.loses


TURNS = "CASE WHEN {0} IS NULL THEN 'x' WHEN id > 1 THEN {0} END"
MIXED = f"UPDATE study SET path = {TURNS.format('path')}"
PAIR = "UPDATE pair SET v = CASE WHEN v IS NULL THEN 'x' WHEN a > 1 THEN v END"
KEYS = ("CREATE TABLE pair (a INT, id TEXT, v TEXT, PRIMARY KEY (a, id))",
        "INSERT INTO pair VALUES (1, 'x', 'v'), (1, 'y', NULL), (2, 'x', 'w')")  # fmt: skip


def by_parameters(op: Operations) -> None:
    """Set each value with the same statement, as the unit of work of SQLAlchemy does."""
    for number, path in ((1, None), (3, "x")):
        op.get_bind().execute(sa.text("UPDATE study SET path = :path WHERE id = :id"), {"path": path, "id": number})


FILLED = (
    case("in one statement", MIXED, loses={"study.path": 1}),
    case("from rows that do not all match", "UPDATE study SET path = (SELECT label FROM study_tag t WHERE t.study_id ="
         " study.id AND label = 'z')", loses={"study.path": 2}),
    case("in a loop", by_parameters, loses={"study.path": 1}),
    case("in a statement after it", "UPDATE study SET path = NULL WHERE id = 1", "UPDATE study SET path = 'x' WHERE"
         " id = 3", loses={"study.path": 1}),
    case("after a new name", "UPDATE study SET path = NULL WHERE id = 1", "ALTER TABLE study RENAME COLUMN path TO p",
         "UPDATE study SET p = 'x' WHERE id = 3", loses={"study.path": 1}),
    case("after a rebuild", "UPDATE study SET path = '' WHERE id = 1", batch(lambda b: b.drop_column("name")),
         "UPDATE study SET path = 'x' WHERE id = 3", loses={"study.path": 1, "study.name": 3}),
    case("beside a deleted row", "DELETE FROM study_tag", "DELETE FROM task", "DELETE FROM study WHERE id = 2", MIXED,
         loses={"study_tag": 4, "task": 3, "study": 1, "study.path": 1}),
    case("after a rollback to a savepoint", "SAVEPOINT s", MIXED, "ROLLBACK TO s", MIXED, loses={"study.path": 1}),
    case("before a savepoint", MIXED, "SAVEPOINT s", "UPDATE study SET path = 'y'", "ROLLBACK TO s",
         loses={"study.path": 1}),
    case("with a key of two columns", PAIR, loses={"pair.v": 1}, before=KEYS),
    case("without a key", "UPDATE study_tag SET label = CASE WHEN label IS NULL THEN 'x' END", loses={"study_tag.label":
         4}, before=("INSERT INTO study_tag VALUES (1, NULL)",), on=SQLITE),
    case("by new rows of the statement", "INSERT INTO study VALUES (1, 'a', NULL), (9, 'n', 'n') ON CONFLICT (id)"
         " DO UPDATE SET path = excluded.path", loses={"study.path": 1}),
    case("by new rows of a MERGE", "MERGE INTO study USING (VALUES (1), (9)) AS v (n) ON id = n WHEN MATCHED THEN"
         " UPDATE SET path = NULL WHEN NOT MATCHED THEN INSERT VALUES (n, 'n', 'n')", loses={"study.path": 1},
         on=POSTGRESQL),
    case("in new rows", "UPDATE study SET name = '' WHERE id = 1", "INSERT INTO study VALUES (9, '', 'p')",
         "UPDATE study SET name = upper(name || 'n') WHERE id = 9", loses={"study.name": 1}),
    case("the same row again, and new rows", "UPDATE study SET name = '' WHERE id = 1", "INSERT INTO study VALUES"
         " (9, 'n', 'p')", "UPDATE study SET name = upper('n' || name) WHERE id = 1"),
    case("the same rows again", "UPDATE study SET path = NULL", "UPDATE study SET path = name"),
    case("other keys", "UPDATE pair SET a = a + 10", "UPDATE pair SET v = 'x' WHERE v IS NULL", before=KEYS),
    case("a row that comes back", "DELETE FROM pair WHERE a = 2", "INSERT INTO pair VALUES (2, 'x', NULL)",
         "UPDATE pair SET v = coalesce(v, 'x') WHERE a = 1", loses={"pair": 1}, before=KEYS),
)  # fmt: skip


@cases(*FILLED)
def test_values_that_are_filled_do_not_hide_values_that_are_taken(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("changed by the same statement", "UPDATE pair SET a = a + 10, v = CASE WHEN v IS NULL THEN 'x' END",
         loses={"pair.v": None}, before=KEYS),
    case("changed by a later one", f"{PAIR} WHERE a = 1", "UPDATE pair SET a = a + 3", loses={"pair.v": None},
         before=KEYS),
    case("another type", PAIR, "ALTER TABLE pair ALTER a TYPE TEXT", loses={"pair.v": None}, before=KEYS,
         on=POSTGRESQL),
    case("dropped", PAIR, batch(lambda b: b.drop_column("a"), table="pair"), loses={"pair.a": 3, "pair.v": None},
         before=KEYS, on=POSTGRESQL),
    case("a new table without it", PAIR, "CREATE TABLE n (id TEXT, v TEXT)", "INSERT INTO n SELECT id, v FROM pair",
         "DROP TABLE pair", "ALTER TABLE n RENAME TO pair", loses={"pair.a": 3, "pair.v": None}, before=KEYS),
)  # fmt: skip
def test_a_row_whose_key_is_another_one_may_have_lost_values(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


NO_TEMPORARY_TABLES = """DO $$ DECLARE name text; BEGIN
    CREATE ROLE no_temporary_tables;
    GRANT CREATE, USAGE ON SCHEMA public TO no_temporary_tables;
    EXECUTE 'REVOKE TEMP ON DATABASE ' || quote_ident(current_database()) || ' FROM public';
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE 'ALTER TABLE ' || name || ' OWNER TO no_temporary_tables';
    END LOOP;
    FOR name IN SELECT typname FROM pg_type WHERE typname = 'kind' LOOP
        ALTER TYPE kind OWNER TO no_temporary_tables;
    END LOOP;
    SET LOCAL ROLE no_temporary_tables;
END $$"""


@cases(*([case] for group in FILLED for case in group if case.values[0] == "postgresql"))
def test_keeps_keys_without_the_right_to_make_temporary_tables(
    database: Database, engine: EngineName, case: Case
) -> None:
    case = replace(case, before=(*case.before, NO_TEMPORARY_TABLES))
    assert losses(database(engine), case) == case.loses


ODD_KEYS = (
    "CREATE TYPE kind AS ENUM ('a', 'it''s \\')",
    'CREATE TABLE pair ("k 1" kind, d DATE, v TEXT, PRIMARY KEY ("k 1", d))',
    "INSERT INTO pair VALUES ('it''s \\', '2024-02-01', 'v'), ('a', '2024-02-01', NULL)",
)


@cases(
    case("too many rows", MIXED, loses={"study.path": None}, on=POSTGRESQL, before=(
         "INSERT INTO study SELECT 9 + i, 'n', 'p' FROM generate_series(1, 9) i",)),
    case("keys of other types", "SET LOCAL datestyle = 'SQL, DMY'", "UPDATE pair SET v = CASE WHEN v IS NULL THEN 'x'"
         " END", loses={"pair.v": 1}, on=POSTGRESQL, before=ODD_KEYS),
    case("a value of the key with a new name", "UPDATE pair SET v = CASE WHEN v IS NULL THEN 'x' END",
         "ALTER TYPE kind RENAME VALUE 'a' TO 'b'", loses={"pair.v": None}, on=POSTGRESQL, before=ODD_KEYS),
)  # fmt: skip
def test_without_temporary_tables_some_numbers_are_unknown(
    database: Database, engine: EngineName, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_values, "_MOST", 9)
    case = replace(case, before=(*case.before, NO_TEMPORARY_TABLES))
    assert losses(database(engine), case) == case.loses


@cases(
    case("no key", "UPDATE study_tag SET label = CASE WHEN label IS NULL THEN 'x' WHEN label <> 'z' THEN label END",
         before=("INSERT INTO study_tag VALUES (1, NULL)",), on=POSTGRESQL),
)  # fmt: skip
def test_values_that_are_filled_hide_others_without_a_key(database: Database, engine: EngineName, case: Case) -> None:
    """This is a limit: the loss is not noticed."""
    assert losses(database(engine), case) == case.loses


TWO_KEYS = ("CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v TEXT)", "INSERT INTO u VALUES (1, 'a', 'v')")


TWO_IN_ONE = "REPLACE INTO u VALUES (8, 'a', NULL), (9, 'n', 'n')"


@cases(
    case("new rows", TWO_IN_ONE, loses={"u.v": 1}, on=SQLITE, before=TWO_KEYS),
    case("a value that is filled", "UPDATE u SET v = 'x' WHERE v IS NULL", "REPLACE INTO u VALUES (8, 'a', NULL)",
         loses={"u.v": 1}, on=SQLITE, before=(*TWO_KEYS, "INSERT INTO u VALUES (2, 'b', NULL)")),
    case("kept values", "REPLACE INTO u SELECT id + 7, k, v FROM u", "INSERT INTO u VALUES (1, 'n', 'n')", on=SQLITE,
         before=TWO_KEYS),
    case("both keys are others", "REPLACE INTO u VALUES (8, 'a', 'v'), (9, 'n', 'n')", "UPDATE u SET k = k || 'x',"
         " id = id + 100", loses={"u.id": None, "u.k": None, "u.v": None}, on=SQLITE, before=TWO_KEYS),
)  # fmt: skip
def test_a_row_that_is_replaced_by_one_with_another_key_hides_no_value(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("a WITH", rebuild("")[0], f"WITH a AS ({SOME} UNION ALL SELECT 1, 'n' FROM study WHERE id < 3)"
         " INSERT INTO n SELECT * FROM a", *rebuild("")[2:]),
)  # fmt: skip
def test_other_rows_of_a_copy_that_is_not_read_make_up_for_lost_rows(
    database: Database, engine: EngineName, case: Case
) -> None:
    """This is a limit: the loss is not noticed."""
    assert losses(database(engine), case) == case.loses


@cases(
    case("an UPDATE", 'UPDATE study SET U&"\\0070ath" = NULL', loses={"study.path": 2}, on=POSTGRESQL),
    case("a DROP", 'ALTER TABLE study DROP U&"\\0070ath"', loses={"study.path": 2}, on=POSTGRESQL),
    case("a table", 'DROP TABLE U&"study_ta\\0067"', loses={"study_tag": 4}, on=POSTGRESQL),
)  # fmt: skip
def test_a_name_with_escapes_hides_nothing(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses
