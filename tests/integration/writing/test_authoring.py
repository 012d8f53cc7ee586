"""The content of a revision that is written from the models of another project, and the work that is left by hand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.projects.checkouts import ROOT, Result, run
from tests.support.projects.histories import Script, write_project

TABLES = Script(
    "tables",
    upgrade="""
        op.create_table("kept", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.String(9)))
        op.create_table("a", sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Integer))
        key = sa.Column("id", sa.Integer, primary_key=True)
        op.create_table("b", key, sa.Column("a", sa.Integer, sa.ForeignKey("a.id")))
        op.create_index("ix_b_a", "b", ["a"])
        key = sa.Column("id", sa.Integer, primary_key=True)
        op.create_table("c", key, sa.Column("b", sa.Integer, sa.ForeignKey("b.id")))
    """,
)
MODELS = {
    "kept": 'sa.Table("kept", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.String(9)))',
    "a": 'sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Integer))',
    "b": """sa.Table("b", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a", sa.Integer, sa.ForeignKey("a.id"), index=True))""",
    "c": """sa.Table("c", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("b", sa.Integer, sa.ForeignKey("b.id")))""",
}


class Author:
    """A project whose models are the tables of its only revision."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_project(folder, TABLES)
        shutil.copy(ROOT / "alembic" / "script.py.mako", folder / "alembic")
        with (folder / "alembic.ini").open("a") as ini:
            ini.write("prepend_sys_path = %(here)s\n[antarest]\nmetadata = models:metadata\n")
        self.models = dict(MODELS)

    def revise(self) -> Result:
        """Write a revision from the models."""
        texts = ["import sqlalchemy as sa", "metadata = sa.MetaData()", *self.models.values()]
        (self.folder / "models.py").write_text("\n".join(texts) + "\n")
        command = ("python", "-m", "antarest.migration", "revision", "--message=change", "--project=alembic.ini")
        return run(*command, cwd=self.folder, env={"PYTHONPATH": f"{ROOT}:{self.folder}"})

    @property
    def written(self) -> str:
        """Return the new revision file."""
        (file,) = (self.folder / "alembic" / "versions").glob("*_change.py")
        return file.read_text()


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path / "project")


def test_the_models_of_the_revision_are_no_change(author: Author) -> None:
    assert "no changes: " in author.revise().out


def test_a_table_is_dropped_after_those_that_refer_to_it(author: Author) -> None:
    for name in ("a", "b", "c"):
        del author.models[name]

    author.revise()

    upgrade, downgrade = author.written.split("def downgrade")
    assert re.findall(r"op\.drop_table\(.(\w).\)", upgrade) == ["c", "b", "a"]
    assert re.findall(r"op\.create_table\(\s*.(\w).,", downgrade) == ["a", "b", "c"]
    assert re.findall(r"drop_(?:index|table)\b", upgrade) == ["drop_table", "drop_index", "drop_table", "drop_table"]


def test_a_table_whose_column_has_another_type_is_changed(author: Author) -> None:
    author.models["kept"] = author.models["kept"].replace("String(9)", "String(10)")

    author.revise()

    assert "type_=sa.String(length=10)" in author.written


def test_what_only_postgresql_has_is_left_to_the_author_until_a_revision_names_it(author: Author) -> None:
    index = 'sa.Index("ix_kept", metadata.tables["kept"].c.n).ddl_if(dialect="postgresql")'
    author.models["kept"] += f"\n{index}"

    done = author.revise()
    assert "by hand        PostgreSQL: adds index ix_kept: " in done.out
    assert "nothing was written" in done.out

    author.models["a"] = author.models["a"].replace('"x"', '"y", sa.Integer), sa.Column("x"')
    done = author.revise()
    assert "by hand        PostgreSQL: adds index ix_kept: " in done.out
    assert "ix_kept" not in author.written
    assert "'y'" in author.written or '"y"' in author.written
