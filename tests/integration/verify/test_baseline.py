"""A baseline accepts the faults of an old history by the hashes of its files, and no later fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.errors.baseline import FILE_NAME
from tests.support.checks.refusals import refusal
from tests.support.projects.checkouts import Result, run
from tests.support.projects.histories import Script, write_project, write_script

OLD = (
    Script(
        "one",
        "op.create_table('customer', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String(9)))",
        "op.drop_table('customer')",
    ),
    Script("two", "op.drop_column('customer', 'name')", "pass"),
)
DROPS = Script("three", "op.execute('DELETE FROM customer')")
MODELS = "import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('gone', metadata, sa.Column('id', sa.Integer))\n"
ENV = """\
from alembic import context
from models_of_baseline import metadata
from antarest.migration import environment

environment.run(context, target_metadata=metadata)
"""


@pytest.mark.usefixtures("postgres")
def test_gates_are_green_on_the_day_of_adoption_and_red_for_what_comes(tmp_path: Path, sqlite_database: URL) -> None:
    project = write_project(tmp_path, *OLD)
    project.env.path.write_text(ENV)
    (tmp_path / "models_of_baseline.py").write_text(MODELS)
    ini = project.ini.read_text().replace("[alembic]\n", "[alembic]\nprepend_sys_path = %(here)s\n")
    project.ini.write_text(f"{ini}\n[antarest]\nrollback_script = rollback.sh\n")
    config = tmp_path / "application.yaml"
    config.write_text(f"db:\n  url: {sqlite_database}\n")

    def db(*words: str) -> Result:
        return run("antarest-db", *words, cwd=tmp_path, env={"ANTAREST_CONF": str(config)})

    assert db("rollback-script").code == EXIT_DONE
    refusal(db("check"), "db.E802", EXIT_FAILED)
    refusal(db("verify", "--engine=sqlite"), "db.E803", EXIT_FAILED)
    assert db("upgrade", "--to=one").code == EXIT_DONE
    database = run("sqlite3", str(sqlite_database.database), "INSERT INTO customer VALUES (1, 'me')")
    assert database.code == EXIT_DONE
    refusal(db("upgrade"), "db.E501", EXIT_FAILED)

    made = db("baseline", "--engine=sqlite")

    assert made.code == EXIT_DONE, made.err
    assert json.loads((tmp_path / FILE_NAME).read_text())["losses"]["two"] == {"upgrade": ["customer.name"]}
    assert db("verify", "--engine=sqlite").code == EXIT_DONE
    checked = db("check")
    assert checked.code == EXIT_DONE, checked.out
    assert f"in {FILE_NAME}" in checked.out
    assert db("upgrade").code == EXIT_DONE
    refusal(db("baseline"), "usage.E101", EXIT_USAGE)

    two = write_script(project.versions[0], OLD[1], "one")
    two.write_text(f"{two.read_text()}# edited\n")
    refusal(db("verify", "--engine=sqlite"), "db.E803", EXIT_FAILED)
    write_script(project.versions[0], OLD[1], "one")
    assert db("verify", "--engine=sqlite").code == EXIT_DONE
    write_script(project.versions[0], DROPS, "two")
    db("rollback-script")
    refusal(db("verify", "--engine=sqlite"), "db.E803", EXIT_FAILED)
