"""Revisions and checks of projects with objects that only PostgreSQL has."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from antarest.migration.branches.writing import Written
from antarest.migration.errors.facts.run import RevisionUnfinished, ScratchRunFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.author import Author
from tests.support.projects.histories import Script


@pytest.fixture
def author(author: Author) -> Author:
    author.settings("engines = postgresql")
    return author


PARTITIONS = Script(
    "event",
    upgrade="""
        sql(
            "CREATE TABLE event (id INTEGER, at DATE, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
            "CREATE TABLE e25 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO (MAXVALUE) PARTITION BY LIST (id)",
            "CREATE TABLE e25_one PARTITION OF e25 FOR VALUES IN (1)",
            "CREATE UNLOGGED TABLE e25_rest PARTITION OF e25 DEFAULT",
            "CREATE TABLE rest PARTITION OF event DEFAULT PARTITION BY HASH (id)",
        )
    """,
)
EVENT = """
sa.Table("event", metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Date, primary_key=True), postgresql_partition_by="RANGE (at)")
"""


def test_partitions_of_partitions_are_left_to_the_migrations(author: Author, on_postgresql: DbConfig) -> None:
    author.write(PARTITIONS)
    author.models(EVENT)

    assert author.findings(on_postgresql) == []
    assert author.revise(on_postgresql) == Written(None)


OF_NO_TYPE_OF_SQLALCHEMY = """
class Named(sa.types.UserDefinedType):
    cache_ok = True
    def __init__(self, name): self.name = name
    def get_col_spec(self, **kw): return self.name
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", Named("{}")),
    sa.Column("b", postgresql.ARRAY(Named("point"))))
"""


@pytest.mark.filterwarnings("error")
def test_types_that_sqlalchemy_does_not_know_are_compared(author: Author, on_postgresql: DbConfig) -> None:
    author.models(OF_NO_TYPE_OF_SQLALCHEMY.format("point"))
    author.revise(on_postgresql)
    assert author.findings(on_postgresql) == []

    author.models(OF_NO_TYPE_OF_SQLALCHEMY.format("xml"))

    assert author.findings(on_postgresql) == ["postgresql: t.a: type: point -> xml"]


IN_SCHEMAS = """
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), schema="one")
sa.Table("b", metadata, sa.Column("a", sa.ForeignKey("one.a.id", name="b_a"), primary_key=True), schema="Two")
"""


def test_a_schema_that_the_administrator_has_created_is_there_in_scratch_databases(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.models(IN_SCHEMAS)
    with pytest.raises(RevisionUnfinished) as failed:
        author.revise(on_postgresql)
    assert failed.value.hints[0].command in {f"""op.execute('CREATE SCHEMA "{name}"')""" for name in ("one", "Two")}
    failed.value.path.unlink()
    with create_engine(on_postgresql.migration_url).begin() as connection:
        connection.execute(text('CREATE SCHEMA one; CREATE SCHEMA "Two"'))

    assert author.revise(on_postgresql).by_hand == ()

    assert author.findings(on_postgresql) == []
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    assert workflow.plan_rollback().unknown == ""
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))


PERCENT_SIGNS = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a", sa.Text, server_default="5%", comment="in %"),
    sa.Column("b", sa.Text, sa.Computed("a || '%' || a", persisted=True)), sa.Column("r", postgresql.INT4RANGE),
    sa.CheckConstraint("a LIKE '%a%%'", name="t_a"),
    postgresql.ExcludeConstraint(("r", "&&"), name="t_r", where=sa.text("a LIKE 'x%'")),
    sa.Index("t_part", "a", postgresql_where=sa.text("a LIKE 'x%'")), sa.Index("t_key", sa.text("(a || '%')")))
"""


def test_percent_signs_are_written_once(author: Author, on_postgresql: DbConfig) -> None:
    author.models(PERCENT_SIGNS)

    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []


GENERATED = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True), sa.Column("a", sa.{}),
    sa.Column("b", sa.Integer, sa.Computed("id * 2", persisted=True)){})
"""


def test_a_table_with_a_generated_column_is_changed(author: Author, on_postgresql: DbConfig) -> None:
    author.models(GENERATED.format("Integer", ""))
    author.revise(on_postgresql)
    more = (
        ', sa.Column("c", sa.Integer, sa.Computed("id + 1", persisted=True)), sa.Column("d", sa.Integer, sa.Identity())'
    )
    author.models(GENERATED.format("BigInteger", more))

    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []


def test_the_change_of_a_key_gives_no_warning_about_another_engine(author: Author, on_postgresql: DbConfig) -> None:
    models = 'sa.Table("t", metadata, sa.Column("id", sa.{}, primary_key=True))'
    author.models(models.format("Integer"))
    author.revise(on_postgresql)
    author.models(models.format("BigInteger"))

    written = author.revise(on_postgresql)

    assert written.path
    assert "autoincrement" not in written.path.read_text()
    assert written.by_hand[0] == "sequence t_id_seq: type: integer -> bigint"


USED = Script(
    "used",
    upgrade="""
        sql(
            "CREATE TABLE t (id SERIAL PRIMARY KEY, a INTEGER)",
            "CREATE MATERIALIZED VIEW \\"My view\\" AS SELECT a, 'x  y'::TEXT AS x FROM t",
            "CREATE UNIQUE INDEX one ON \\"My view\\" (a)",
            "GRANT SELECT ON \\"My view\\" TO PUBLIC",
            "CREATE POLICY seen ON t AS RESTRICTIVE FOR UPDATE USING (a > 0) WITH CHECK (a > 1)",
        )
    """,
)


FACTS = """
    SELECT pg_get_viewdef('"My view"'), pg_get_indexdef('one'::regclass),
        has_table_privilege('pg_monitor', '"My view"', 'SELECT'),
        (SELECT array[permissive, cmd, roles::text, qual, with_check] FROM pg_policies WHERE policyname = 'seen')
"""


def finish(path: Path, drop: str, make: str) -> None:
    """Write a line before the change of a revision file, and a line after it."""
    lines = path.read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if "op.alter_column" in line)
    end = next(end for end in range(at, len(lines)) if not lines[end].strip())
    path.write_text("\n".join([*lines[:at], f"    {drop}", *lines[at:end], f"    {make}", *lines[end:]]))


def test_what_is_in_the_way_is_created_again_as_it_was(author: Author, on_postgresql: DbConfig) -> None:
    author.write(USED)
    author.models(
        'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.BigInteger))'
    )
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    engine = create_engine(on_postgresql.migration_url)
    with engine.connect() as connection:
        before = connection.execute(text(FACTS)).one()

    with pytest.raises(RevisionUnfinished) as unfinished:
        author.revise(on_postgresql)
    path = unfinished.value.path
    finish(path, *(hint.command for hint in unfinished.value.hints[:2]))
    with pytest.raises(ScratchRunFailed) as failed:
        author.findings(on_postgresql)
    finish(path, *(hint.command for hint in failed.value.hints[:2]))

    assert author.findings(on_postgresql) == []
    MigrationWorkflow(author.project, on_postgresql).upgrade()
    with engine.connect() as connection:
        assert connection.execute(text(FACTS)).one() == before


CIRCLE = """
sa.Table("team", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lead", sa.Integer, sa.ForeignKey("person.id", name="fk_lead")))
sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("team", sa.Integer, sa.ForeignKey("team.id", name="fk_team")))
"""


@pytest.mark.filterwarnings("error")
def test_tables_that_refer_to_each_other_give_no_warning(author: Author, on_postgresql: DbConfig) -> None:
    author.models(CIRCLE)

    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []


DOMAINS = (
    'sa.Column("a", postgresql.DOMAIN("posint", sa.Integer, check="VALUE > 0"))',
    'sa.Column("b", postgresql.DOMAIN("posint", sa.Integer, check="VALUE > 0"))',
    'sa.Column("c", postgresql.DOMAIN("email", sa.Text, not_null=False))',
)


def test_a_revision_makes_and_drops_the_domains_of_its_columns(author: Author, on_postgresql: DbConfig) -> None:
    table = 'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), {})\n'
    other = 'sa.Table("u", metadata, sa.Column("id", sa.Integer, primary_key=True), {})\n'
    for models in (
        table.format(DOMAINS[0]),
        table.format(", ".join(DOMAINS)) + other.format(DOMAINS[0]),
        table.format('sa.Column("n", sa.Integer)'),
    ):
        author.models(models)

        assert author.revise(on_postgresql).by_hand == ()
        assert author.findings(on_postgresql) == []
        workflow = MigrationWorkflow(author.project, on_postgresql)
        workflow.upgrade()
        workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
        workflow.upgrade()


BY_HAND = Script("mood", upgrade="""sql("CREATE TYPE mood AS ENUM ('a', 'b')", "CREATE TABLE t (m mood)")""")
MADE_BY_HAND = """
E = postgresql.ENUM("a", "b", name="mood", create_type=False)
sa.Table("t", metadata, sa.Column("m", E){})
"""


def test_an_enum_type_that_a_revision_creates_by_hand_is_left_alone(author: Author, on_postgresql: DbConfig) -> None:
    author.write(BY_HAND)
    author.models(MADE_BY_HAND.format(""))
    assert author.findings(on_postgresql) == []
    author.models(
        MADE_BY_HAND.format(', sa.Column("n", postgresql.ARRAY(E))') + 'sa.Table("u", metadata, sa.Column("m", E))'
    )

    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
    workflow.upgrade()


SERIAL = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, {}primary_key=True), sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer, sa.Computed("a * {}", persisted=True)))
"""


@pytest.mark.filterwarnings("error")
def test_a_serial_column_that_becomes_an_identity_comes_with_the_lines_to_write(
    author: Author, on_postgresql: DbConfig
) -> None:
    """Alembic would add the identity to the column, which PostgreSQL refuses. It cannot write the computed column."""
    author.models(SERIAL.format("", 2))
    author.revise(on_postgresql)
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    with create_engine(on_postgresql.migration_url).begin() as connection:
        connection.execute(text("INSERT INTO t (a) VALUES (7), (8)"))
    author.models(SERIAL.format("sa.Identity(), ", 3))
    with pytest.raises(RevisionUnfinished, match="already has a default value") as failed:
        author.revise(on_postgresql)

    drop, count = (hint.command for hint in failed.value.hints[:2])
    lines = failed.value.path.read_text().split("    # ### ")
    lines[1] = lines[1].replace("    op.alter_column", f"    {drop}\n    op.alter_column") + f"    {count}\n"
    failed.value.path.write_text("    # ### ".join(lines))

    assert author.findings(on_postgresql) == ["postgresql: t.b: computed: (a * 2) stored -> (a * 3) stored"]
    MigrationWorkflow(author.project, on_postgresql).upgrade()
    with create_engine(on_postgresql.migration_url).begin() as connection:
        assert connection.execute(text("INSERT INTO t (a) VALUES (9) RETURNING id")).scalar() == 3


def test_a_table_that_inherits_is_created_after_its_parent(author: Author, on_postgresql: DbConfig) -> None:
    author.models("""
sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("child", metadata, sa.Column("a", sa.Integer, index=True), postgresql_inherits="parent")
sa.Table("also", metadata, sa.Column("b", sa.Integer), postgresql_inherits=("child",))
""")

    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement())
