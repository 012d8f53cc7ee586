"""What SQLite keeps as text is read as SQLite reads it."""

from __future__ import annotations

from sqlalchemy import URL

from antarest.migration.inventory import ForeignKey, PrimaryKey, differences
from tests.support_schemas import inventory_of, opened


def test_white_space_quotes_and_case_are_no_difference(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        before = inventory_of(connection, "CREATE TABLE t (a INTEGER CHECK(a>0));\nCREATE INDEX i ON t (a) WHERE a>1")
        after = inventory_of(
            connection,
            'create table "t" (a integer,\n check ( "a" > 0 ));\nCREATE INDEX "i" ON "t" ("a") where "a" > 1',
        )

    assert differences(before, after) == []


def test_each_check_of_a_table_is_found_wherever_it_stands(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection,
            """CREATE TABLE t (a INTEGER CHECK (a > 0) CHECK (a < 9), b VARCHAR(9) CONSTRAINT "CK b" CHECK (
            b <> 'CHECK (x)'), "check" INTEGER, CONSTRAINT both CHECK ((a > 1) AND ("check" > 2)))""",
        )

    assert {(each.name, each.expression) for each in found.tables["t"].checks} == {
        (None, "a > 0"),
        (None, "a < 9"),
        ("CK b", "b <> 'CHECK (x)'"),
        ("both", "(a > 1) and (check > 2)"),
    }


def test_each_foreign_key_of_a_table_is_found_wherever_it_stands(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection,
            """
            CREATE TABLE p (b INTEGER, a INTEGER, CONSTRAINT "PK p" PRIMARY KEY (a, b));
            CREATE TABLE "Other" (id INTEGER PRIMARY KEY, "references" INTEGER);
            CREATE TABLE t (
                One INTEGER REFERENCES "Other" ON DELETE CASCADE CHECK (one <> 'REFERENCES p'),
                two INTEGER CONSTRAINT second REFERENCES "Other" (id) ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED
                    CONSTRAINT again REFERENCES gone (x) NOT DEFERRABLE,
                "Two b" INTEGER, three INTEGER REFERENCES missing,
                "foreign" INTEGER REFERENCES p (a) DEFERRABLE,
                CONSTRAINT "FK both" FOREIGN KEY ("Two b", two) REFERENCES p DEFERRABLE INITIALLY IMMEDIATE,
                foreign key (one) references other (id) on delete restrict
            )
            """,
        )

    assert found.tables["p"].primary_key == PrimaryKey(("a", "b"), "PK p")
    assert {*found.tables["t"].foreign_keys} == {
        ForeignKey(("One",), "Other", ("id",), on_delete="CASCADE"),
        ForeignKey(("two",), "Other", ("id",), "second", on_update="SET NULL", options="DEFERRABLE INITIALLY DEFERRED"),
        ForeignKey(("two",), "gone", ("x",), "again"),
        ForeignKey(("three",), "missing", ()),
        ForeignKey(("foreign",), "p", ("a",), options="DEFERRABLE"),
        ForeignKey(("Two b", "two"), "p", ("a", "b"), "FK both", options="DEFERRABLE"),
        ForeignKey(("One",), "other", ("id",), on_delete="RESTRICT"),
    }
