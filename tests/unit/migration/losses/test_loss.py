"""The counts of the guard, statement by statement, and the messages about them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.database.catalog import find
from antarest.migration.errors.loss import Agreement, Loss
from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, Case, batch, case, cases, losses

Database = Callable[[EngineName], URL]

# ---- tables and columns

COMPOSITE = (
    'CREATE TYPE spot AS (x INT, y INT, "No" TEXT, z INT)',
    "CREATE TYPE area AS (middle spot)",
    "CREATE DOMAIN spots AS spot[]",
    "CREATE TABLE place (a spot, b spot[], c area, d spots)",
    (
        "INSERT INTO place VALUES ((1, 2, NULL, NULL), ARRAY[(1, 2, 'n', 3)::spot], ROW((1, 2, 'n', 3)::spot),"
        " ARRAY[(1, 2, 'n', 3)::spot]), ((1, NULL, 'n', NULL), NULL, NULL, NULL),"
        " ((1, NULL, NULL, NULL), NULL, NULL, NULL), (NULL, NULL, NULL, NULL)"
    ),
)
ARCHIVE = (
    "CREATE SCHEMA archive",
    "CREATE TABLE archive.old (id INT)",
    "INSERT INTO archive.old VALUES (1), (2)",
)
PARTITIONS = (
    "CREATE TABLE event (id INT) PARTITION BY RANGE (id)",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (9)",
    "INSERT INTO event VALUES (1), (2)",
)


@cases(
    case("a dropped table", lambda op: op.drop_table("study_tag"), loses={"study_tag": 4}),
    case("no rows, no loss", lambda op: op.drop_table("empty")),
    case("no values, no loss", lambda op: op.drop_column("empty", "note")),
    case("a dropped column", lambda op: op.drop_column("study", "path"), loses={"study.path": 2}),
    case("DROP without COLUMN", "ALTER TABLE study DROP path", loses={"study.path": 2}),
    case("upper case", "DROP TABLE STUDY_TAG", loses={"study_tag": 4}),
    case("lower case", "alter table Study drop column Path", loses={"study.path": 2}),
    case("comments", "/* a */ DROP /* b */ TABLE -- c\n study_tag", loses={"study_tag": 4}),
    case("a keyword as a table", 'DROP TABLE "order"', loses={"order": 2}),
    case("a keyword as a column", 'ALTER TABLE "order" DROP COLUMN "group"', loses={"order.group": 1}),
    case("a name with a space and a dot", 'DROP TABLE "Odd Name.x"', loses={"Odd Name.x": 2}),
    case("a dot in a column", lambda op: op.drop_column("Odd Name.x", "geo.lat"), loses={"Odd Name.x.geo.lat": 1}),
    case("signs in a name", lambda op: op.drop_table('5"0%'), loses={'5"0%': 1}),
    case("brackets as quotes", "DROP TABLE [study_tag]", loses={"study_tag": 4}, on=SQLITE),
    case("a name within another one", "DELETE FROM study_tag WHERE label = 'study'", 'DROP TABLE "order"',
         loses={"order": 2}),
    case("two tables in one statement", "DROP TABLE study_tag, task", loses={"study_tag": 4, "task": 3}, on=POSTGRESQL),
    case("CASCADE", "DROP TABLE study CASCADE", loses={"study": 3}, on=POSTGRESQL),
    case("several statements in one string", "SELECT 1; DROP TABLE study_tag; DELETE FROM task;"
         " ALTER TABLE study DROP COLUMN path", loses={"study_tag": 4, "task": 3, "study.path": 2}, on=POSTGRESQL),
    case("a partition", "ALTER TABLE event DETACH PARTITION event_1", "DROP TABLE event_1", loses={"event_1": 2},
         on=POSTGRESQL, before=PARTITIONS),
    case("a partition with its parent", "DROP TABLE event", loses={"event_1": 2}, on=POSTGRESQL,
         before=PARTITIONS),
    case("a table of another schema", "DROP TABLE archive.old", loses={"archive.old": 2}, on=POSTGRESQL,
         before=ARCHIVE),
    case("a whole schema", "DROP SCHEMA archive CASCADE", loses={"archive.old": 2},
         on=POSTGRESQL, before=ARCHIVE),
    case("an attribute of a type", 'ALTER TYPE spot DROP ATTRIBUTE IF EXISTS "No", DROP ATTRIBUTE y',
         loses={"place.a": 2, "place.b": 1, "place.c": 1, "place.d": 1}, on=POSTGRESQL, before=COMPOSITE),
    case("an attribute without values", "ALTER TYPE spot DROP ATTRIBUTE z",
         loses={"place.b": 1, "place.c": 1, "place.d": 1}, on=POSTGRESQL, before=COMPOSITE),
    case("a column with its type", "DROP TYPE mood CASCADE", loses={"diary.mood": 1},
         on=POSTGRESQL, before=("CREATE TYPE mood AS ENUM ('good')", "CREATE TABLE diary (id INT, mood mood)",
                                "INSERT INTO diary VALUES (1, 'good')")),
)  # fmt: skip
def test_counts_what_is_dropped(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


@cases(
    case("by rename", "ALTER TABLE study_tag RENAME TO label", "DROP TABLE label", loses={"study_tag": 4}),
    case("a renamed column", "ALTER TABLE study RENAME COLUMN path TO p", "ALTER TABLE study DROP COLUMN p",
         loses={"study.path": 2}),
    case("a table that takes its name", "CREATE TABLE n (study_id INT, label TEXT)",
         "ALTER TABLE study_tag RENAME TO o", "ALTER TABLE n RENAME TO study_tag", "DROP TABLE o",
         loses={"study_tag": 4}),
    case("a column that comes back", "ALTER TABLE study DROP COLUMN path",
         "ALTER TABLE study ADD COLUMN path VARCHAR(50) DEFAULT 'p'", loses={"study.path": 2}),
    case("a table that comes back", "DROP TABLE study_tag", "CREATE TABLE study_tag (study_id INT, label TEXT)",
         loses={"study_tag": 4}),
    case("rows that were deleted before", "DELETE FROM study_tag WHERE label = 'x'", "DROP TABLE study_tag",
         loses={"study_tag": 4}),
    case("values that were set to NULL before", "UPDATE study SET path = NULL", "ALTER TABLE study DROP COLUMN path",
         loses={"study.path": 2}),
    case("rows inserted before do not count", "INSERT INTO study_tag VALUES (1, 'n')", "DROP TABLE study_tag",
         loses={"study_tag": 4}),
    case("rows that another one replaces", "DELETE FROM study_tag",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')", loses={"study_tag": 4}),
    case("a truncated table that is filled again", "TRUNCATE study_tag",
         "INSERT INTO study_tag VALUES (1, 'n'), (1, 'n'), (1, 'n'), (1, 'n')", loses={"study_tag": 4}, on=POSTGRESQL),
    case("rows deleted before a TRUNCATE", "DELETE FROM study_tag WHERE label = 'x'", "TRUNCATE study_tag",
         loses={"study_tag": 4}, on=POSTGRESQL),
    case("another schema", "CREATE SCHEMA archive", "ALTER TABLE study_tag SET SCHEMA archive",
         "DROP TABLE archive.study_tag", loses={"study_tag": 4}, on=POSTGRESQL),
    case("an empty search path", "SET LOCAL search_path = ''", "DELETE FROM public.study_tag",
         "SET LOCAL search_path = public", loses={"study_tag": 4}, on=POSTGRESQL),
)  # fmt: skip
def test_nothing_hides_a_loss(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- rows and values


@cases(
    case("DELETE", "delete from Study_Tag where label = 'x'", loses={"study_tag": 2}),
    case("DELETE with a list of parameters", lambda op: op.get_bind().execute(
        sa.text("DELETE FROM study_tag WHERE label = :label"), [{"label": "x"}, {"label": "y"}]),
         loses={"study_tag": 3}),
    case("DELETE RETURNING", lambda op: op.get_bind().execute(sa.text("DELETE FROM study_tag RETURNING label")).all(),
         loses={"study_tag": 4}),
    case("DELETE of SQLAlchemy", lambda op: op.execute(sa.delete(sa.table("study_tag"))), loses={"study_tag": 4}),
    case("a DELETE in a WITH", "WITH gone AS (DELETE FROM study_tag RETURNING 1) SELECT count(*) FROM gone",
         loses={"study_tag": 4}, on=POSTGRESQL),
    case("MERGE", "MERGE INTO study_tag t USING study s ON t.study_id = s.id WHEN MATCHED THEN DELETE",
         loses={"study_tag": 4}, on=POSTGRESQL),
    case("rows, after a savepoint took others back", "SAVEPOINT s", "INSERT INTO study_tag SELECT * FROM study_tag",
         "ROLLBACK TO s", "UPDATE study_tag SET label = upper(label)", "DELETE FROM study_tag", loses={"study_tag": 4}),
    case("UPDATE OR REPLACE", "UPDATE OR REPLACE study SET id = 1", loses={"study": 2}, on=SQLITE),
    case("ON CONFLICT REPLACE in the table", "INSERT INTO u VALUES (1, 'b')", loses={"u": 1}, on=SQLITE,
         before=("CREATE TABLE u (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, k TEXT UNIQUE ON CONFLICT REPLACE)",
                 "INSERT INTO u VALUES (1, 'a'), (2, 'b')")),
    case("TRUNCATE", "truncate study_tag", loses={"study_tag": 4}, on=POSTGRESQL),
    case("TRUNCATE CASCADE", "TRUNCATE study CASCADE", loses={"study": 3, "study_tag": 4, "task": 3}, on=POSTGRESQL),
    case("a foreign key that cascades, and one that sets NULL", "DELETE FROM study WHERE id = 1",
         loses={"study": 1, "study_tag": 2, "task.study_id": 1}, on=POSTGRESQL),
    case("foreign keys are off", "DELETE FROM study WHERE id = 1", loses={"study": 1}, on=SQLITE),
    case("a view", "DELETE FROM v", loses={"study_tag": 4}, on=POSTGRESQL,
         before=("CREATE VIEW v AS SELECT * FROM study_tag",)),
    case("a table that is renamed afterwards", "DELETE FROM study_tag", "ALTER TABLE study_tag RENAME TO label",
         loses={"study_tag": 4}),
)  # fmt: skip
def test_counts_the_rows_that_are_deleted(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


PATHS = sa.table("study", sa.column("path"))


@cases(
    case("UPDATE", "UPDATE study SET path = NULL", loses={"study.path": 2}),
    case("UPDATE of SQLAlchemy", lambda op: op.execute(PATHS.update().values(path=None)), loses={"study.path": 2}),
    case("an expression", "UPDATE study SET path = NULLIF(path, '/a')", loses={"study.path": 1}),
    case("a subquery that finds nothing", "UPDATE study SET path ="
         " (SELECT label FROM study_tag t WHERE t.study_id = study.id AND label = 'z')", loses={"study.path": 2}),
    case("ON CONFLICT DO UPDATE", "INSERT INTO study VALUES (1, 'q', NULL)"
         " ON CONFLICT (id) DO UPDATE SET path = excluded.path", loses={"study.path": 1}),
    case("REPLACE INTO", "REPLACE INTO study VALUES (1, 'q', NULL)", loses={"study.path": 1}, on=SQLITE),
    case("a conversion", "ALTER TABLE study ALTER COLUMN path TYPE int USING NULL", loses={"study.path": 2},
         on=POSTGRESQL),
    case("an empty text", "UPDATE study SET path = '' WHERE id = 1", loses={"study.path": 1}),
    case("an empty text, all are full", "UPDATE study SET name = '' WHERE id = 1", loses={"study.name": 1}),
    case("an empty text and NULL", "UPDATE study SET path = ''", "UPDATE study SET path = NULL WHERE id = 1",
         loses={"study.path": 2}),
    case("an empty text of a key that sets a default", "DELETE FROM t WHERE k = 'a'", loses={"t": 1, "u.k": 1},
         on=POSTGRESQL, before=("CREATE TABLE t (k TEXT PRIMARY KEY)", "INSERT INTO t VALUES ('a'), ('')",
                                "CREATE TABLE u (k TEXT DEFAULT '' REFERENCES t ON DELETE SET DEFAULT)",
                                "INSERT INTO u VALUES ('a')")),
    case("an empty text in a rebuild", "CREATE TABLE n AS SELECT study_id, replace(label, 'x', '') AS label"
         " FROM study_tag", "DROP TABLE study_tag", "ALTER TABLE n RENAME TO study_tag", loses={"study_tag.label": 2}),
    case("another value is not a loss, nor is an empty text for NULL", "UPDATE study SET path = coalesce(path, '')",
         "UPDATE study SET path = 'x' WHERE id = 1", "UPDATE task SET study_id = 1",
         "ALTER TABLE study ADD COLUMN note VARCHAR(9) DEFAULT '' NOT NULL"),
)  # fmt: skip
def test_counts_the_values_that_are_emptied(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


def rebuild(select: str) -> tuple[str, ...]:
    """Rebuild study_tag by hand, from the rows of this query."""
    return (
        "CREATE TABLE n (study_id INT, label VARCHAR(50))",
        f"INSERT INTO n {select}",
        "DROP TABLE study_tag",
        "ALTER TABLE n RENAME TO study_tag",
    )


def rebuilt(op: Operations) -> None:
    with op.batch_alter_table("order", recreate="always") as altered:
        altered.alter_column("group", nullable=True)


DROP_PATH: Callable[[Any], Any] = lambda b: b.drop_column("path")  # noqa: E731 - one of many, inline elsewhere
ADD_PATH: Callable[[Any], Any] = lambda b: b.add_column(sa.Column("path", sa.String(50), server_default="p"))  # noqa: E731


@cases(
    case("all comes along", *rebuild("SELECT study_id, label FROM study_tag")),
    case("all comes along in a batch", rebuilt),
    case("rows", *rebuild("SELECT * FROM study_tag WHERE label = 'x'"), loses={"study_tag": 2}),
    case("values", *rebuild("SELECT study_id, NULLIF(label, 'x') FROM study_tag"), loses={"study_tag.label": 2}),
    case("a column", "CREATE TABLE n (study_id INT)", "INSERT INTO n SELECT study_id FROM study_tag",
         "DROP TABLE study_tag", "ALTER TABLE n RENAME TO study_tag", loses={"study_tag.label": 4}),
    case("a column in a batch", batch(DROP_PATH), loses={"study.path": 2}),
    case("a column that a batch drops and the next one adds", batch(DROP_PATH), batch(ADD_PATH),
         loses={"study.path": 2}),
    case("a column that a batch drops and adds", batch(DROP_PATH, ADD_PATH), loses={"study.path": 2}),
    case("a column that one rebuild drops and the next one adds", "CREATE TABLE t AS SELECT label FROM study_tag",
         "CREATE TABLE n AS SELECT study_id FROM study_tag", "DROP TABLE study_tag",
         "ALTER TABLE n RENAME TO study_tag", "CREATE TABLE n AS SELECT study_id, 'n' AS label FROM study_tag",
         "DROP TABLE study_tag", "ALTER TABLE n RENAME TO study_tag", loses={"study_tag.label": 4}),
    case("a generated column holds nothing", "CREATE TABLE n (id INT, twice INT GENERATED ALWAYS AS (id * 2) STORED)",
         "INSERT INTO n (id) SELECT id FROM g", "DROP TABLE g", "ALTER TABLE n RENAME TO g",
         before=("CREATE TABLE g (id INT, twice INT GENERATED ALWAYS AS (id + id) STORED)",
                 "INSERT INTO g (id) VALUES (1)")),
)  # fmt: skip
def test_compares_a_table_that_is_rebuilt(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- what is not a loss


@cases(
    case("a renamed table", "ALTER TABLE study_tag RENAME TO label"),
    case("a renamed column", "ALTER TABLE study RENAME COLUMN path TO p"),
    case("a column that a batch renames", batch(lambda b: b.alter_column("path", new_column_name="p"))),
    case("tables that swap their names", "CREATE TABLE n (study_id INT)", "ALTER TABLE study_tag RENAME TO o",
         "ALTER TABLE n RENAME TO study_tag"),
    case("a table of its own", "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1), (2)", "DELETE FROM t WHERE id = 1",
         "DROP TABLE t"),
    case("rows of its own", "INSERT INTO empty VALUES (1, 'x'), (2, 'y')", "DELETE FROM empty"),
    case("a temporary table", "CREATE TEMPORARY TABLE study_tag AS SELECT * FROM study", "DROP TABLE study_tag"),
    case("indexes and constraints", lambda op: op.create_index("i", "study", ["path"]),
         lambda op: op.drop_index("i", "study"), lambda op: op.drop_constraint("task_study_id_fkey", "task"),
         lambda op: op.alter_column("study", "name", server_default=None, nullable=True), on=POSTGRESQL),
    case("a table that is rewritten", "ALTER TABLE study_tag ALTER COLUMN study_id TYPE bigint",
         "UPDATE study_tag SET label = upper(label)", "ALTER TABLE study_tag ADD COLUMN id serial", on=POSTGRESQL),
    case("a materialized view", "DROP MATERIALIZED VIEW v", on=POSTGRESQL,
         before=("CREATE MATERIALIZED VIEW v AS SELECT * FROM study",)),
    case("END of a block", "DO $$ BEGIN PERFORM 1; END $$",
         "CREATE FUNCTION h() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END", on=POSTGRESQL),
    case("words in a text", "UPDATE study SET name = 'DROP TABLE study_tag; COMMIT'", on=POSTGRESQL),
    case("a savepoint that is rolled back", "SAVEPOINT s", "DELETE FROM study_tag", "ROLLBACK TO SAVEPOINT s"),
    case("savepoints within each other", "SAVEPOINT s", "SAVEPOINT t", "DELETE FROM study_tag", "ROLLBACK TO t",
         "INSERT INTO study_tag VALUES (1, 'n')", "ROLLBACK TO s", "SAVEPOINT s", "DELETE FROM task", "ROLLBACK TO s"),
)  # fmt: skip
def test_sees_no_loss_where_there_is_none(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == {}


ROLE = f"loss_{secrets.token_hex(4)}"
SECRET = (
    f"CREATE ROLE {ROLE}",
    "CREATE TABLE secret (id INT)",
    *(f"ALTER TABLE {table} OWNER TO {ROLE}" for table in ("secret", "study_tag")),
    f"REVOKE SELECT ON secret FROM {ROLE}",
    f"SET LOCAL ROLE {ROLE}",
)


@cases(
    case("its name in a statement is no reason to fail", "UPDATE study_tag SET label = 'secret'", on=POSTGRESQL,
         before=SECRET),
    case("its count is unknown", "DROP TABLE secret", loses={"secret": None}, on=POSTGRESQL, before=SECRET),
    case("nor one that it may not lock", "UPDATE study SET path = NULL", loses={"study.path": None, "study.name": None},
         on=POSTGRESQL, before=(SECRET[0], f"GRANT SELECT, UPDATE (path) ON study TO {ROLE}", SECRET[-1])),
)  # fmt: skip
def test_a_table_that_this_role_may_not_read_is_not_counted(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


# ---- words


@pytest.mark.parametrize(
    ("count", "unit", "text"),
    [
        (1, "row", "1 row"),
        (2_000, "value", "2,000 values"),
        (0, "row", "0 rows"),
        (None, "value", "an unknown number of values"),
    ],
)
def test_a_loss_says_its_count(count: int | None, unit: str, text: str) -> None:
    assert Loss("r1", "upgrade", "study", count, unit=unit).amount == text


def test_a_loss_says_whether_it_is_declared() -> None:
    declared, undeclared = Loss("r1", "upgrade", "study", 1, "gone for good"), Loss("r1", "downgrade", "study", 1)

    assert (declared.declared, str(declared)) == (True, "study: 1 row (gone for good)")
    assert (undeclared.declared, str(undeclared)) == (False, "study: 1 row (not declared)")


@pytest.mark.parametrize(
    ("agreement", "count", "is_covered"),
    [
        (Agreement(), 1, False),
        (Agreement(everything=True), 1, True),
        (Agreement(everything=True), None, True),
        (Agreement(most={("r1", "study"): 2}), 2, True),
        (Agreement(most={("r1", "study"): 2}), 1, True),
        (Agreement(most={("r1", "study"): 2}), 3, False),
        (Agreement(most={("r1", "study"): 2}), None, False),
        (Agreement(most={("r1", "study"): None}), None, True),
        (Agreement(most={("r1", "study"): None}), 9, True),
        (Agreement(most={("r2", "study"): 2}), 1, False),
        (Agreement(most={("r1", "study.path"): 2}), 1, False),
    ],
)
def test_an_agreement_covers_what_was_named(agreement: Agreement, count: int | None, is_covered: bool) -> None:
    assert agreement.covers(Loss("r1", "downgrade", "study", count, "why")) is is_covered


def test_an_item_is_found_where_its_table_is() -> None:
    tables = {"study": {"path", "x.y"}, "a.b": {"c"}, "archive.old": {"id"}}

    assert find(tables, "study") == ("study", None)
    assert find(tables, "study.path") == ("study", "path")
    assert find(tables, "study.x.y") == ("study", "x.y")
    assert find(tables, "a.b") == ("a.b", None)
    assert find(tables, "a.b.c") == ("a.b", "c")
    assert find(tables, "archive.old.id") == ("archive.old", "id")
    assert find(tables, "study.gone") is None
    assert find(tables, "a") is None
