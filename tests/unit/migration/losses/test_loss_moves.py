"""Data is not lost if it arrives in the place to which the revision declares to move it."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, Case, batch, case, cases, losses
from tests.unit.migration.losses.test_loss import rebuild

Database = Callable[[EngineName], URL]

NEW = "ALTER TABLE study ADD COLUMN p VARCHAR(50)"
MERGED = {"study.name": "study.p", "study.path": "study.p"}


@cases(
    case("all values to a column", NEW, "UPDATE study SET p = path", "ALTER TABLE study DROP COLUMN path",
         moves={"study.path": "study.p"}),
    case("some values to a column", NEW, "UPDATE study SET p = path WHERE id = 1",
         "ALTER TABLE study DROP COLUMN path", moves={"study.path": "study.p"}, loses={"study.path": 1}),
    case("to a column of another table", "ALTER TABLE task ADD COLUMN p VARCHAR(50)",
         "UPDATE task SET p = (SELECT path FROM study WHERE study.id = task.study_id)",
         "ALTER TABLE study DROP COLUMN path", moves={"study.path": "task.p"}),
    case("a column that a batch renames", batch(lambda b: b.alter_column("path", new_column_name="p")),
         moves={"study.path": "study.p"}),
    case("a column that takes the old name then", NEW, "UPDATE study SET p = path",
         batch(lambda b: b.drop_column("path")), batch(lambda b: b.alter_column("p", new_column_name="path")),
         moves={"study.path": "study.p"}),
    case("some values to a column that takes the old name then", NEW, "UPDATE study SET p = path WHERE id = 1",
         batch(lambda b: b.drop_column("path")), batch(lambda b: b.alter_column("p", new_column_name="path")),
         moves={"study.path": "study.p"}, loses={"study.path": 1}),
    case("a value of another type, before another change of the table", "ALTER TABLE study ADD COLUMN n INTEGER",
         "UPDATE study SET n = length(path)", "ALTER TABLE study DROP COLUMN path", "UPDATE study SET name = 'x'",
         moves={"study.path": "study.n"}),
    case("a value of another type, before a rebuild of the table", "ALTER TABLE study ADD COLUMN n INTEGER",
         "UPDATE study SET n = length(path)", batch(lambda b: b.drop_column("path")),
         moves={"study.path": "study.n"}),
    case("some values of another type, before a rebuild of the table", "ALTER TABLE study ADD COLUMN n INTEGER",
         "UPDATE study SET n = length(path) WHERE id = 1", batch(lambda b: b.drop_column("path")),
         moves={"study.path": "study.n"}, loses={"study.path": 1}),
    case("to a table that is renamed then", "CREATE TABLE t (study_id INT, label TEXT)",
         "INSERT INTO t SELECT * FROM study_tag", "DROP TABLE study_tag", "ALTER TABLE t RENAME TO study_tag2",
         moves={"study_tag": "t"}),
    case("a column to a table", "CREATE TABLE t (id INT, path VARCHAR(50))",
         "INSERT INTO t SELECT id, path FROM study WHERE path IS NOT NULL", "ALTER TABLE study DROP COLUMN path",
         moves={"study.path": "t"}),
    case("a column to a table, with a value that does not arrive", "CREATE TABLE t (id INT, path VARCHAR(50))",
         "INSERT INTO t SELECT id, path FROM study WHERE id = 1", "ALTER TABLE study DROP COLUMN path",
         moves={"study.path": "t"}, loses={"study.path": 1}),
    case("a table to a table", "CREATE TABLE t (study_id INT, label TEXT)", "INSERT INTO t SELECT * FROM study_tag",
         "DROP TABLE study_tag", moves={"study_tag": "t"}),
    case("a table to a table, with rows that do not arrive", "CREATE TABLE t (study_id INT, label TEXT)",
         "INSERT INTO t SELECT * FROM study_tag WHERE label = 'x'", "DROP TABLE study_tag", moves={"study_tag": "t"},
         loses={"study_tag": 2}),
    case("rows to a list in a column", "UPDATE study SET path = (SELECT max(label) FROM study_tag WHERE study_id = 3)"
         " WHERE id = 3", "DROP TABLE study_tag", moves={"study_tag": "study.path"}),
    case("rows to a list that has nothing of them", "UPDATE study SET path = '[]' WHERE id = 3", "DROP TABLE study_tag",
         moves={"study_tag": "study.path"}, loses={"study_tag": 4}),
    case("rows to a column where nothing arrives", "DROP TABLE study_tag", moves={"study_tag": "study.path"},
         loses={"study_tag": 4}),
    case("two columns into one, side by side", NEW, "UPDATE study SET p = coalesce(path, alias)",
         "ALTER TABLE study DROP COLUMN path", "ALTER TABLE study DROP COLUMN alias",
         moves={"study.path": "study.p", "study.alias": "study.p"},
         before=("ALTER TABLE study ADD COLUMN alias VARCHAR(50)", "UPDATE study SET alias = 'z' WHERE id = 3")),
    case("two columns into one, one over the other", NEW, "UPDATE study SET p = coalesce(path, name)",
         "ALTER TABLE study DROP COLUMN path", "ALTER TABLE study DROP COLUMN name", moves=MERGED,
         loses={"study.name": 2}),
    case("deleted rows that were copied", "CREATE TABLE t AS SELECT * FROM study_tag", "DELETE FROM study_tag",
         moves={"study_tag": "t"}),
    case("to where it was", "DELETE FROM study_tag WHERE label = 'x'", moves={"study_tag": "study_tag"},
         loses={"study_tag": 2}),
    case("to where it was, beside new rows", "DELETE FROM study_tag WHERE label = 'x'",
         "INSERT INTO study_tag VALUES (1, 'n'), (2, 'n'), (3, 'n')", moves={"study_tag": "study_tag"},
         loses={"study_tag": 2}),
)  # fmt: skip
def test_what_arrives_is_not_lost(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


T = "CREATE TABLE t (study_id INT, label VARCHAR(50))"
SOME = "INSERT INTO t SELECT * FROM study_tag WHERE label = 'x'"
OTHERS = "INSERT INTO t VALUES (7, 'n'), (8, 'n')"
NUMBER = "ALTER TABLE study ADD COLUMN n INTEGER"


def by_hand(op: Operations) -> None:
    """Move each row through Python."""
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT study_id, label FROM study_tag")).all():
        connection.execute(sa.text("INSERT INTO t VALUES (:id, :label)"), {"id": row[0], "label": row[1]})


@cases(
    case("rows beside others", T, SOME, OTHERS, "DROP TABLE study_tag", moves={"study_tag": "t"},
         loses={"study_tag": 2}),
    case("rows through Python", T, by_hand, OTHERS, "DROP TABLE study_tag", moves={"study_tag": "t"}),
    case("rows with new keys", "CREATE TABLE t (id INT, label VARCHAR(50))",
         "INSERT INTO t SELECT study_id + 9, label FROM study_tag", "DROP TABLE study_tag", moves={"study_tag": "t"}),
    case("rows by way of a partitioned table", "INSERT INTO event SELECT id + 10 FROM event_1", "DELETE FROM event_1",
         moves={"event_1": "event_2"}, on=POSTGRESQL, before=(
             "CREATE TABLE event (id INT) PARTITION BY RANGE (id)",
             "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10)",
             "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20)",
             "INSERT INTO event VALUES (1), (2)")),
    case("rows in a place that had as many", T, OTHERS, "DELETE FROM t WHERE study_id = 7", SOME,
         "DELETE FROM study_tag", moves={"study_tag": "t"}, loses={"study_tag": 2}),
    case("rows by way of another table", "CREATE TABLE b AS SELECT * FROM study_tag", "DROP TABLE study_tag", T,
         "INSERT INTO t SELECT * FROM b", "DROP TABLE b", moves={"study_tag": "t"}),
    case("rows by way of a temporary table", "CREATE TEMPORARY TABLE b AS SELECT * FROM study_tag",
         "DROP TABLE study_tag", T, "INSERT INTO t SELECT * FROM b", "DROP TABLE b", moves={"study_tag": "t"}),
    case("rows in two parts, each deleted", T, SOME, "DELETE FROM study_tag WHERE label = 'x'",
         "INSERT INTO t SELECT * FROM study_tag", "DELETE FROM study_tag", moves={"study_tag": "t"}),
    case("some that are copied while others are deleted", T, SOME, "DELETE FROM study_tag WHERE label <> 'x'",
         moves={"study_tag": "t"}, loses={"study_tag": 2}),
    case("rows that collide with others", "CREATE TABLE t (id INT PRIMARY KEY, label VARCHAR(50))",
         "INSERT INTO t SELECT id, name FROM study", 'INSERT INTO t SELECT id, "group" FROM "order" WHERE true'
         " ON CONFLICT DO NOTHING", 'DROP TABLE "order"', moves={"order": "t"}, loses={"order": 2}),
    case("values beside others", "CREATE TABLE t (path VARCHAR(50))", "INSERT INTO t SELECT path FROM study"
         " WHERE id = 1", "INSERT INTO t VALUES ('n'), ('m')", "ALTER TABLE study DROP COLUMN path",
         moves={"study.path": "t.path"}, loses={"study.path": 1}),
    case("other values", NEW, "UPDATE study SET p = CASE WHEN path IS NULL THEN 'no' ELSE 'yes' END",
         "ALTER TABLE study DROP COLUMN path", moves={"study.path": "study.p"}, loses={"study.path": 2}),
    case("values that were there before", "UPDATE study SET alias = NULL WHERE id = 3",
         "ALTER TABLE study DROP COLUMN path", moves={"study.path": "study.alias"}, loses={"study.path": 2},
         before=("ALTER TABLE study ADD COLUMN alias VARCHAR(50)", "UPDATE study SET alias = path")),
    case("values of another type", NUMBER, "UPDATE study SET n = length(path)", "UPDATE study SET name = upper(name)",
         "ALTER TABLE study DROP COLUMN path", moves={"study.path": "study.n"}),
    case("values of another type beside others", NUMBER, "UPDATE study SET n = length(path) WHERE id = 1",
         "UPDATE study SET n = 9 WHERE id > 1", "ALTER TABLE study DROP COLUMN path", moves={"study.path": "study.n"},
         loses={"study.path": 1}),
    case("values without =", "ALTER TABLE doc ADD COLUMN k JSON", "UPDATE doc SET k = j WHERE id = 1",
         "UPDATE doc SET k = '2' WHERE id = 2", "ALTER TABLE doc DROP COLUMN j", moves={"doc.j": "doc.k"},
         loses={"doc.j": 1}, before=("CREATE TABLE doc (id INT, j JSON)",
                                     "INSERT INTO doc VALUES (1, '1'), (2, '[]')")),
)  # fmt: skip
def test_only_what_comes_from_the_source_arrives(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("column back to column", "ALTER TABLE study ADD COLUMN old VARCHAR(50)", "UPDATE study SET old = path",
         "ALTER TABLE study DROP COLUMN path", moves={"study.old": "study.path"}),
    case("some of it", "ALTER TABLE study ADD COLUMN old VARCHAR(50)", "UPDATE study SET old = path WHERE id = 2",
         "ALTER TABLE study DROP COLUMN path", moves={"study.old": "study.path"}, loses={"study.path": 1}),
    case("table back to list", "ALTER TABLE study ADD COLUMN tags TEXT DEFAULT '[]' NOT NULL", "UPDATE study SET tags ="
         " (SELECT max(label) FROM study_tag WHERE study_id = study.id)", "DROP TABLE study_tag",
         moves={"study.tags": "study_tag"}),
    case("table back to the default of a list", "ALTER TABLE study ADD COLUMN tags TEXT DEFAULT '[]' NOT NULL",
         "DROP TABLE study_tag", moves={"study.tags": "study_tag"}, loses={"study_tag": 4}),
    case("read forwards it is none", "CREATE TABLE t AS SELECT * FROM study_tag", "DROP TABLE study_tag",
         moves={"study_tag": "t"}, loses={"study_tag": 4}),
)  # fmt: skip
def test_a_downgrade_reads_moves_backwards(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case, direction="downgrade") == case.loses


def in_python(condition: str) -> Callable[[Operations], None]:
    """Read rows of the table in Python, and write them to the new table."""

    def step(op: Operations) -> None:
        query = f"SELECT study_id, label FROM study_tag WHERE {condition}"
        rows = [{**row} for row in op.get_bind().exec_driver_sql(query).mappings()]
        op.bulk_insert(sa.table("n", sa.column("study_id"), sa.column("label")), rows)

    return step


def beside(rows: str, *select: str) -> tuple[str, ...]:
    """Rebuild the table, and insert other rows, before the last of these copies."""
    copies = [f"INSERT INTO n {each}" for each in select]
    return (*rebuild("")[:1], *copies[:-1], f"INSERT INTO n VALUES {rows}", *copies[-1:], *rebuild("")[2:])


@cases(
    case("all comes along, beside other rows", *beside("(1, 'n'), (1, 'n')", "SELECT * FROM study_tag")),
    case("all comes along in two parts, beside others", *beside("(1, 'n')", "SELECT * FROM study_tag WHERE label = 'x'",
         "SELECT * FROM study_tag WHERE label <> 'x'")),
    case("all comes along, beside what another table has", *beside("(1, 'n')", "SELECT * FROM study_tag",
         "SELECT id, name FROM study")),
    case("all comes along by a WITH", *rebuild("")[:1],
         "WITH a AS (SELECT * FROM study_tag) INSERT INTO n SELECT * FROM a", *rebuild("")[2:]),
    case("all comes along, a part of it by hand", rebuild("")[0], in_python("label <> 'x'"),
         *rebuild("SELECT * FROM study_tag WHERE label = 'x'")[1:]),
    case("not all comes along, a part of it by hand", rebuild("")[0], in_python("label = 'z'"), "INSERT INTO n VALUES"
         " (1, 'n')", *rebuild("SELECT * FROM study_tag WHERE label = 'x'")[1:], loses={"study_tag": 1}),
    case("all comes along by a temporary table", "CREATE TEMPORARY TABLE t AS SELECT * FROM study_tag",
         "DROP TABLE study_tag", *rebuild("")[:1], "INSERT INTO n SELECT * FROM t", "INSERT INTO n VALUES (1, 'n')",
         *rebuild("")[3:]),
    case("all comes along from another name", "ALTER TABLE study_tag RENAME TO o",
         "CREATE TABLE study_tag AS SELECT * FROM o", "INSERT INTO study_tag VALUES (1, 'n')", "DROP TABLE o"),
    case("as many other rows", *beside("(1, 'n'), (1, 'n')", "SELECT * FROM study_tag WHERE label = 'x'"),
         loses={"study_tag": 2}),
    case("as many other rows, in the first of two rebuilds", *beside("(1, 'n')", "SELECT * FROM study_tag WHERE"
         " label <> 'z'"), *rebuild("SELECT * FROM study_tag"), loses={"study_tag": 1}),
    case("as many other rows in another name", "ALTER TABLE study_tag RENAME TO o",
         "CREATE TABLE study_tag AS SELECT * FROM o WHERE label = 'x'",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n')", "DROP TABLE o", loses={"study_tag": 2}),
)  # fmt: skip
def test_other_rows_of_a_table_that_is_made_again_do_not_arrive(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


PARTS = (
    "CREATE TABLE n (id INT, name VARCHAR(50), path VARCHAR(50)) PARTITION BY RANGE (id)",
    "CREATE TABLE n_1 PARTITION OF n FOR VALUES FROM (0) TO (2)",
    "CREATE TABLE n_2 PARTITION OF n DEFAULT",
)
ALONE = tuple(f"ALTER TABLE {name} DROP CONSTRAINT {name}_study_id_fkey" for name in ("study_tag", "task"))
INSTEAD = ("DROP TABLE study", "ALTER TABLE n RENAME TO study")
TO_PARTS = "INSERT INTO n SELECT * FROM study"


@cases(
    case("all of it", *PARTS, TO_PARTS, *INSTEAD, before=ALONE, on=POSTGRESQL),
    case("some rows, beside another one", *PARTS, f"{TO_PARTS} WHERE id > 1", "INSERT INTO n VALUES (9, 'n')",
         *INSTEAD, loses={"study": 1}, before=ALONE, on=POSTGRESQL),
    case("some values", *PARTS, "INSERT INTO n SELECT id, name, NULLIF(path, '/a') FROM study", *INSTEAD,
         loses={"study.path": 1}, before=ALONE, on=POSTGRESQL),
    case("a move", *PARTS, TO_PARTS, "DROP TABLE study", moves={"study": "n"}, before=ALONE, on=POSTGRESQL),
    case("a move of some, beside others", *PARTS, f"{TO_PARTS} WHERE id > 1", "INSERT INTO n VALUES (9, 'n')",
         "DROP TABLE study", moves={"study": "n"}, loses={"study": 1}, before=ALONE, on=POSTGRESQL),
    case("a table that becomes a partition", "ALTER TABLE study RENAME TO n_1", PARTS[0], "ALTER TABLE n ATTACH"
         " PARTITION n_1 DEFAULT", "ALTER TABLE n RENAME TO study", before=ALONE, on=POSTGRESQL),
)  # fmt: skip
def test_a_table_can_be_made_again_with_partitions(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("all comes along by hand", rebuild("")[0], in_python("label <> ''"), *rebuild("")[2:],
         loses={"study_tag.study_id": 4, "study_tag.label": 4}),
)  # fmt: skip
def test_a_copy_that_goes_only_through_python_counts_as_lost(
    database: Database, engine: EngineName, case: Case
) -> None:
    """This is a limit: the guard cannot know that the new rows are the old ones. The revision has to declare a loss."""
    assert losses(database(engine), case) == case.loses
