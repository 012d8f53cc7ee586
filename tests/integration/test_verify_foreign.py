"""`db.verify` on projects that do not use this workflow: its flags, the parts that it cannot prove, and `env.py`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_NOT_PROVED, EXIT_USAGE
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, PostgresServer
from tests.refusals import refusal
from tests.support import Result, Run
from tests.support_verify import HISTORIES, OTHERS, ini_of

PROGRAM = "antarest-verify"
EMPTY = """
def upgrade():
    pass


def downgrade():
    pass
"""
ASYNC = """
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import async_engine_from_config


async def main():
    async with async_engine_from_config({"sqlalchemy.url": context.config.get_main_option("sqlalchemy.url")}).connect():
        pass


asyncio.run(main())
"""
MODULE = ("python", "-m", "antarest.migration", "verify")


@pytest.fixture(autouse=True)
def _one_server(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands take the server of this run, and start none."""
    monkeypatch.setenv(URL_VARIABLE, postgres.url.render_as_string(hide_password=False))
    monkeypatch.setenv(KIND_VARIABLE, "url")


def revisions(done: Result) -> list[str]:
    """The revisions that it printed a line for."""
    return re.findall(r"^([0-9a-f]{12}|[ar]\d) ", done.out, re.MULTILINE)


def test_an_error_that_nobody_expects_leaves_only_its_own_part_unproved(run: Run, tmp_path: Path) -> None:
    rows, found = tmp_path / "rows.py", tmp_path / "found.json"
    rows.write_text('def values_at(revisions):\n    return {1 / ("b00000000000" not in revisions): []} and {}\n')

    flags = (
        f"--project={ini_of('clean_move')}",
        "--engine=sqlite",
        f"--rows-from={rows}",
        f"--json={found}",
        "--debug",
    )
    done = run(PROGRAM, *flags, traceback=True)

    assert done.code == EXIT_NOT_PROVED
    assert "error db.E805: db.verify has no finding, and 2 things could not be proved" in done.err
    assert "ZeroDivisionError" in done.err
    data = json.loads(found.read_text())
    assert (data["findings"], data["complete"], data["clean"]) == ([], False, False)
    assert [(each["revision"], each["reason"]) for each in data["not_proved"]] == [
        ("b00000000000", "the rows after the upgrade: ZeroDivisionError: division by zero"),
        ("", "the changes to rows at head: ZeroDivisionError: division by zero"),
    ]
    assert all("rows.py" in each["traceback"] for each in data["not_proved"])
    assert revisions(done) == ["a00000000000", "b00000000000"]


def test_a_history_starts_from_tables_that_something_else_makes(run: Run, tmp_path: Path) -> None:
    shutil.copytree(OTHERS / "tables_from_elsewhere", tmp_path / "project")
    flags = ("--versions=versions", "--start=sqlite=start.sql,postgresql=elsewhere:make")

    done = run(PROGRAM, *flags, cwd=tmp_path / "project")
    wrong = refusal(run(*MODULE, *flags[:1], "--start=nothing", cwd=tmp_path / "project"), "usage.E101", EXIT_USAGE)

    assert (done.code, revisions(done)) == (EXIT_DONE, ["r1"]), done.out + done.err
    assert wrong.fact == "--start is 'nothing'"


def test_env_py_is_run_with_nothing_but_the_scratch_database_in_reach(run: Run) -> None:
    """It connects to production, opens a file, asks for a variable, and puts everything into a schema of its own."""
    flags = (f"--project={HISTORIES.parent / 'runs_env' / 'alembic.ini'}", "--run-env")

    refused = refusal(run(*MODULE, *flags), "db.E210", EXIT_USAGE)
    done = run(PROGRAM, *flags, "--env=SHOP_HOST=shop", "--env=OTHER=1")

    assert "it raises KeyError: 'SHOP_HOST'" in refused.fact
    assert (done.code, revisions(done)) == (EXIT_DONE, ["a10000000000"]), done.out + done.err
    assert "not read" not in done.out
    assert "on SQLite: env.py: a connection to ('127.0.0.1', 9) was refused\n" in done.out
    assert re.search(r"on SQLite: env.py: sqlite3.connect\('.+/shop.db'\) was refused\n", done.out)


def test_an_env_py_with_an_async_engine_gets_an_async_driver(run: Run, tmp_path: Path) -> None:
    """It is not among the packages of this project, so a module of its name stands for a computer without it."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    (tmp_path / "versions" / "r1.py").write_text(f'revision = "r1"\ndown_revision = None\n{EMPTY}')
    (tmp_path / "env.py").write_text(ASYNC)
    (tmp_path / "aiosqlite.py").write_text(f"raise ModuleNotFoundError({'no aiosqlite'!r}, name='aiosqlite')\n")

    done = run(*MODULE, f"--project={tmp_path / 'alembic.ini'}", "--run-env", "--engine=sqlite")

    refused = refusal(done, "db.E210", EXIT_USAGE)
    assert "it raises ModuleNotFoundError: no aiosqlite" in refused.fact
    assert refused.commands == ["pip install aiosqlite"]


def test_a_module_that_is_called_like_one_of_python_hides_nothing(run: Run) -> None:
    done = run(PROGRAM, f"--project={OTHERS / 'package_hides_stdlib' / 'alembic.ini'}")

    assert (done.code, revisions(done)) == (EXIT_DONE, ["a1"]), done.err
