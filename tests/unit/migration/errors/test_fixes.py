"""The lines to write into a revision that a database has refused, and the objects that a server lacks."""

from __future__ import annotations

import pytest

from antarest.migration.errors.facts.fixes import SERVER, fixes_of, missing_extension
from antarest.migration.errors.facts.run import ModelsNotMade, ScratchRunFailed
from antarest.migration.scratch.databases import NoPostgres

LACKING = {
    'extension "postgis" is not available': ("postgis", True),
    'could not open extension control file "/usr/share/postgresql/15/extension/vector.control": No such file': (
        "vector",
        True,
    ),
    'type "citext" does not exist': ("citext", False),
    'type "public.hstore" does not exist': ("hstore", False),
    "function uuid_generate_v4() does not exist": ("uuid-ossp", False),
    'operator class "gin_trgm_ops" does not exist for access method "gin"': ("pg_trgm", False),
    'type "mood" does not exist': ("", False),
    "syntax error at end of input": ("", False),
}


@pytest.mark.parametrize(("reason", "found"), LACKING.items(), ids=LACKING)
def test_the_extension_that_is_missing_is_named(reason: str, found: tuple[str, bool]) -> None:
    assert missing_extension(reason) == found
    fixes = [hint for hint in fixes_of("a1", reason) if hint.command == SERVER or "CREATE EXTENSION" in hint.command]
    assert len(fixes) == bool(found[0])
    assert all(found[0] in hint.text for hint in fixes)


def test_a_project_for_sqlite_is_suggested_only_where_no_server_was_found() -> None:
    failed = ScratchRunFailed("a1", "upgrade", 'extension "postgis" is not available', "PostgreSQL")

    refused = NoPostgres({"embedded": failed.message}, failed)

    assert refused.message == "no PostgreSQL for scratch databases has the extension postgis"
    assert [hint.command for hint in refused.hints] == [SERVER]
    assert "engines = sqlite" in [hint.command for hint in NoPostgres({"embedded": "not installed"}).hints]


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("table _alembic_tmp_river already exists", 'sqlite3 FILE \'SELECT count(*) FROM "river"; SELECT count(*)'),
        ("table _alembic_tmp_river already exists", "sqlite3 FILE 'DROP TABLE \"_alembic_tmp_river\"'"),
        ("Constraint must have a name", "op.batch_alter_table(..., naming_convention="),
        ("No such constraint: 'fk_river_lake_id'", "op.batch_alter_table(..., naming_convention="),
        ('column "a" is of type boolean but default expression is of type integer', "sa.true(), sa.false()"),
        ('column "a" is of type boolean but expression is of type integer', "sa.true(), sa.false()"),
        ("Cannot add a NOT NULL column with default value NULL", "op.add_column(..., sa.Column(..., server_default="),
        ("operator does not exist: boolean = integer", "sa.true(), sa.false()"),
        (
            "NOT NULL constraint failed: _alembic_tmp_river.name",
            'op.add_column("river", sa.Column("name", ..., server_default=',
        ),
        (
            "NOT NULL constraint failed: _alembic_tmp_river.name",
            """op.execute('UPDATE "river" SET "name" = ... WHERE "name" IS NULL')""",
        ),
        (
            'column "name" of relation "river" contains null values',
            """op.execute('UPDATE "river" SET "name" = ... WHERE "name" IS NULL')""",
        ),
    ],
)
def test_the_fix_for_a_statement_is_named(reason: str, fix: str) -> None:
    assert [hint.command for hint in fixes_of("a1", reason) if hint.command.startswith(fix)]


def test_a_row_that_a_revision_inserts_without_a_value_has_no_such_fix() -> None:
    assert list(fixes_of("a1", "NOT NULL constraint failed: river.name")) == []


def test_a_model_with_a_number_for_a_boolean_is_told_what_to_write() -> None:
    refused = ModelsNotMade(
        "PostgreSQL", "column ... is of type boolean but default expression is of type integer", "m"
    )

    assert refused.hints[0].command == "sa.true(), sa.false()"


def test_a_new_label_is_added_in_an_earlier_revision() -> None:
    """In the same revision, `transaction = "own"` would not help."""
    (hint,) = fixes_of("a1", 'unsafe use of new value "c" of enum type kind')

    assert "in an earlier revision" in hint.text
