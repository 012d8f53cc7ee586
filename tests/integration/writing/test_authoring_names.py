"""Revisions with names and options that Alembic or SQLAlchemy does not read from PostgreSQL, or writes wrongly."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from antarest.migration.branches import snapshots
from antarest.migration.commands.rendering import results
from antarest.migration.errors.facts.run import ScratchRunFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.schema.compare import differences
from antarest.migration.schema.reflection import reflect
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.author import Author
from tests.support.projects.histories import Script, write_script


@pytest.fixture
def author(author: Author) -> Author:
    author.settings("engines = postgresql")
    return author


MADE = Script(
    "made",
    upgrade="""
        sql('CREATE SCHEMA "my.schema"')
        columns = [sa.Column(name, sa.Integer) for name in ("n", "old")]
        op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), *columns, schema="my.schema")
    """,
    downgrade="""
        op.drop_table("t", schema="my.schema")
        sql('DROP SCHEMA "my.schema"')
    """,
    lossy={"downgrade": {"my.schema.t": "made here"}},
)
DOTTED = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.BigInteger),
    sa.Column("new", sa.Text, unique=True), schema="my.schema", comment="of a schema with a dot")
sa.Table("other", metadata, sa.Column("t", sa.ForeignKey("my.schema.t.id", name="other_t"), primary_key=True))
"""


def test_the_name_of_a_schema_with_a_dot_is_quoted_as_one_name(author: Author, on_postgresql: DbConfig) -> None:
    """Without care, Alembic quotes each part between the dots: ALTER TABLE my.schema.t."""
    author.write(MADE)
    author.models(DOTTED)

    written = author.revise(on_postgresql)

    assert (written.by_hand, author.findings(on_postgresql)) == ((), [])
    file = written.path
    assert file
    file.write_text(file.read_text().replace("'downgrade'", "'upgrade': {'my.schema.t.old': 'why'}, 'downgrade'"))
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade("made")
    with create_engine(on_postgresql.migration_url).begin() as connection:
        connection.execute(text("""INSERT INTO "my.schema".t VALUES (1, 2, 3)"""))
    assert [each.item for each in workflow.upgrade().losses] == ["my.schema.t.old"]
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))


MOOD = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("m", sa.Enum({}, name="mood")))
"""


def test_a_label_with_another_name_is_listed_with_the_statement_that_renames_it(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.models(MOOD.format("'it\\'s good', 'bad'"))
    first = author.revise(on_postgresql).path
    assert first
    MigrationWorkflow(author.project, on_postgresql).upgrade()
    engine = create_engine(on_postgresql.migration_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1, 'it''s good')"))
    author.models(MOOD.format("'fine', 'bad'"))

    (line,) = author.revise(on_postgresql).by_hand

    assert author.findings(on_postgresql) != []
    statement = line.partition("if this is a rename: ")[2].removesuffix(")")
    script = Script("second", f"sql({statement!r})", "pass")
    write_script(author.project.versions[0], script, author.project.history.head)
    assert author.findings(on_postgresql) == []
    MigrationWorkflow(author.project, on_postgresql).upgrade()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT m FROM t")).scalar() == "fine"


@pytest.mark.parametrize("labels", ["'bad', 'good'", "'good', 'bad', 'more'", "'one', 'two'"])
def test_other_changes_of_labels_are_no_rename(author: Author, on_postgresql: DbConfig, labels: str) -> None:
    author.models(MOOD.format("'good', 'bad'"))
    author.revise(on_postgresql)
    author.models(MOOD.format(labels))

    assert "rename" not in "".join(author.revise(on_postgresql).by_hand)


def test_models_that_were_perhaps_not_imported_are_named_before_their_tables_are_dropped(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.models("for name in 'abc': sa.Table(name, metadata, sa.Column('id', sa.Integer, primary_key=True))")
    author.revise(on_postgresql)
    author.models("sa.Table('a', metadata, sa.Column('id', sa.Integer, primary_key=True))")

    written = author.revise(on_postgresql)

    assert written.unmodelled == 2
    assert "careful        2 tables without a model. Perhaps the models" in results.written(written, None)


EXPECTED = Script(
    "expected",
    upgrade='op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), schema="one")',
    downgrade='op.drop_table("t", schema="one")',
    lossy={"downgrade": {"one.t": "made here"}},
)


@pytest.mark.usefixtures("scratch_here")
def test_a_schema_that_only_the_models_name_is_expected_where_no_database_can_be_asked(
    author: Author, on_postgresql: DbConfig
) -> None:
    """A build server has no database, and an administrator has created the schema in other databases."""
    nowhere = DbConfig(on_postgresql.migration_url.set(port=1))
    author.write(EXPECTED)
    author.models("sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), schema='one')")
    told: list[str] = []

    assert author.findings(nowhere) == []
    path = snapshots.write(author.project, "postgresql", told.append)

    assert told == ["schema one: no revision creates it, so it is assumed"]
    assert path
    with create_engine(on_postgresql.migration_url).begin() as connection:
        connection.execute(text("CREATE SCHEMA one"))
    assert MigrationWorkflow(author.project, on_postgresql).upgrade().after == ("expected",)
    author.write(replace(EXPECTED, upgrade=EXPECTED.upgrade.replace('"one"', '"two"')))
    with pytest.raises(ScratchRunFailed):
        author.findings(nowhere)


DEFERRED = Script(
    "deferred",
    upgrade="""
        op.create_table("t", sa.Column("a", sa.Integer), sa.Column("b", sa.Integer),
            sa.UniqueConstraint("a", name="t_a", deferrable=True, initially="DEFERRED"),
            sa.UniqueConstraint("b", name="t_b", deferrable=True))
        op.create_table("gone", sa.Column("a", sa.Integer), sa.UniqueConstraint("a", name="gone_a", deferrable=True))
    """,
)


def test_a_dropped_key_comes_back_deferrable(author: Author, on_postgresql: DbConfig) -> None:
    """SQLAlchemy does not read whether a key is deferrable. So the downgrade created a key that is checked at once."""
    author.write(DEFERRED)
    author.models("sa.Table('t', metadata, sa.Column('a', sa.Integer), sa.Column('b', sa.Integer))")
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    with create_engine(on_postgresql.migration_url).connect() as connection:
        before = reflect(connection)

    assert author.revise(on_postgresql).by_hand == ()

    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
    with create_engine(on_postgresql.migration_url).connect() as connection:
        assert differences(before, reflect(connection)) == []
