"""Statements that bypass SQLAlchemy or leave the transaction. The guard must notice them too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import URL

from antarest.migration.database.connection import moving
from antarest.migration.losses.tracking.base import NotAllowed
from antarest.migration.scratch.databases import EngineName
from tests.support.data.losses import POSTGRESQL, SQLITE, Case, Step, case, cases, driver, losses, raw

Database = Callable[[EngineName], URL]

# ---- ways past SQLAlchemy


def composed(op: Operations) -> None:
    from psycopg2 import sql

    op.get_bind().connection.cursor().execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("study_tag")))


def with_dictionaries(op: Operations) -> None:
    from psycopg2.extras import RealDictCursor

    cursor: Any = op.get_bind().connection.cursor(cursor_factory=RealDictCursor)
    cursor.execute("SELECT count(*) AS tags FROM study_tag")
    assert cursor.fetchone()["tags"] == 4
    cursor.execute("DROP TABLE study_tag")


def row_by_row(op: Operations) -> None:
    connection = op.get_bind()
    for (id_,) in connection.exec_driver_sql("SELECT id FROM study"):
        connection.exec_driver_sql(f"DELETE FROM study_tag WHERE study_id = {id_}")


def copy_from(op: Operations) -> None:
    op.get_bind().connection.cursor().copy_from(StringIO("9\t\\N\n"), "task")


FUNCTION = "CREATE FUNCTION f() RETURNS {} LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$"

REBUILDS = (
    "CREATE TABLE n AS SELECT NULL::int AS study_id, label FROM study_tag;"
    " DROP TABLE study_tag; ALTER TABLE n RENAME TO study_tag"
)


@cases(
    case("a cursor deletes", raw("DELETE FROM study_tag"), loses={"study_tag": 4}),
    case("a cursor drops", raw("DROP TABLE study_tag", "ALTER TABLE study DROP COLUMN path"),
         loses={"study_tag": 4, "study.path": 2}),
    case("bytes", raw(b"TRUNCATE study_tag"), loses={"study_tag": 4}, on=POSTGRESQL),
    case("composed SQL", composed, loses={"study_tag": 4}, on=POSTGRESQL),
    case("a cursor of another class", with_dictionaries, loses={"study_tag": 4}, on=POSTGRESQL),
    case("a cursor of another class of SQLite", lambda op: driver(op).cursor(sqlite3.Cursor).execute(
        "DELETE FROM study_tag"), loses={"study_tag": 4}, on=SQLITE),
    case("a loop over an open result", row_by_row, loses={"study_tag": 4}),
    case("the driver's shortcuts", lambda op: driver(op).execute("DROP TABLE study_tag"),
         lambda op: driver(op).executemany("DELETE FROM task WHERE id = ?", [(1,), (3,)]),
         loses={"study_tag": 4, "task": 2}, on=SQLITE),
    case("a script", lambda op: driver(op).executescript(
        "DELETE FROM study_tag; CREATE TRIGGER t AFTER INSERT ON task BEGIN SELECT 1; END; DROP TABLE [order]"),
         loses={"study_tag": 4, "order": 2}, on=SQLITE),
    case("a trigger", "INSERT INTO task VALUES (9, NULL)", loses={"study_tag": 4}, on=SQLITE,
         before=("CREATE TRIGGER t AFTER INSERT ON task BEGIN DELETE FROM study_tag; END",)),
    case("a trigger of a function", "INSERT INTO task VALUES (9, NULL)", loses={"study_tag": 4}, on=POSTGRESQL,
         before=(FUNCTION.format("trigger", "DELETE FROM study_tag"),
                 "CREATE TRIGGER t AFTER INSERT ON task EXECUTE FUNCTION f()")),
    case("a trigger of a COPY", copy_from, loses={"study.path": 2}, on=POSTGRESQL,
         before=(FUNCTION.format("trigger", "UPDATE study SET path = ''"),
                 "CREATE TRIGGER t AFTER INSERT ON task EXECUTE FUNCTION f()")),
    case("a trigger of a COPY that makes up names: its count is unknown", copy_from,
         loses={"study.path": None, "study.name": None}, on=POSTGRESQL,
         before=(FUNCTION.format("trigger", "EXECUTE 'UPDATE stu' || 'dy SET path = NULL'"),
                 "CREATE TRIGGER t AFTER INSERT ON task EXECUTE FUNCTION f()")),
    case("a DO block deletes", "DO $$ BEGIN DELETE FROM study_tag; END $$", loses={"study_tag": 4}, on=POSTGRESQL),
    case("a DO block truncates", "DO $$ BEGIN EXECUTE 'TRUNCATE ' || 'study_tag'; END $$", loses={"study_tag": 4},
         on=POSTGRESQL),
    case("a DO block drops", "DO $$ BEGIN EXECUTE 'DROP TABLE ' || quote_ident('study_tag'); END $$",
         loses={"study_tag": 4}, on=POSTGRESQL),
    case("a DO block makes up a name", "DO $$ BEGIN EXECUTE 'DROP TABLE study_' || 'tag'; END $$",
         loses={"study_tag": 4}, on=POSTGRESQL),
    case("a function deletes", "SELECT f()", loses={"study_tag": 4}, on=POSTGRESQL,
         before=(FUNCTION.format("int", "DELETE FROM study_tag"),)),
    case("a function deletes what is dropped then", "SELECT f()", "DROP TABLE study_tag", loses={"study_tag": 4},
         on=POSTGRESQL, before=(FUNCTION.format("int", "DELETE FROM study_tag"),)),
    case("a function drops", "SELECT f()", loses={"study_tag": 4}, on=POSTGRESQL,
         before=(FUNCTION.format("int", "DROP TABLE study_tag"),)),
    case("a function truncates", "SELECT f()", "INSERT INTO study_tag VALUES (1, 'n')",
         loses={"study_tag": 4}, on=POSTGRESQL, before=(FUNCTION.format("int", "TRUNCATE study_tag"),)),
    case("a function rebuilds what is counted in part", "UPDATE study_tag SET label = upper(label)", "SELECT f()",
         loses={"study_tag.study_id": 4}, on=POSTGRESQL, before=(FUNCTION.format("int", REBUILDS),)),
    case("a function truncates what is dropped then", "SELECT f()", "DROP TABLE study_tag", loses={"study_tag": 4},
         on=POSTGRESQL, before=(FUNCTION.format("int", "TRUNCATE study_tag"),)),
)  # fmt: skip
def test_sees_what_goes_past_sqlalchemy(database: Database, engine: EngineName, case: Case) -> None:
    assert losses(database(engine), case) == case.loses


REWRITES = "ALTER TABLE study_tag ALTER COLUMN study_id TYPE BIGINT"
TRUNCATES = "DO $$ BEGIN EXECUTE 'TRUN' || 'CATE study_' || 'tag'; END $$"


@cases(
    case("by its name", REWRITES, "TRUNCATE study_tag", loses={"study_tag": 4}, on=POSTGRESQL),
    case("by a name made at run time", REWRITES, TRUNCATES, loses={"study_tag": 4}, on=POSTGRESQL),
    case("by a function", REWRITES, "SELECT f('study_' || 'tag')", loses={"study_tag": 4}, on=POSTGRESQL, before=(
        "CREATE FUNCTION f(t TEXT) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'TRUNCATE ' || t; END $$",)),
    case("before it is filled again", REWRITES, TRUNCATES, "INSERT INTO study_tag SELECT 1, 'n' FROM study a, study b",
         loses={"study_tag": 4}, on=POSTGRESQL),
)  # fmt: skip
def test_sees_a_truncate_of_a_table_that_the_run_has_rewritten(
    database: Database, engine: EngineName, case: Case
) -> None:
    """PostgreSQL does not create a new file for the table in this case."""
    assert losses(database(engine), case) == case.loses


# ---- the transaction

CREATE_ATOMIC = "CREATE FUNCTION h() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END"


def autocommit_as_of_old(op: Operations) -> None:
    """Commit as revisions did before Alembic had `autocommit_block()`. psycopg2 rolls back first."""
    driver(op).set_isolation_level(0)
    op.execute("DELETE FROM task")


def autocommit_of_sqlite(op: Operations) -> None:
    driver(op).isolation_level = None


def second_connection(op: Operations) -> None:
    with op.get_bind().engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM task")


@cases(
    case("COMMIT", "COMMIT"),
    case("END", "/* */ end"),
    case("ROLLBACK", "ROLLBACK"),
    case("COMMIT among others", "DELETE FROM task; COMMIT; SELECT 1", on=POSTGRESQL),
    case("COMMIT AND CHAIN", "COMMIT AND CHAIN", on=POSTGRESQL),
    case("COMMIT between quotes", r"SELECT E'\''; COMMIT; SELECT 'x'", on=POSTGRESQL),
    case("COMMIT beside the body of a function", f"COMMIT; {CREATE_ATOMIC}", on=POSTGRESQL),
    case("commit of SQLAlchemy", lambda op: op.get_bind().commit()),
    case("commit of the pool", lambda op: op.get_bind().connection.commit()),
    case("commit of the driver", lambda op: driver(op).commit()),
    case("with the driver", lambda op: driver(op).__enter__() and driver(op).__exit__(None, None, None)),
    case("rollback of the driver", lambda op: driver(op).rollback()),
    case("a statement after a rollback", lambda op: driver(op).rollback(), "DELETE FROM task"),
    case("autocommit as of old", autocommit_as_of_old, on=POSTGRESQL),
    case("autocommit of SQLite", autocommit_of_sqlite, on=SQLITE),
    case("reset of the driver", lambda op: driver(op).reset(), on=POSTGRESQL),
)
def test_a_revision_cannot_end_the_transaction(database: Database, engine: EngineName, case: Case) -> None:
    assert_not_allowed("ends the transaction", database(engine), "DELETE FROM study_tag", *case.steps)


@cases(case("a second connection", second_connection))
def test_a_revision_cannot_change_anything_beside_the_transaction(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert_not_allowed("second connection", database(engine), *case.steps)


def late_parameters(op: Operations) -> None:
    """Delete rows while the parameters of another statement are made. That statement inserts as many rows."""
    cursor = driver(op).cursor()

    def rows() -> Iterator[tuple[int]]:
        for _ in range(2):
            cursor.execute("DELETE FROM study_tag WHERE study_id = 1")
            yield (2,)

    mark = "?" if op.get_bind().dialect.name == "sqlite" else "%s"
    driver(op).cursor().executemany(f"INSERT INTO study_tag VALUES ({mark}, 'new')", rows())


@cases(
    case("by the parameters of executemany", late_parameters, loses={"study_tag": 2}),
)
def test_sees_what_happens_while_another_statement_is_prepared(
    database: Database, engine: EngineName, case: Case
) -> None:
    assert losses(database(engine), case) == case.loses


def function_that_hides_it(op: Operations) -> None:
    def delete() -> None:
        with suppress(Exception):
            driver(op).execute("DELETE FROM study_tag")

    driver(op).create_function("f", 0, delete)
    op.execute("SELECT f()")


@cases(
    case("by a function, which hides the refusal", function_that_hides_it, on=SQLITE),
)
def test_a_statement_inside_another_one_is_refused(database: Database, engine: EngineName, case: Case) -> None:
    assert_not_allowed("inside another one", database(engine), *case.steps)


def test_an_attached_file_is_read_and_not_written_to(database: Database, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("CREATE TABLE tag (label); INSERT INTO tag VALUES ('imported')")
    attach = f"ATTACH '{other}' AS other"
    imports = "INSERT INTO study_tag SELECT 1, label FROM other.tag"

    assert losses(database("sqlite"), Case("", (imports,), {}, (attach,))) == {}
    for writes in ("DELETE FROM other.tag", "DROP TABLE other.tag", "CREATE TABLE other.more (id INTEGER)"):
        assert_not_allowed("attached database other", database("sqlite"), attach, writes)

    missing = tmp_path / "missing.db"
    for attaches in (f"ATTACH '{missing}' AS missing", f"ATTACH 'file:{missing}?mode=rwc' AS missing"):
        assert_not_allowed("there is no such file", database("sqlite"), attaches)
        assert not missing.exists()
    assert losses(database("sqlite"), Case("", ("ATTACH ':memory:' AS m", "ATTACH '' AS t"), {}, ())) == {}


BOUND = ("ATTACH ? AS other", "ATTACH DATABASE :file AS other", "ATTACH ? || '' AS other", "ATTACH ? AS ?")


@pytest.mark.parametrize("statement", BOUND)
def test_a_file_is_seen_that_a_parameter_names(database: Database, tmp_path: Path, statement: str) -> None:
    other, missing = tmp_path / "other.db", tmp_path / "missing.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("CREATE TABLE tag (label); INSERT INTO tag VALUES ('imported')")

    def attach(file: Path) -> Step:
        given = {"file": str(file)} if ":file" in statement else (str(file), "other")[: statement.count("?")]
        return lambda op: driver(op).execute(statement, given)

    imports = "INSERT INTO study_tag SELECT 1, label FROM other.tag"
    assert losses(database("sqlite"), Case("", (attach(other), imports), {}, ())) == {}
    assert_not_allowed("there is no such file", database("sqlite"), attach(missing))
    assert not missing.exists()


def test_an_attached_file_that_nobody_can_name_is_refused(database: Database) -> None:
    assert_not_allowed("does not name", database("sqlite"), "/* import */ ATTACH printf('%s', 'x.db') AS other")


@pytest.mark.parametrize("later", [(), ("SET LOCAL track_counts = on",)])
def test_a_server_that_does_not_count_is_refused(database: Database, later: tuple[str, ...]) -> None:
    """Without track_counts, PostgreSQL would report no deleted rows."""
    assert_not_allowed(
        "track_counts", database("postgresql"), "SET LOCAL track_counts = off", "DELETE FROM study_tag", *later
    )


def test_a_server_that_never_counts_is_refused(database: Database) -> None:
    before = ("SET LOCAL track_counts = off",)

    with pytest.raises(NotAllowed, match="track_counts"):
        losses(database("postgresql"), Case("", ("DELETE FROM study_tag",), {}, before))


def test_a_statement_that_sqlite_does_not_explain_is_refused(database: Database) -> None:
    assert_not_allowed("what this statement writes", database("sqlite"), "; DELETE FROM study_tag")


def creates_what_is_not_there(op: Operations) -> None:
    assert not sa.inspect(op.get_bind()).has_table("report")
    tables = sa.MetaData()
    tables.reflect(op.get_bind())
    sa.Table("report", tables, sa.Column("id", sa.Integer, primary_key=True))
    tables.create_all(op.get_bind())
    assert sa.inspect(op.get_bind()).get_foreign_keys("study_tag")


@cases(case("a table that is not there", creates_what_is_not_there))
def test_a_revision_can_ask_what_is_there(database: Database, engine: EngineName, case: Case) -> None:
    """SQLite does not explain a PRAGMA about temporary tables as long as there are none."""
    assert losses(database(engine), case) == {}


def assert_not_allowed(why: str, url: URL, *steps: Step) -> None:
    """Assert that the steps are refused, and leave nothing behind."""
    with pytest.raises(NotAllowed, match=why):
        losses(url, Case("", steps, {}, ()))
    with moving(url) as connection:
        for table, rows in {"study_tag": 4, "task": 3}.items():
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == rows
