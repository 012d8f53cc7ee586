"""Revisions and checks of projects for one engine and for both: the commands agree with each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from antarest.migration.branches.writing import Written, write_again
from antarest.migration.errors.facts.run import ModelsNotMade, RevisionUnfinished, ScratchRunFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.author import SQLITE, Author
from tests.support.projects.histories import Script


@pytest.fixture
def author(author: Author) -> Iterator[Author]:
    yield author
    sys.modules.pop("shoptypes", None)


WRITTEN_COMPLETELY = {
    "a default that each engine spells in its own way": """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, server_default=sa.func.now(), nullable=False),
    sa.Column("day", sa.Text, server_default=sa.func.lower("A")),
    sa.Column("on", sa.Boolean, server_default=sa.false(), nullable=False))
""",
    "tables that refer to each other": """
sa.Table("team", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lead", sa.Integer, sa.ForeignKey("person.id", name="fk_lead", use_alter=True)))
sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("team", sa.Integer, sa.ForeignKey("team.id", name="fk_team")))
""",
    "a type of another module": """
from shoptypes import GUID
class Local(sa.types.TypeDecorator):
    impl, cache_ok = sa.String(7), True
sa.Table("t", metadata, sa.Column("id", GUID(), primary_key=True), sa.Column("n", Local()))
""",
}
SHOPTYPES = """
import sqlalchemy as sa
class GUID(sa.types.TypeDecorator):
    impl, cache_ok = sa.CHAR(36), True
"""


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("what", WRITTEN_COMPLETELY)
@pytest.mark.parametrize("first", ["sqlite", "postgresql"])
def test_after_db_revision_db_check_passes_on_both_engines(
    author: Author, on_postgresql: DbConfig, what: str, first: str
) -> None:
    db = SQLITE if first == "sqlite" else on_postgresql
    (author.folder / "shoptypes.py").write_text(SHOPTYPES)
    author.models(WRITTEN_COMPLETELY[what])

    written = author.revise(db)

    assert (written.by_hand, written.skipped) == ((), {})
    assert author.findings(db) == []
    assert author.revise(db) == Written(None)


def enum_models(more: str = "") -> str:
    """Return models: a table with an enum, and further columns."""
    return f"sa.Table('t', metadata, sa.Column('id', sa.Integer), sa.Column('e', sa.Enum('x', 'y', name='e1')){more})\n"


ENUMS = (
    enum_models(),
    # A column that needs a new type, and columns of old tables and new ones that use the existing one.
    enum_models(", sa.Column('f', sa.Enum('p', name='e2')), sa.Column('g', sa.Enum('x', 'y', name='e1'))")
    + "sa.Table('u', metadata, sa.Column('e', sa.Enum('x', 'y', name='e1')), "
    "sa.Column('h', sa.Enum('q', name='e3')))\n",
    enum_models(),  # The types of dropped columns are dropped too.
)


def test_a_revision_makes_and_drops_the_enum_types_of_its_columns(author: Author, on_postgresql: DbConfig) -> None:
    for models in ENUMS:
        author.models(models)

        written = author.revise(on_postgresql)

        assert (written.by_hand, written.skipped) == ((), {})
        assert author.findings(on_postgresql) == []
        workflow = MigrationWorkflow(author.project, on_postgresql)
        workflow.upgrade()
        workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
        workflow.upgrade()
    assert author.revise(on_postgresql) == Written(None)


ONLY_POSTGRESQL = """
order = sa.Table("order", metadata, sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("tags", postgresql.ARRAY(sa.String(9)), server_default="{}", nullable=False, comment="words"),
    sa.Column("meta", postgresql.JSONB, server_default=sa.text("'{}'::jsonb")),
    sa.Column("during", postgresql.INT4RANGE), sa.Column("name", sa.Text(collation="C")),
    postgresql.ExcludeConstraint(("during", "&&"), name="order_during", using="gist"),
    sa.Index("order_meta", "meta", postgresql_using="gin"), schema="shop", comment="sold")
"""
SHOP = Script(
    "shop",
    upgrade="""
        sql(
            "CREATE SCHEMA shop",
            "CREATE FUNCTION shop.twice(n INTEGER) RETURNS INTEGER LANGUAGE sql AS 'SELECT 2 * n'",
            "CREATE TABLE event (id BIGINT, at DATE, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
            "CREATE TABLE event_24 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
            "CREATE VIEW recent AS SELECT * FROM event",
            "CREATE MATERIALIZED VIEW latest AS SELECT max(at) FROM event",
            "ALTER TABLE event ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY seen ON event USING (id > 0)",
        )
    """,
)
EVENT = """
sa.Table("event", metadata, sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.Date, primary_key=True),
    sa.Column("twice", sa.Integer, server_default=sa.text("shop.twice(2)")), postgresql_partition_by="RANGE (at)",
    schema="public")
"""


def test_a_project_for_postgresql_alone_is_written_and_checked(author: Author, on_postgresql: DbConfig) -> None:
    author.write(SHOP)
    author.models(ONLY_POSTGRESQL + EVENT)

    written = author.revise(on_postgresql)

    assert written.path
    text = written.path.read_text()
    assert "with op.batch" not in text
    assert "lossy: dict[str, dict[str, str]] = {'downgrade': {'event.twice': " in text
    assert "'shop.order': " in text
    assert set(written.detected) == {"adds table shop.order", "adds column event.twice"}
    assert set(written.skipped) == {"sqlite"}
    assert author.findings(on_postgresql) == []
    shown = author.not_checked(on_postgresql)
    assert "the upgrade of revision shop fails" in shown["models equal to the migrations on SQLite"]
    named = next(claim for claim in shown if "recent" in claim)
    assert all(each in named for each in ("view latest", "view recent", "table event_24", "policy event.seen"))

    author.settings("engines = postgresql")
    assert author.revise(on_postgresql) == Written(None)
    assert not any("SQLite" in claim for claim in author.not_checked(on_postgresql))
    author.settings("engines = sqlite, postgresql")
    with pytest.raises(ScratchRunFailed):
        author.findings(on_postgresql)


FTS = Script(
    "fts",
    upgrade="""
        sql(
            "CREATE VIRTUAL TABLE docs USING fts5 (body)",
            "CREATE TABLE strict (id INTEGER NOT NULL PRIMARY KEY, n TEXT) STRICT",
            "CREATE TABLE pair (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID",
        )
    """,
)


def test_a_project_for_sqlite_alone_needs_no_postgresql(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KIND_VARIABLE, "url")
    monkeypatch.setenv(URL_VARIABLE, "postgresql://nobody@127.0.0.1:1/postgres")
    author.write(FTS)
    author.models("""
sa.Table("pair", metadata, sa.Column("a", sa.Integer, primary_key=True), sa.Column("b", sa.Integer, primary_key=True),
    sa.Column("c", sa.Text), sqlite_with_rowid=False)
""")

    written = author.revise()

    assert written.detected == ("adds column pair.c", "drops table strict")
    assert written.by_hand == ()
    assert "no PostgreSQL is available" in written.skipped["postgresql"]
    assert author.findings() == []
    assert author.not_checked()["table docs on SQLite"] == "only the migrations make it, and no model has it"


ON_ONE_ENGINE = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer, comment="{comment}"),
    sa.Index("ia", "a", postgresql_where=sa.text("{where}")))
"""


@pytest.mark.usefixtures("postgres")
def test_what_one_engine_alone_shows_is_listed_by_hand(author: Author) -> None:
    author.models(ON_ONE_ENGINE.format(comment="one", where="a > 0"))
    assert author.revise().by_hand == ()
    author.models(ON_ONE_ENGINE.format(comment="two", where="a > 1"))

    assert author.revise().by_hand == (
        "PostgreSQL: t.a: comment: one -> two",
        "PostgreSQL: index ia: where: (a > 0) -> (a > 1)",
    )
    assert author.findings() == [
        "postgresql: t.a: comment: one -> two",
        "postgresql: index ia: where: (a > 0) -> (a > 1)",
    ]


VIEW = Script(
    "view",
    upgrade="""
        op.create_table("a", sa.Column("id", sa.Integer, primary_key=True), sa.Column("f", sa.String(9)))
        sql("CREATE VIEW v AS SELECT f FROM a")
    """,
)
A = 'sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("f", sa.{kind}))'


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_revision_that_fails_is_named_with_what_to_write(
    author: Author, on_postgresql: DbConfig, engine: str
) -> None:
    db = SQLITE if engine == "sqlite" else on_postgresql
    author.write(VIEW)
    author.models(A.format(kind="Text"))

    with pytest.raises(RevisionUnfinished) as failed:
        author.revise(db)

    assert failed.value.path.is_file()
    assert "No database was changed" in failed.value.state
    lines = [hint.command for hint in failed.value.hints]
    assert lines[0] == "op.execute('DROP VIEW v')"
    assert "CREATE VIEW v AS SELECT" in lines[1]

    text = failed.value.path.read_text()
    body = text.index("    with op.batch_alter_table(")
    end = text.index("\n\n\ndef downgrade")
    fixed = f"{text[:body]}    {lines[0]}\n{text[body:end]}\n    {lines[1]}{text[end:]}"
    failed.value.path.write_text(fixed)
    assert author.findings(db) == []


@pytest.mark.usefixtures("postgres")
def test_an_amended_revision_that_fails_stays_as_it_was(author: Author) -> None:
    author.models(A.format(kind="String(9)"))
    author.revise()
    revision = author.project.history[author.project.history.head]
    before = revision.path.read_text()
    author.models("from shoptypes import Odd\n" + A.format(kind="Text") + "\nmetadata.tables['a'].c.f.type = Odd(2)")
    (author.folder / "shoptypes.py").write_text(
        SHOPTYPES
        + """
class Odd(sa.types.TypeDecorator):
    impl, cache_ok = sa.Text, True
    def __init__(self, mandatory): super().__init__()
"""
    )

    with pytest.raises(ScratchRunFailed):
        write_again(author.project, revision, SQLITE)

    assert [path.read_text() for path in author.project.versions[0].glob("*.py")] == [before]


def test_models_that_the_configured_engine_cannot_have_are_a_clear_error(author: Author) -> None:
    author.models(ONLY_POSTGRESQL)

    with pytest.raises(ModelsNotMade) as refused:
        author.revise()

    assert "the models cannot be created on SQLite: " in refused.value.message
    assert " object at 0x" not in refused.value.message
    assert "engines = postgresql" in [hint.command for hint in refused.value.hints]
    author.settings("engines = sqlite")
    with pytest.raises(ModelsNotMade) as refused:
        author.revise()
    assert not any(hint.command.startswith("engines") for hint in refused.value.hints)
