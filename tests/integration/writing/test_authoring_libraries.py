"""Libraries that add operations to Alembic's autogenerate in `env.py`: `db.check` and `db.revision` use them too."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from antarest.migration.branches.writing import Written
from antarest.migration.errors.facts.project import InvalidProject
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.author import Author

# As alembic_utils and alembic-postgresql-enum do it. Alembic keeps each comparison for the whole process, so this one
# compares only the models that name its module.
LIBRARY = """
import sqlalchemy as sa
from alembic.autogenerate import comparators, renderers
from alembic.operations import MigrateOperation

class MakeOp(MigrateOperation):
    def __init__(self, name, up, down, kind="view"):
        self.name, self.up, self.down, self.kind = name, up, down, kind
    def reverse(self):
        return MakeOp(self.name, self.down, self.up, self.kind)
    def to_diff_tuple(self):
        return f"create_{self.kind}", self.name

@renderers.dispatch_for(MakeOp)
def render(context, operation):
    return f"op.execute({operation.up!r})"

@comparators.dispatch_for("schema")
def compare(context, upgrade, schemas):
    if not (info := context.metadata.info.get(__name__)):
        return
    there = sa.inspect(context.connection)
    for name in set(info.get("views", ())) - {*there.get_view_names()}:
        context.connection.execute(sa.text("SELECT id FROM t"))
        upgrade.ops.append(MakeOp(name, f"CREATE VIEW {name} AS SELECT id FROM t", f"DROP VIEW {name}"))
    for name in set(info.get("types", ())) - {each["name"] for each in there.get_enums()}:
        upgrade.ops.insert(0, MakeOp(name, f"CREATE TYPE {name} AS ENUM ('a')", f"DROP TYPE {name}", "enum"))
"""
T = 'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True){})\n'
ASK = 'metadata.info["library_of_" + __name__] = {}\n'


@pytest.fixture
def author(author: Author) -> Iterator[Author]:
    author.settings("engines = postgresql")
    library = f"library_of_{author.module}"
    (author.folder / f"{library}.py").write_text(LIBRARY)
    env = author.folder / "alembic" / "env.py"
    env.write_text(f"import {library}\n{env.read_text()}")
    yield author
    sys.modules.pop(library, None)


def test_what_a_library_compares_is_found_and_written(author: Author, on_postgresql: DbConfig) -> None:
    author.models(T.format(""))
    author.revise(on_postgresql)
    author.models(T.format("") + ASK.format({"views": ["v"]}))

    assert author.findings(on_postgresql) == ["postgresql: create view v, says a library of env.py"]
    written = author.revise(on_postgresql)

    assert (written.detected, written.by_hand) == (("create view v",), ())
    assert written.path
    assert "CREATE VIEW v" in written.path.read_text()
    assert author.findings(on_postgresql) == []
    assert author.revise(on_postgresql) == Written(None)


def test_a_library_that_fails_is_named(author: Author, on_postgresql: DbConfig) -> None:
    author.models(T.format("") + ASK.format({"views": ["v"]}))

    assert author.findings(on_postgresql) == ["postgresql: table t: only in the models"]
    with pytest.raises(InvalidProject) as refused:
        author.revise(on_postgresql)

    assert "a library of env.py cannot compare its objects: ProgrammingError: " in refused.value.message
    assert [*author.project.versions[0].glob("*.py")] == []


def test_an_enum_type_that_a_library_creates_is_created_once(author: Author, on_postgresql: DbConfig) -> None:
    author.models(T.format(""))
    author.revise(on_postgresql)
    author.models(T.format(', sa.Column("k", sa.Enum("a", name="kind"))') + ASK.format({"types": ["kind"]}))

    written = author.revise(on_postgresql)

    assert set(written.detected) == {"adds column t.k", "adds enum kind", "create enum kind"}
    assert author.findings(on_postgresql) == []
    workflow = MigrationWorkflow(author.project, on_postgresql)
    workflow.upgrade()
    workflow.rollback(workflow.plan_rollback(), Agreement(everything=True))
    workflow.upgrade()
