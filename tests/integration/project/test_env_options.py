"""All commands use the options of the project's own `env.py`."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.branches.writing import write_revision
from antarest.migration.database.connection import looking
from antarest.migration.database.record import read_record
from antarest.migration.errors.base import NOTHING_CHANGED
from antarest.migration.errors.facts.project import InvalidProject
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.revision import VersionTable
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.data.database import Database
from tests.support.projects.checkouts import run
from tests.support.projects.histories import Script, write_project

HEAD = "from alembic import context\nfrom antarest.migration import environment\n"
TABLES = tuple(
    Script(
        name, f"op.create_table({name!r}, sa.Column('id', sa.Integer, primary_key=True))", f"op.drop_table({name!r})"
    )
    for name in ("one", "two")
)


SETTINGS = "prepend_sys_path = %(here)s\nrevision_environment = true\n"


def with_env(project: Project, text: str) -> Project:
    """Return the project with another `env.py`."""
    project.env.path.write_text(HEAD + textwrap.dedent(text))
    return Project.load(project.ini)


def test_the_version_table_may_lie_in_another_schema(tmp_path: Path, postgres_database: URL) -> None:
    """The schema is created with the version table, also on scratch databases: no revision can create it before."""
    there = Script("two", "op.execute('CREATE TABLE sales.two (id INT)')", "op.execute('DROP TABLE sales.two')")
    project = write_project(tmp_path, TABLES[0], there)
    project = with_env(project, "environment.run(context, version_table_schema='sales')\n")
    database, table = Database(postgres_database), VersionTable(schema="sales")
    workflow = MigrationWorkflow(project, DbConfig(postgres_database))

    workflow.upgrade()

    assert (workflow.status().current, workflow.status().pending) == (("two",), ())
    assert database.query("SELECT version_num FROM sales.alembic_version") == [("two",)]
    with looking(postgres_database) as connection:
        assert [line.revision for line in read_record(connection, table)] == ["one", "two"]
    workflow.rollback(workflow.plan_rollback(), Agreement())
    assert workflow.current() == ("one",)
    plan = workflow.plan_reset(allow_production=True)
    assert (dict(plan.rows), dict(plan.others)) == ({"one": 0}, {}), "the schema is there for the version table"
    workflow.reset(plan)
    assert workflow.current() == ("two",)
    assert database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_a_schema_for_the_version_table_is_refused_on_sqlite(tmp_path: Path, sqlite_database: URL) -> None:
    project = with_env(write_project(tmp_path, *TABLES), "environment.run(context, version_table_schema='sales')\n")

    with pytest.raises(InvalidProject, match="SQLite has no schemas"):
        MigrationWorkflow(project, DbConfig(sqlite_database)).upgrade()

    assert not Path(str(sqlite_database.database)).exists()


def test_a_project_that_commits_each_revision_keeps_those_before_a_failure(tmp_path: Path, empty_database: URL) -> None:
    broken = Script("three", "sql('CREATE TABLE two (id INTEGER)')")
    project = write_project(tmp_path, *TABLES, broken)
    for each, stays in ((False, ()), (True, ("two",))):
        project = with_env(project, f"environment.run(context, transaction_per_migration={each})\n")
        workflow = MigrationWorkflow(project, DbConfig(empty_database))

        with pytest.raises(RevisionFailed):
            workflow.upgrade()

        assert workflow.current() == stays


MONEY = """
import sqlalchemy as sa
class Money(sa.types.TypeDecorator):
    impl = sa.Integer
    cache_ok = True
"""
MODELS = """
import money_of_env
import sqlalchemy as sa
class Code(sa.types.TypeDecorator):
    impl = sa.String(7)
    cache_ok = True
metadata = sa.MetaData()
sa.Table(
    "code",
    metadata,
    sa.Column("id", Code(), primary_key=True),
    sa.Column("amount", money_of_env.Money()),
    sa.Column("several", sa.String().with_variant(money_of_env.Money(), "postgresql")),
)
sa.Table("theirs", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
ENV = """
from models_of_env import Code, metadata

def include_object(item, name, kind, reflected, compare_to):
    return not (kind == "table" and name == "theirs")

def render_item(kind, item, autogen_context):
    if kind == "type" and isinstance(item, Code):
        autogen_context.imports.add("import models_of_env as m")
        return "m.Code()"
    return False

calls = []
def directives(context, revision, found):
    calls.append(1)
    found[0].message = f"{found[0].message} {len(calls)}"

environment.run(
    context,
    target_metadata=metadata,
    include_object=include_object,
    render_item=render_item,
    process_revision_directives=directives,
)
"""
MAKO = '''"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
lossy = ${repr(lossy) if lossy is not UNDEFINED else {}}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


def test_a_revision_is_written_as_env_py_says(tmp_path: Path) -> None:
    (tmp_path / "models_of_env.py").write_text(MODELS)
    (tmp_path / "money_of_env.py").write_text(MONEY)
    project = write_project(tmp_path)
    project.ini.write_text(project.ini.read_text().replace("[alembic]\n", "[alembic]\nprepend_sys_path = %(here)s\n"))
    (tmp_path / "alembic" / "script.py.mako").write_text(MAKO)
    project = with_env(project, ENV)

    written = write_revision(project, "codes")

    assert written.path is not None
    text = written.path.read_text()
    assert '"""codes 1"""' in text
    assert "m.Code()" in text
    assert "import money_of_env\n" in text
    assert written.detected == ("adds table code",)
    assert "theirs" not in text


def test_a_module_prefix_is_imported_where_it_is_the_module_of_the_type(tmp_path: Path) -> None:
    (tmp_path / "prefixed.py").write_text(MONEY)
    (tmp_path / "prefixed_models.py").write_text(
        "import prefixed\nimport sqlalchemy as sa\n\nmetadata = sa.MetaData()\n"
        'sa.Table("price", metadata, sa.Column("amount", prefixed.Money()))\n'
    )
    project = write_project(tmp_path)
    project.ini.write_text(project.ini.read_text().replace("[alembic]\n", f"[alembic]\n{SETTINGS}"))
    (tmp_path / "alembic" / "script.py.mako").write_text(MAKO)
    env = """
        from prefixed_models import metadata
        removes = lambda context, revision, found: found[0].upgrade_ops.is_empty() and found.clear()
        environment.run(context, target_metadata=metadata, user_module_prefix="prefixed.",
            process_revision_directives=removes)
    """
    project = with_env(project, env)

    written = write_revision(project, "prices")

    assert written.path is not None
    assert "import prefixed\n" in written.path.read_text()
    with pytest.raises(InvalidProject, match=r"process_revision_directives of env\.py removes"):
        write_revision(Project.load(project.ini), "by hand", empty=True)


def test_a_second_call_in_env_py_is_refused(tmp_path: Path, empty_database: URL) -> None:
    """Our commands ask `env.py` before the run. Plain Alembic does not, so its error says what the first call did."""
    project = with_env(write_project(tmp_path, *TABLES), "environment.run(context)\n" * 2)
    workflow = MigrationWorkflow(project, DbConfig(empty_database))

    with pytest.raises(InvalidProject, match="more than once") as error:
        workflow.upgrade()

    assert (error.value.state, workflow.current()) == (NOTHING_CHANGED, ())

    url = empty_database.render_as_string(hide_password=False).replace("$", "$$")
    (project.root / "application.yaml").write_text(f"db:\n  url: {json.dumps(url)}\n")
    plain = run(sys.executable, "-m", "alembic", "upgrade", "head", cwd=project.root)
    assert "env.py calls environment.run more than once" in plain.err
    assert "Stopped at two: 2 of 2 revisions were applied." in plain.err
    assert workflow.current() == ("two",)


CONTEXT = '''
"""It asks alembic.context for everything."""
import sqlalchemy as sa
from alembic import context, op

revision = "three"
down_revision = "two"
dialect = context.get_context().dialect.name  # when the file is imported


def upgrade():
    assert context.get_bind() is op.get_bind()
    assert context.get_x_argument(as_dictionary=True) == {"tenant": "t1"}
    assert not context.is_offline_mode()
    assert context.config.get_main_option("script_location")
    op.execute(sa.text(f"CREATE TABLE {dialect} (id INTEGER)"))


def downgrade():
    assert context.get_x_argument(as_dictionary=True) == {"tenant": "t1"}
    op.drop_table(context.get_context().dialect.name)
'''


def test_a_revision_may_use_the_context_in_plans_as_in_runs(tmp_path: Path, empty_database: URL) -> None:
    project = write_project(tmp_path, *TABLES)
    (project.versions[0] / "three.py").write_text(CONTEXT.lstrip())
    project = replace(Project.load(project.ini), x_arguments=("tenant=t1",))
    workflow = MigrationWorkflow(project, DbConfig(empty_database))

    workflow.upgrade()

    plan = workflow.plan_rollback()
    assert [drop.loss.item for step in plan.steps for drop in step.drops] in (["sqlite"], ["postgresql"])
    workflow.rollback(plan, Agreement())
    assert workflow.current() == ("two",)


def test_op_run_async_is_refused_by_name(tmp_path: Path, empty_database: URL) -> None:
    asynchronous = Script("three", "async def work(connection):\n    pass\nop.run_async(work)")
    workflow = MigrationWorkflow(write_project(tmp_path, *TABLES, asynchronous), DbConfig(empty_database))

    with pytest.raises(RevisionFailed) as caught:
        workflow.upgrade()

    assert "it calls op.run_async, which needs an asynchronous driver" in str(caught.value)
    assert workflow.current() == ()
