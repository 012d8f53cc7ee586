"""New revisions that need work by hand, or whose template is that of another project."""

from __future__ import annotations

from pathlib import Path

import alembic
import pytest
from sqlalchemy import URL

from antarest.migration.branches.writing import Written, format_file, write_revision
from antarest.migration.errors.facts.project import InvalidProject
from antarest.migration.errors.facts.run import ModelsNotMade, RevisionFailed, RevisionUnfinished, ScratchRunFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.author import Author
from tests.support.projects.histories import Database, Script, write_project


def test_a_new_label_that_is_the_default_is_named(author: Author, on_postgresql: DbConfig) -> None:
    author.settings("engines = postgresql")
    column = "sa.Table('t', metadata, sa.Column('e', sa.Enum({}, name='e1'), server_default='{}'))\n"
    author.models(column.format("'x'", "x"))
    author.revise(on_postgresql)
    author.models(column.format("'x', 'y'", "y"))

    with pytest.raises(RevisionUnfinished) as failed:
        author.revise(on_postgresql)

    assert 'invalid input value for enum e1: "y"' in str(failed.value)
    assert failed.value.details["by hand"] == "enum e1: labels: x -> x, y"
    statement, boundary = (hint.command for hint in failed.value.hints[:2])
    with pytest.raises(ScratchRunFailed) as again:
        author.findings(on_postgresql)
    assert [hint.command for hint in again.value.hints[:2]] == [statement, boundary]

    failed.value.path.unlink()
    made = write_revision(author.project, "label", empty=True, db=on_postgresql).path
    assert made
    made.write_text(f"{made.read_text().replace('pass', statement, 1)}\n{boundary}\n")
    author.revise(on_postgresql)
    assert author.findings(on_postgresql) == []


def test_models_that_need_an_extension_are_made_after_the_revision_that_the_error_asks_for(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.settings("engines = postgresql")
    author.models("sa.Table('t', metadata, sa.Column('e', sa.String(5), server_default=sa.func.mood()))\n")

    with pytest.raises(ModelsNotMade) as failed:
        author.revise(on_postgresql)

    commands = [hint.command for hint in failed.value.hints]
    assert commands[0] == 'inv db.revision --message="..." --empty'
    assert not any("engines" in command for command in commands)
    assert failed.value.hints[1].text == "In that revision, for an extension"


def test_an_id_that_the_version_table_cannot_store_comes_with_what_widens_it(
    tmp_path: Path, postgres_database: URL
) -> None:
    first, second = Script("a1"), Script("b" * 40)
    with pytest.raises(RevisionFailed, match="value too long") as failed:
        Database(postgres_database, write_project(tmp_path / "narrow", first, second)).workflow.upgrade()

    first = Script("a1", upgrade=failed.value.hints[0].command)
    wide = Database(postgres_database, write_project(tmp_path / "wide", first, second))
    wide.workflow.upgrade()

    assert wide.workflow.current() == (second.id,)


def test_a_version_table_that_somebody_has_widened_is_enough_for_long_ids(
    tmp_path: Path, postgres_database: URL
) -> None:
    first, second = Script("a" * 40, "sql('CREATE TABLE t (id INTEGER)')", "sql('DROP TABLE t')"), Script("b" * 40)
    database = Database(postgres_database, write_project(tmp_path, first, second))
    database.execute("CREATE TABLE alembic_version (version_num VARCHAR(99) PRIMARY KEY)")
    workflow = database.workflow
    workflow.upgrade()

    plan = workflow.plan_rollback(to="base")

    assert (plan.unknown, [drop.loss.item for step in plan.steps for drop in step.drops]) == ("", ["t"])
    workflow.reset(workflow.plan_reset(allow_production=True))
    assert workflow.current() == (second.id,)
    workflow.rollback(workflow.plan_rollback(), Agreement())
    assert workflow.current() == (first.id,)


UNNAMED = """
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("t", metadata, sa.Column("a", sa.Integer, sa.ForeignKey("a.id"{})))
"""


@pytest.mark.filterwarnings("ignore:Autogenerate rendered a drop_constraint")
def test_a_constraint_without_a_name_is_dropped_in_a_batch_that_names_it(author: Author) -> None:
    author.settings("engines = sqlite")
    author.models(UNNAMED.format(""))
    author.revise()
    author.models(UNNAMED.format(", name='t_a', ondelete='CASCADE'"))

    with pytest.raises(RevisionUnfinished) as failed:
        author.revise()
    convention = failed.value.hints[0].command.partition("..., ")[2]
    path = failed.value.path
    text = path.read_text().replace("schema=None", convention[:-1], 1)
    path.write_text(text.replace("drop_constraint(None", 'drop_constraint("fk_t_a"', 1))

    assert author.findings() == []


def test_the_losses_are_declared_whatever_the_template_is(author: Author) -> None:
    """The templates of Alembic have no place for the losses."""
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    (author.folder / "alembic" / "script.py.mako").write_text(
        template.read_text().replace("def upgrade", "import functools\n\n\n@functools.cache\ndef upgrade")
    )
    author.settings("engines = sqlite")
    author.models("sa.Table('t', metadata, sa.Column('id', sa.Integer))")

    written = author.revise()

    assert author.project.history[author.project.history.head].losses("downgrade") == {"t": "the downgrade drops it"}
    assert written.path
    assert written.path.read_text().index("\nlossy = ") < written.path.read_text().index("\n@functools.cache")


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        ("down_revision = ${repr(down_revision)}", 'down_revision = "${down_revision}"', "KeyError: 'None'"),
        ("revision = ${repr(up_revision)}", "", "Could not determine revision id"),
        ("revision = ${repr(up_revision)}", "revision = ${another}", "Template rendering failed"),
        ("revision = ${repr(up_revision)}", "revision = (", "SyntaxError"),
        ("revision = ${repr(up_revision)}", "% revision", "CompileException"),
    ],
)
def test_a_template_that_writes_no_revision_is_named(author: Author, line: str, instead: str, reason: str) -> None:
    template = author.folder / "alembic" / "script.py.mako"
    template.write_text(template.read_text().replace(f"\n{line}\n", f"\n{instead}\n"))
    author.settings("engines = sqlite")
    author.models("sa.Table('t', metadata, sa.Column('id', sa.Integer))")
    versions = author.project.versions[0]
    before = sorted(versions.iterdir())

    with pytest.raises(InvalidProject, match=f"script.py.mako cannot be used: it writes no file .*{reason}"):
        author.revise()

    assert sorted(versions.iterdir()) == before


def test_a_revision_that_alembic_would_not_find_is_not_written(author: Author) -> None:
    ini = author.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nfile_template = %%(year)d/%%(rev)s\n"))
    author.settings("engines = sqlite")
    author.models("sa.Table('t', metadata, sa.Column('id', sa.Integer))")

    with pytest.raises(InvalidProject, match="subfolders, where Alembic does not look") as refused:
        author.revise()
    assert [*author.project.versions[0].rglob("*.py")] == []

    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\n{refused.value.hints[0].command}\n"))
    assert author.revise().path
    assert author.findings() == []


def test_an_empty_revision_keeps_the_imports_that_its_author_needs(tmp_path: Path) -> None:
    file = tmp_path / "a1_empty.py"
    imports = "import sqlalchemy as sa\nfrom alembic import op\n"
    file.write_text("from alembic import op\nimport sqlalchemy as sa\n\n\ndef upgrade():\n  pass\n")

    format_file(str(file))

    assert file.read_text().startswith(imports)
    assert "    pass" in file.read_text()


def test_a_default_from_a_sequence_that_nobody_has_written_yet_is_named(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.settings("engines = postgresql")
    author.models(
        "s = sa.Sequence('s', metadata=metadata)\n"
        "sa.Table('t', metadata, sa.Column('n', sa.Integer, server_default=s.next_value()))"
    )

    with pytest.raises(RevisionUnfinished, match='relation "s" does not exist') as failed:
        author.revise(on_postgresql)
    assert failed.value.details["by hand"] == "adds sequence s"


RETYPED = 'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("Kind", {}))'


def test_a_column_that_becomes_an_enum_is_finished_as_the_error_says(author: Author, on_postgresql: DbConfig) -> None:
    author.settings("engines = postgresql")
    author.models(RETYPED.format("sa.String(9)"))
    author.revise(on_postgresql)
    author.models(RETYPED.format("sa.Enum('a', 'b', name='kind')"))

    with pytest.raises(RevisionUnfinished) as failed:
        author.revise(on_postgresql)
    using = failed.value.hints[0].command.removeprefix("op.alter_column(..., ")[:-1]
    text = failed.value.path.read_text()
    failed.value.path.write_text(text.replace("existing_nullable", f"{using}, existing_nullable", 1))

    assert author.findings(on_postgresql) == []
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
    workflow.upgrade()
    author.models(RETYPED.format("sa.String(9)"))
    assert author.revise(on_postgresql).by_hand == ()
    assert author.findings(on_postgresql) == []


WITHOUT_NAMES = """
sa.Table("Team", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer), sa.Column("up", sa.Integer){})
"""
KEYS = """, sa.UniqueConstraint("a", "b"), sa.ForeignKeyConstraint(["up"], ["Team.id"]{}),
    sa.Column("c", sa.Text, unique=True)"""


@pytest.mark.parametrize("engines", ["postgresql", "sqlite", "sqlite, postgresql"])
def test_a_new_constraint_without_a_name_can_be_rolled_back(
    author: Author, on_postgresql: DbConfig, tmp_path: Path, engines: str
) -> None:
    author.settings(f"engines = {engines}")
    on_sqlite = DbConfig(URL.create("sqlite", database=str(tmp_path / "own.db")))
    db = on_sqlite if engines == "sqlite" else on_postgresql
    more = ["", KEYS.format(""), KEYS.format(', ondelete="CASCADE"')]
    for models in more[: 3 if engines == "postgresql" else 2]:
        author.models(WITHOUT_NAMES.format(models))
        assert author.revise(db).by_hand == ()
    assert author.findings(db) == []
    assert author.revise(db) == Written(None)

    for each in [on_sqlite] * ("sqlite" in engines) + [on_postgresql] * ("postgresql" in engines):
        workflow = MigrationWorkflow(author.project, each)
        workflow.upgrade()
        for _ in range(2):
            workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
        workflow.upgrade()


def test_a_revision_that_fails_on_an_engine_that_nobody_named_says_how_to_leave_it_out(
    author: Author, on_postgresql: DbConfig
) -> None:
    author.models(WITHOUT_NAMES.format(KEYS.format("")))
    author.revise(on_postgresql)
    author.models(WITHOUT_NAMES.format(KEYS.format(', ondelete="CASCADE"')))

    with pytest.raises(RevisionUnfinished) as failed:
        author.revise(on_postgresql)

    assert "engines = postgresql" in [hint.command for hint in failed.value.hints]
    author.settings("engines = postgresql")
    assert author.findings(on_postgresql) == []


WRONG_SETTINGS = {
    "timezone = Mars/Base": "Can't locate timezone: Mars/Base",
    "file_template = %%(nothing)s": "KeyError: 'nothing'",
    "truncate_slug_length = many": "ValueError: ",
    "[post_write_hooks]\nhooks = a\na.type = exec\na.executable = nowhere": "No such file or directory: 'nowhere'",
    "[post_write_hooks]\nhooks = a\na.type = console_scripts\na.entrypoint = nowhere": "console_scripts.nowhere",
}


def test_a_setting_with_which_alembic_cannot_write_a_revision_is_named(
    author: Author, subtests: pytest.Subtests
) -> None:
    author.write(Script("a1"))
    ini = author.folder / "alembic.ini"
    text = ini.read_text()
    for setting, reason in WRONG_SETTINGS.items():
        with subtests.test(setting):
            ini.write_text(text.replace("path_separator = os\n", f"path_separator = os\n{setting}\n"))

            with pytest.raises(InvalidProject, match="Alembic cannot write the revision: ") as failed:
                write_revision(author.project, "x", empty=True)

            assert reason in failed.value.message
            assert failed.value.hints[0].text == "Fix this setting, then write it again"
            assert [each.name for each in author.project.versions[0].glob("*.py")] == ["a1.py"]
