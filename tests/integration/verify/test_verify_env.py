"""What the proof of another project reads in its `env.py`."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_NOT_PROVED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.projects.checkouts import Run
from tests.support.projects.verify import HISTORIES, OTHERS, revisions

pytestmark = pytest.mark.usefixtures("scratch_here")  # The commands start no server.
PROGRAM = "antarest-verify"
EMPTY = """
def upgrade():
    pass


def downgrade():
    pass
"""
ASYNC = """
import asyncio

import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import async_engine_from_config


def configure(connection):
    assert connection.dialect.is_async
    context.configure(connection=connection, target_metadata=sa.MetaData())


async def main():
    url = context.config.get_main_option("sqlalchemy.url")
    options = {"prepare_threshold": None} if url.startswith("postgresql") else {"autocommit": False}
    engine = async_engine_from_config({"sqlalchemy.url": url}, poolclass=sa.NullPool, connect_args=options)
    async with engine.connect() as connection:
        await connection.run_sync(configure)


asyncio.run(main())
"""
MODULE = ("python", "-m", "antarest.migration", "verify")


def test_env_py_is_run_with_nothing_but_the_scratch_database_in_reach(run: Run, tmp_path: Path) -> None:
    """It connects to production with each driver, asks for a variable, and puts all tables into its own schema."""
    flags = (f"--project={HISTORIES.parent / 'runs_env' / 'alembic.ini'}", "--run-env")

    refused = refusal(run(*MODULE, *flags), "db.E210", EXIT_USAGE)
    done = run(PROGRAM, *flags, "--env=SHOP_HOST=shop", "--env=OTHER=1", f"--json={tmp_path / 'found.json'}")

    assert "it raises KeyError: 'SHOP_HOST'" in refused.fact
    assert (done.code, revisions(done)) == (EXIT_DONE, ["a10000000000"]), done.out + done.err
    assert "not read" not in done.out
    assert "on SQLite: env.py: a connection to ('127.0.0.1', 9) was refused\n" in done.out
    assert re.search(r"on SQLite: env.py: sqlite3.connect\('.+/shop.db'\) was refused\n", done.out)
    told = json.loads((tmp_path / "found.json").read_text())["not_tried"]
    refusals = {(each["engine"], each["reason"]) for each in told}
    for driver, engine in itertools.product(("psycopg", "psycopg2"), ("sqlite", "postgresql")):
        assert (engine, f"env.py: {driver}.connect() was refused") in refusals


def test_an_env_py_with_an_async_engine_gets_an_async_driver(run: Run, tmp_path: Path) -> None:
    """The options are for another driver. A module that cannot be imported stands for a computer without the driver."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    (tmp_path / "versions" / "r1.py").write_text(f'revision = "r1"\ndown_revision = None\n{EMPTY}')
    (tmp_path / "env.py").write_text(ASYNC)
    flags = (f"--project={tmp_path / 'alembic.ini'}", "--run-env")

    done = run(*MODULE, *flags)
    (tmp_path / "aiosqlite.py").write_text(f"raise ModuleNotFoundError({'no aiosqlite'!r}, name='aiosqlite')\n")
    without = run(*MODULE, *flags, "--engine=sqlite")
    (tmp_path / "env.py").write_text("import shop_of_nobody\n")
    without_package = run(*MODULE, *flags, "--engine=sqlite")

    # env.py itself gives these options, on each engine.
    assert (done.code, revisions(done)) == (EXIT_DONE, ["r1"]), done.out + done.err
    reasons = {each.partition("; ")[0] for each in re.findall(r"the models: (.+)", done.out)}
    assert reasons == {"the metadata of env.py has no tables"}
    refused = refusal(without, "db.E210", EXIT_USAGE)
    assert "it raises ModuleNotFoundError: no aiosqlite" in refused.fact
    assert refused.commands == ["pip install aiosqlite"]
    assert refusal(without_package, "db.E210", EXIT_USAGE).commands == ["export PYTHONPATH=FOLDER"]


@pytest.mark.parametrize("section", ["", "[antarest]\nrollback_script = rollback.sh\n"])
def test_the_models_are_those_that_an_adopted_env_py_names(run: Run, tmp_path: Path, section: str) -> None:
    """The project has no section `[antarest]` that names the models."""
    (tmp_path / "versions").mkdir()
    settings = "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n"
    (tmp_path / "alembic.ini").write_text(f"{settings}{section}")
    (tmp_path / "versions" / "r1.py").write_text(f'revision = "r1"\ndown_revision = None\n{EMPTY}')
    (tmp_path / "adopted_models.py").write_text("import sqlalchemy as sa\nmetadata = sa.MetaData()\n")
    (tmp_path / "env.py").write_text(
        "from alembic import context\nfrom adopted_models import metadata\n"
        "from antarest.migration import environment\nenvironment.run(context, target_metadata=metadata)\n"
    )

    done = run(*MODULE, f"--project={tmp_path / 'alembic.ini'}", "--engine=sqlite")

    assert "not read" not in done.out
    assert "the models: the metadata of env.py has no tables" in done.out


def test_a_package_that_fails_after_it_has_imported_the_models_is_said(run: Run, tmp_path: Path) -> None:
    for name, text in {
        "alembic.ini": "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n",
        "env.py": "from alembic import context\nfrom pack_that_fails.models import metadata\n"
        "context.configure(target_metadata=metadata)\n",
        "pack_that_fails/__init__.py": "import pack_that_fails.models\nraise ImportError('install the rest')\n",
        "pack_that_fails/models.py": "import sqlalchemy as sa\nmetadata = sa.MetaData()\n",
        "versions/r1.py": f'revision = "r1"\ndown_revision = None\n{EMPTY}',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    done = run(PROGRAM, f"--project={tmp_path / 'alembic.ini'}", "--engine=sqlite")

    lack = "the metadata pack_that_fails.models:metadata cannot be imported: ImportError: install the rest"
    assert f"not proved: the history on SQLite: the models: env.py cannot be used: {lack}" in done.out, done.out
    assert done.code == EXIT_NOT_PROVED


def test_modules_that_env_py_imports_from_a_package_belong_to_the_models(run: Run, tmp_path: Path) -> None:
    """The package imports none of its modules, and the revision uses one that only `env.py` has imported."""
    settings = "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n"
    for name, text in {
        "alembic.ini": settings,
        "env.py": "from alembic import context\nfrom pack_of_tables import base, users\n"
        "context.configure(target_metadata=base.metadata)\n",
        "pack_of_tables/__init__.py": "",
        "pack_of_tables/base.py": "import sqlalchemy as sa\nmetadata = sa.MetaData()\nName = sa.String\n",
        "pack_of_tables/users.py": "import sqlalchemy as sa\nfrom pack_of_tables import base\n"
        "sa.Table('users', base.metadata, sa.Column('name', base.Name(20)))\n",
        "versions/r1.py": "import pack_of_tables\nimport sqlalchemy as sa\nfrom alembic import op\n"
        "revision = 'r1'\ndown_revision = None\ndef upgrade():\n"
        "    op.create_table('users', sa.Column('name', pack_of_tables.base.Name(20)))\n"
        "def downgrade():\n    op.drop_table('users')\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    done = run(PROGRAM, f"--project={tmp_path / 'alembic.ini'}", "--engine=sqlite")

    assert re.findall(r"^(V\d+|not proved)", done.out, re.MULTILINE) == ["V201"], done.out + done.err
    assert "the models" not in done.out


def test_tables_that_env_py_adds_to_its_metadata_are_known_only_if_it_is_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    (tmp_path / "versions" / "r1.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'r1'\ndown_revision = None\n"
        "def upgrade():\n    for name in 'ab':\n        op.create_table(name, sa.Column('x', sa.Integer))\n"
        "def downgrade():\n    for name in 'ba':\n        op.drop_table(name)\n"
    )
    (tmp_path / "two_bases.py").write_text(
        "import sqlalchemy as sa\none, other = sa.MetaData(), sa.MetaData()\n"
        "for name, metadata in {'a': one, 'b': other}.items():\n"
        "    sa.Table(name, metadata, sa.Column('x', sa.Integer))\n"
    )
    (tmp_path / "env.py").write_text(
        "import two_bases\nimport sqlalchemy as sa\nfrom alembic import context\n"
        "target_metadata = two_bases.one\nfor table in two_bases.other.sorted_tables:\n"
        "    table.to_metadata(target_metadata)\n"
        "engine = sa.create_engine(context.config.get_main_option('sqlalchemy.url') or 'sqlite://')\n"
        "context.configure(connection=engine.connect(), target_metadata=target_metadata)\ncontext.run_migrations()\n"
    )
    command = (PROGRAM, f"--project={tmp_path / 'alembic.ini'}", "--engine=sqlite")

    read, ran = run(*command), run(*command, "--run-env")

    assert "V701" not in read.out
    assert "not proved: the history on SQLite: the models: target_metadata after line 6 of env.py cannot be" in read.out
    assert "V701" not in ran.out
    assert "the models" not in ran.out, ran.out + ran.err


def test_foreign_keys_that_env_py_switches_on_are_enforced(run: Run, tmp_path: Path) -> None:
    """The statement is in another module, so only a run of `env.py` shows it."""
    project = shutil.copytree(OTHERS / "foreign_keys_enforced", tmp_path / "project")
    (project / "statements.py").write_text('KEYS = "PRAGMA foreign_keys = ON"\n')
    env = (project / "env.py").read_text().replace('"PRAGMA foreign_keys = ON"', "KEYS")
    (project / "env.py").write_text(f"from statements import KEYS\n{env}")
    with (project / "alembic.ini").open("a") as ini:
        ini.write("prepend_sys_path = %(here)s\n")
    command = (PROGRAM, "--engine=sqlite", f"--project={project / 'alembic.ini'}")

    unseen, seen = run(*command), run(*command, "--run-env")

    assert "V501" not in unseen.out
    assert re.search(r"^    SQLite: \d+ rows of boat$", seen.out, re.MULTILINE), seen.out + seen.err
