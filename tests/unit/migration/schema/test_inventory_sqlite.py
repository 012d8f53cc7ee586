"""The text that SQLite keeps is parsed as SQLite itself parses it."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import CheckConstraint, ForeignKey, PrimaryKey, Unique
from antarest.migration.schema.reflection import reflect
from tests.support.data.schemas import inventory_of, opened


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


X = "CREATE TABLE x (id INTEGER PRIMARY KEY, y INT UNIQUE)"
LATE = "DEFERRABLE INITIALLY DEFERRED"


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        (f"a INT, CONSTRAINT fk FOREIGN KEY ([a]) REFERENCES x(y) {LATE}", [("a", "fk", LATE)]),
        (f"a INT, CONSTRAINT FK_A FOREIGN KEY (a) REFERENCES x(id) {LATE}", [("a", "FK_A", LATE)]),
        (f'a INT, CONSTRAINT "foreign" FOREIGN KEY (a) REFERENCES x(id) {LATE}', [("a", "foreign", LATE)]),
        (
            f"a INT, b INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES x CONSTRAINT g FOREIGN KEY (b) REFERENCES x {LATE}",
            [("a", "f", ""), ("b", "g", LATE)],
        ),
        (f'"foreign" INT CHECK ("foreign" > 0) REFERENCES x(id) {LATE}', [("foreign", None, LATE)]),
        ('a INT REFERENCES x(id) DEFAULT "deferrable"', [("a", None, "")]),
        (f'a INT DEFAULT "references" REFERENCES x(id) {LATE}', [("a", None, LATE)]),
        (
            "[references] INT CONSTRAINT k REFERENCES x, b INT CONSTRAINT l REFERENCES x",
            [("b", "l", ""), ("references", "k", "")],
        ),
        (f'"constraint" INT REFERENCES x(id) {LATE}', [("constraint", None, LATE)]),
        (
            "a VARCHAR(9) REFERENCES x(id), b INT CHECK (b IN (1, 2)) CONSTRAINT `k` REFERENCES x",
            [("a", None, ""), ("b", "k", "")],
        ),
        (f'a INT CHECK (a <> "references"), b INT REFERENCES "references" (id) {LATE}', [("b", None, LATE)]),
    ],
    ids=str,
)
def test_a_name_in_quotes_is_no_word_of_sql(
    sqlite_database: URL, columns: str, keys: list[tuple[str, str | None, str]]
) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(connection, f"{X};\nCREATE TABLE t ({columns})")

    assert [(*key.columns, key.name, key.options) for key in found.tables["t"].foreign_keys] == keys


def test_the_order_of_the_columns_of_a_foreign_key_is_no_difference(sqlite_database: URL) -> None:
    one, other = "(a, b) REFERENCES t (c, d)", "(b, a) REFERENCES t (d, c)"
    with opened(sqlite_database) as connection:
        before, after = (
            inventory_of(connection, f"CREATE TABLE t (a INT, b INT, c INT, d INT, FOREIGN KEY {key})")
            for key in (one, other)
        )

    assert differences(before, after) == []


def test_names_of_constraints_are_as_they_are_written(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection,
            """CREATE TABLE t (
                "primary" key, Ab INT, "É" TEXT COLLATE NOCASE, "é" TEXT, CONSTRAINT PK_T PRIMARY KEY (ab),
                CONSTRAINT 'UQ t' UNIQUE ("É", AB) ON CONFLICT IGNORE, CONSTRAINT CK_T CHECK (ab > 0)
            )""",
        ).tables["t"]

    assert found.primary_key == PrimaryKey(("Ab",), "PK_T")
    assert found.uniques == (Unique(("É", "Ab"), "UQ t", "ON CONFLICT IGNORE"),)
    assert found.checks == (CheckConstraint("ab > 0", "CK_T"),)
    assert [column.collation for column in found.columns] == [None, None, "NOCASE", None]


def test_a_name_in_backticks_may_have_one_in_it(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection, "CREATE TABLE t (`a``b` TEXT COLLATE NOCASE CHECK (`a``b` > 0), c TEXT)"
        ).tables["t"]

    assert [(column.name, column.collation) for column in found.columns] == [("a`b", "NOCASE"), ("c", None)]
    assert found.checks == (CheckConstraint('"a`b" > 0', None),)


def test_a_name_in_brackets_may_have_anything_in_it(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection,
            """
            CREATE TABLE [2020--2021] (
                id INTEGER, [it's] TEXT COLLATE NOCASE, [a"b] INT CONSTRAINT [the check] CHECK ([a"b] > 0)
            );
            CREATE TABLE t (a TEXT DEFAULT '[no name] -- and no comment', b TEXT /* [ */ COLLATE NOCASE);
            CREATE VIRTUAL TABLE [v's] USING fts5(a, b, tokenize = 'porter');
            CREATE INDEX i ON t ([b] DESC)
            """,
        )

    years, table = found.tables["2020--2021"], found.tables["t"]
    assert [column.collation for column in years.columns] == [None, "NOCASE", None]
    assert [check.name for check in years.checks] == ["the check"]
    assert [(column.default, column.collation) for column in table.columns] == [
        ("'[no name] -- and no comment'", None),
        (None, "NOCASE"),
    ]
    assert [index.keys for index in table.indexes] == [("b desc",)]
    assert found.tables["v's"].options == "using fts5(a, b, tokenize = 'porter')"


def test_what_stands_in_parentheses_is_not_about_the_column(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(
            connection,
            """CREATE TABLE t (
                a TEXT CHECK (a COLLATE nocase <> 'x'), b TEXT COLLATE "rtrim" DEFAULT (1), "collate" TEXT,
                PRIMARY KEY (a COLLATE nocase, "collate")
            )""",
        ).tables["t"]

    assert [column.collation for column in found.columns] == [None, "RTRIM", None]


def test_a_temporary_table_of_the_same_name_hides_nothing(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        before = inventory_of(connection, "CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL UNIQUE REFERENCES t (a))")
        connection.exec_driver_sql("CREATE TEMP TABLE t (x TEXT)")

        assert reflect(connection) == before


def test_the_hidden_columns_of_a_virtual_table_are_not_shown(sqlite_database: URL) -> None:
    with opened(sqlite_database) as connection:
        found = inventory_of(connection, "CREATE VIRTUAL TABLE f USING fts5(a, b)")

    assert [column.name for column in found.tables["f"].columns] == ["a", "b"]
