"""A history with several heads that should stay: a branch in each folder, with or without a label."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.project.project import Project
from tests.support.checks.refusals import refusal
from tests.support.projects.checkouts import ROOT, Result
from tests.support.projects.histories import ENV
from tests.support.projects.workshop import Workshop

INI = """\
[alembic]
script_location = %(here)s/mig
version_locations = %(here)s/mig/a, %(here)s/mig/b
prepend_sys_path = %(here)s
[antarest]
engines = sqlite
rollback_script = rollback.sh
"""
MODELS = """\
import sqlalchemy as sa
metadata = sa.MetaData()
for name in "ab":
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("more", sa.Integer))
"""
FIRST = "op.create_table({name!r}, sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table({name!r})"
SECOND = "op.add_column({name!r}, sa.Column('more', sa.Integer))", "op.drop_column({name!r}, 'more')"
REVISION = '''\
"""{id}"""
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}
depends_on = {needs!r}
lossy = {{"downgrade": {{"{name}": "made here", "{name}.more": "made here"}}}}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''


def write_branch(folder: Path, name: str, needs: str | None = None) -> None:
    """Write two revisions. The first creates a table, and the second adds a column to it."""
    (folder / "mig" / name).mkdir(parents=True)
    for number, (upgrade, downgrade) in enumerate((FIRST, SECOND), 1):
        text = REVISION.format(
            id=f"{name}{number}",
            down=f"{name}1" if number > 1 else None,
            needs=needs if number > 1 else None,
            name=name,
            upgrade=upgrade.format(name=name),
            downgrade=downgrade.format(name=name),
        )
        (folder / "mig" / name / f"{name}{number}.py").write_text(text)


@pytest.fixture
def here(tmp_path: Path, sqlite_database: URL) -> Workshop:
    folder = tmp_path / "shop"
    write_branch(folder, "a")
    write_branch(folder, "b")
    (folder / "alembic.ini").write_text(INI)
    (folder / "models_apart.py").write_text(MODELS)
    env = ENV.replace("run(context", "run(context, target_metadata=metadata").replace("\n\n", "\n", 1)
    (folder / "mig" / "env.py").write_text(f"from models_apart import metadata\n{env}")
    (folder / "mig" / "script.py.mako").write_text((ROOT / "alembic" / "script.py.mako").read_text())
    here = Workshop(folder, sqlite_database)
    here.configure(f"db: {{url: '{sqlite_database.render_as_string(hide_password=False)}'}}\n")
    return here


def ran(here: Workshop, words: str) -> Result:
    return here.run(f"python -m antarest.migration {words}")


def well(here: Workshop, words: str) -> str:
    done = ran(here, words)
    assert (done.code, done.err) == (EXIT_DONE, "")
    return done.out


def test_a_database_follows_all_branches(here: Workshop) -> None:
    assert "upgraded" not in ran(here, "upgrade").out
    assert "the database is at a2, b2" in well(here, "sync --yes")
    assert "nothing to do" in well(here, "sync --yes")

    status = well(here, "status")
    assert "not checked    rollback.sh: the history has several heads" in status
    checked = well(here, "check")
    assert "2 heads of branches that stay apart" in checked

    here.execute("INSERT INTO a VALUES (1, 1)")
    assert "the database is at a2, b2" in well(here, "reset --yes --allow-data-loss")


def test_a_head_that_another_branch_needs_is_no_end(here: Workshop) -> None:
    (here.folder / "mig" / "b" / "b2.py").unlink()
    (here.folder / "mig" / "b" / "b1.py").unlink()
    (here.folder / "mig" / "b").rmdir()
    write_branch(here.folder, "b", needs="a2")

    assert "the database is at b2" in well(here, "sync --yes")
    assert "nothing to do" in well(here, "sync --yes")
    assert "the database is at b2" in well(here, "reset --yes")


def test_a_revision_names_the_head_that_it_follows(here: Workshop) -> None:
    well(here, "sync --yes")
    models = here.folder / "models_apart.py"
    models.write_text(f"{MODELS}sa.Table('c', metadata, sa.Column('id', sa.Integer, primary_key=True))\n")

    unnamed = refusal(ran(here, "revision --message=c"), "db.E202", EXIT_FAILED)
    wrong = refusal(ran(here, "revision --message=c --head=b1"), "usage.E101", EXIT_USAGE)
    written = well(here, "revision --message=c --head=b2")

    assert unnamed.commands == ['antarest-db revision --head=a2 --message="..."']
    assert wrong.fact == "revision b1 is not a head, so a new revision cannot follow it"
    assert "name a2 in depends_on of the file" in written
    assert "rollback.sh" not in written
    project = Project.load(here.folder / "alembic.ini")
    new = project.history[next(id_ for id_ in project.history.order if id_[1:] not in ("1", "2"))]
    assert (new.down, new.path.parent.name) == (("b2",), "b")
    assert "no findings" in well(here, "check")


def test_one_branch_goes_back_with_plain_alembic(here: Workshop) -> None:
    well(here, "sync --yes")

    refused = refusal(ran(here, "rollback"), "db.E209", EXIT_FAILED)
    assert "alembic downgrade a1" in refused.commands
    assert refusal(ran(here, "rollback-script"), "db.E202", EXIT_FAILED).commands == [
        "antarest-db upgrade --to=heads",
        "antarest-db merge",
    ]

    assert here.run("alembic downgrade a1").code == EXIT_DONE
    assert "current        a1, b2" in ran(here, "status").out
