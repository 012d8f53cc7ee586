"""The comparison reports each difference between SQLite and PostgreSQL, and nothing if they have the same schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Connection
from sqlalchemy.dialects import postgresql

from antarest.migration.schema.compare import differences
from antarest.migration.schema.expression import canonical
from antarest.migration.schema.parity import parity
from antarest.migration.schema.reflection import reflect
from tests.support.data.schemas import MODELS, opened, run

_DONE = {  # the same element of JSON
    "sqlite": ("JSON", 'coalesce(CAST(JSON_EXTRACT(content, \'$."is"."done"\') AS BOOLEAN), 0)', "VIRTUAL"),
    "postgresql": ("JSONB", "coalesce((content #>> '{is,done}')::boolean, false)", "STORED"),
}


@pytest.fixture
def both(sqlite_database: URL, postgres_database: URL) -> Iterator[tuple[Connection, Connection]]:
    """The models, with their tables on both engines."""
    with opened(sqlite_database) as sqlite, opened(postgres_database) as postgresql:
        for connection in (sqlite, postgresql):
            MODELS.create_all(connection)
            connection.commit()
        yield sqlite, postgresql


def test_the_same_models_have_parity(both: tuple[Connection, Connection]) -> None:
    sqlite, postgresql = both

    assert [str(each) for each in parity(reflect(sqlite), reflect(postgresql))] == []


def test_names_that_need_quotes_have_parity(sqlite_database: URL, postgres_database: URL) -> None:
    models = sa.MetaData()
    kind = sa.Enum("A", "B's", name="kind", create_constraint=True)
    is_set = sa.Boolean(create_constraint=True, name="is_set")
    id_ = sa.Column("id", sa.Integer, primary_key=True)
    sa.Table("Order", models, id_, sa.Column("Kind", kind), sa.Column("größe", kind), sa.Column("Group", is_set))
    found = []
    for url in (sqlite_database, postgres_database):
        with opened(url) as connection:
            models.create_all(connection)
            found.append(reflect(connection))

    assert [str(each) for each in parity(*found)] == []


def test_json_and_conditions_of_indexes_have_parity(sqlite_database: URL, postgres_database: URL) -> None:
    models = sa.MetaData()
    id_ = sa.Column("id", sa.Integer, primary_key=True)
    content = sa.Column("content", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"))
    default = sa.Column("wanted", content.type, server_default='{"longer": {}, "z": {}}')
    thing = sa.Table("thing", models, id_, content, default, sa.Column("gone", sa.Boolean))
    user = thing.c.content[["user", "id"]].as_string()
    sa.Index("ix_user", user, sqlite_where=user.is_not(None), postgresql_where=user.is_not(None))
    sa.Index("ix_here", thing.c.id, sqlite_where=sa.text("gone = 0"), postgresql_where=sa.text("gone IS FALSE"))
    sa.Index("ix_left", thing.c.id, sqlite_where=sa.text("gone = 0"), postgresql_where=sa.text("NOT gone"))
    sa.Index("ix_gone", thing.c.id, sqlite_where=sa.text("gone = 1"), postgresql_where=sa.text("gone"))
    found = []
    for url in (sqlite_database, postgres_database):
        with opened(url) as connection:
            models.create_all(connection)
            kind, text, stored = _DONE[connection.dialect.name]
            run(connection, f"CREATE TABLE made (content {kind}, done BOOLEAN GENERATED ALWAYS AS ({text}) {stored})")
            found.append(reflect(connection))

    assert [str(each) for each in parity(*found)] == []


def test_the_models_created_twice_have_no_drift(both: tuple[Connection, Connection]) -> None:
    for connection in both:
        before = reflect(connection)
        MODELS.drop_all(connection)
        MODELS.create_all(connection)

        assert [str(each) for each in differences(before, reflect(connection))] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ALTER TABLE job ALTER name TYPE VARCHAR(40)", "job.name: type: VARCHAR(36) -> VARCHAR(40)"),
        ("ALTER TABLE job ALTER count TYPE BIGINT", "job.count: type: INTEGER -> BIGINT"),
        ("ALTER TABLE job ALTER at TYPE TIMESTAMPTZ", "job.at: type: DATETIME -> TIMESTAMP WITH TIME ZONE"),
        ("ALTER TABLE job ALTER amount TYPE NUMERIC(9, 2)", "job.amount: type: NUMERIC(10,2) -> NUMERIC(9,2)"),
        ("ALTER TABLE job ALTER ratio SET NOT NULL", "job.ratio: nullable: True -> False"),
        ("ALTER TABLE job ALTER done SET DEFAULT true", "job.done: default: false -> true"),
        ("ALTER TABLE job ALTER name DROP DEFAULT", "job.name: default: it's -> none"),
        ("ALTER TABLE job ALTER name SET DEFAULT 'its'", "job.name: default: it's -> its"),
        ("ALTER TABLE job ALTER count SET DEFAULT -2", "job.count: default: -1 -> -2"),
        ("ALTER TABLE job DROP COLUMN day", "job.day: only in SQLite"),
        ("ALTER TABLE job ADD COLUMN week INTEGER", "job.week: only in PostgreSQL"),
        ("ALTER TYPE kind ADD VALUE 'NEW'", "job.kind: type: ENUM(O'K, RAW, VARIANT) -> ENUM(NEW, O'K, RAW, VARIANT)"),
        ("ALTER TABLE job DROP CONSTRAINT ck_job_soft", "job.soft: type: ENUM(A, B) -> VARCHAR(1)"),
        ("ALTER TABLE job DROP CONSTRAINT ck_job_range", "check job.((count >= -1) and ((ratio < 3) or (not done)))"),
        ("ALTER TABLE log DROP CONSTRAINT fk_log_job_id_job", "foreign key log(job_id): only in SQLite"),
        (
            (
                "ALTER TABLE log DROP CONSTRAINT fk_log_job_id_job,"
                " ADD CONSTRAINT fk_log_job_id_job FOREIGN KEY (job_id) REFERENCES job ON UPDATE CASCADE"
            ),
            "foreign key log(job_id): on delete: SET NULL -> NO ACTION",
        ),
        ("ALTER TABLE job RENAME CONSTRAINT uq_job_name TO u", "unique job(name): name: uq_job_name -> u"),
        ("ALTER TABLE job DROP CONSTRAINT uq_job_name", "unique job(name): only in SQLite"),
        ("ALTER TABLE child DROP CONSTRAINT pk_child", "primary key child: only in SQLite"),
        ("DROP INDEX ix_job_at", "index ix_job_at: only in SQLite"),
        ("DROP INDEX ix_job_at;\nCREATE INDEX ix_job_at ON job (at)", "index ix_job_at: keys: at desc -> at"),
        (
            "DROP INDEX ix_job_lower;\nCREATE INDEX ix_job_lower ON job (lower(name))",
            "index ix_job_lower: unique: True -> False",
        ),
        (
            "DROP INDEX ix_log_job_id;\nCREATE INDEX ix_log_job_id ON log (job_id) WHERE id > 1",
            "index ix_log_job_id: where: none -> (id > 1)",
        ),
        ("CREATE VIEW v AS SELECT 1 AS one", "view v: only in PostgreSQL"),
        ("DROP TABLE log", "table log: only in SQLite"),
        ("CREATE TABLE more (id INTEGER)", "table more: only in PostgreSQL"),
    ],
)
def test_a_lack_of_parity_is_found(both: tuple[Connection, Connection], change: str, expected: str) -> None:
    sqlite, postgresql = both
    run(postgresql, change)

    found = [each.render("SQLite", "PostgreSQL") for each in parity(reflect(sqlite), reflect(postgresql))]

    assert len(found) == 1
    assert found[0].startswith(expected)


def test_an_id_that_sqlite_does_not_generate_breaks_parity(sqlite_database: URL, postgres_database: URL) -> None:
    with opened(sqlite_database) as sqlite, opened(postgres_database) as postgresql:
        run(sqlite, "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY)")
        run(postgresql, "CREATE TABLE t (id BIGSERIAL PRIMARY KEY)")

        assert [str(each) for each in parity(reflect(sqlite), reflect(postgresql))] == [
            "t.id: default: none -> generated"
        ]


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("kind IN ('A','B, C')", "((kind)::text = ANY ((ARRAY['A'::character varying, 'B, C'::text])::text[]))"),
        ("k NOT IN ('a', 'b')", "((k)::text <> ALL (ARRAY['a'::text, 'b'::text]))"),
        ("k in ('a')", "((k)::text = 'a'::text)"),
        ("a > 0 and (b < 3 or c IS NOT NULL)", "((a > 0) AND ((b < 3) OR (c IS NOT NULL)))"),
        ("x BETWEEN 1 AND 5 AND y=1", "((x >= 1) AND (x <= 5) AND (y = 1))"),
        ("name LIKE 'a%' OR NOT ok", "(((name)::text ~~ 'a%'::text) OR (NOT ok))"),
        ('"archived" = 0', "(archived = false)"),
        ("x != -1", "(x <> '-1'::integer)"),
        ("length(x) = 36", "(length((x)::text) = 36)"),
        ("at > '2000-01-01'", "(at > '2000-01-01'::timestamp without time zone)"),
    ],
)
def test_an_expression_has_one_spelling_on_both_engines(typed: str, printed: str) -> None:
    assert canonical(typed) == canonical(printed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a AND (b OR c)", "(a AND b) OR c"),
        ("a IN ('x', 'y')", "a IN ('x, y')"),
        ("a = 'X'", "a = 'x'"),
        ("a - 1", "a -> 1"),
    ],
)
def test_expressions_that_differ_have_two_spellings(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)
