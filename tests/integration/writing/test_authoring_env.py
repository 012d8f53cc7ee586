"""What `env.py` leaves out: `db.revision` does not write it, and `db.check` and `db.verify` do not report it."""

from __future__ import annotations

import pytest

from antarest.migration.branches.writing import Written
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.facts.project import InvalidProject
from tests.support.projects.author import Author
from tests.support.projects.histories import Script
from tests.support.projects.verify import Verify

INCLUDES = """
from alembic import context
from antarest.migration import environment

def include_name(name, kind, parents):
    return not (kind == "table" and name.startswith("legacy"))

def include_object(item, name, kind, reflected, compare_to):
    return not item.info.get("elsewhere")

environment.run(context, include_name=include_name, include_object=include_object)
"""


@pytest.mark.usefixtures("postgres")
def test_what_env_py_leaves_out_is_neither_written_nor_found(author: Author) -> None:
    legacy = 'op.create_table("legacy_a", sa.Column("id", sa.Integer, primary_key=True))'
    author.write(Script("legacy", upgrade=legacy))
    (author.folder / "alembic" / "env.py").write_text(INCLUDES)
    author.models("""
sa.Table("elsewhere", metadata, sa.Column("id", sa.Integer, primary_key=True), info={"elsewhere": True})
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Text))
""")
    assert author.revise().detected == ("adds table a",)
    author.models("""
sa.Table("elsewhere", metadata, sa.Column("id", sa.Integer, primary_key=True), info={"elsewhere": True})
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Text),
    sa.Column("y", sa.Text, info={"elsewhere": True}))
""")

    assert author.findings() == []
    assert author.revise() == Written(None)


def test_what_env_py_does_not_compare_is_not_found_and_is_named(author: Author) -> None:
    author.settings("engines = sqlite")
    column = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('x', {}))\n"
    author.models(column.format("sa.String(40)"))
    author.revise()
    author.models(column.format("sa.String(80), server_default='x', nullable=False"))
    env = author.folder / "alembic" / "env.py"
    env.write_text(INCLUDES.partition("def ")[0] + "environment.run(context, compare_type=False)\n")

    assert author.findings() == [
        "sqlite: t.x: nullable: True -> False",
        "sqlite: t.x: default: none -> 'x'",
    ]
    assert author.not_checked()["type of each column"] == "env.py says compare_type=False"

    env.write_text(env.read_text().replace("False", "False, compare_server_default=False"))
    author.revise()
    assert author.findings() == []
    assert author.not_checked()["default of each column"] == "env.py says compare_server_default=False"
    assert author.revise() == Written(None)


EQUAL = """
from alembic import context
from antarest.migration import environment

def compare_type(context, inspected, modelled, inspected_type, modelled_type):
    return False if modelled.name == "is_equal" else None

def compare_default(context, inspected, modelled, inspected_default, modelled_default, rendered):
    return False

environment.run(context, include_schemas=True, compare_type=compare_type, compare_server_default=compare_default)
"""


@pytest.mark.usefixtures("postgres")
def test_a_column_that_a_function_of_env_py_calls_equal_is_not_found_and_is_named(author: Author) -> None:
    table = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), {})\n"
    author.models(table.format("sa.Column('x', sa.String(40)), sa.Column('is_equal', sa.String(40))"))
    author.revise()
    longer = "sa.Column('x', sa.String(80)), sa.Column('is_equal', sa.String(80), server_default='x')"
    author.models(table.format(longer))
    env = author.folder / "alembic" / "env.py"
    env.write_text(EQUAL)

    assert [each.partition(": ")[2] for each in author.findings()] == ["t.x: type: VARCHAR(40) -> VARCHAR(80)"] * 2
    written = author.revise()
    assert (written.detected, written.by_hand) == (("t.x: type: VARCHAR(40) -> VARCHAR(80)",), ())
    assert author.findings() == []
    equal = [each for each, why in author.not_checked().items() if why == "a function of env.py says that it is equal"]
    asked = [f"{aspect} of t.is_equal" for aspect in ("default", "type")]
    assert sorted(equal) == sorted(f"{each} on {engine}" for each in asked for engine in ("SQLite", "PostgreSQL"))

    env.write_text(EQUAL.replace("return False if", "return 1 / 0 if"))
    author.models(table.format(longer.replace("80", "120")))
    with pytest.raises(InvalidProject, match=r"env\.py cannot be used: compare_type cannot compare t\.is_equal: "):
        author.findings()


def test_the_proof_leaves_out_what_env_py_does_not_compare_and_names_it(author: Author, verify: Verify) -> None:
    table = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('is_equal', {}))\n"
    author.models(table.format("sa.String(40)"))
    author.revise()
    author.models(table.format("sa.String(80)"))
    flags = (f"--project={author.folder}", "--engine=sqlite", "--run-env")
    assert "V701" in verify(*flags).out

    env, models = author.folder / "alembic" / "env.py", f"from {author.module} import metadata"
    for text in (EQUAL, EQUAL.replace("compare_type=compare_type", "compare_type=False")):
        env.write_text(f"{models}\n{text.replace('(context, inc', '(context, target_metadata=metadata, inc')}")
        done = verify(*flags)
        assert (done.code, "V701" in done.out) == (EXIT_DONE, False), done.out
        assert "not checked: the history on SQLite: the models: type of " in done.out
