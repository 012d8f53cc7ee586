"""A program that calls Alembic gives it a database. The configuration names the database, so two names must agree."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_USAGE
from tests.support.projects.checkouts import run
from tests.support.projects.histories import Script, write_project

PROGRAM = """\
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

config = Config("alembic.ini")
{}
command.upgrade(config, "head")
"""
CALLS = {
    "a connection": (
        'config.attributes["connection"] = sa.create_engine("sqlite:///tests.db").connect()',
        "the caller gives a connection in config.attributes, and the workflow opens the connection itself",
    ),
    "a file": (
        'config.set_main_option("sqlalchemy.url", "sqlite:///tests.db")',
        "sqlalchemy.url names sqlite:///tests.db, and the configuration sqlite:///",
    ),
    "memory": (
        'config.set_main_option("sqlalchemy.url", "sqlite://")',
        "sqlalchemy.url names sqlite:///:memory:, and the configuration sqlite:///",
    ),
    "a server": (
        'config.set_main_option("sqlalchemy.url", "postgresql+asyncpg://me:s3cret@localhost/shop")',
        "sqlalchemy.url names postgresql://me:***@localhost/shop, and the configuration sqlite:///",
    ),
}
SAME = ["sqlite:///shop.db", "sqlite+aiosqlite:///./shop.db", "driver://user:pass@localhost/dbname"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project whose configuration names shop.db."""
    write_project(tmp_path, Script("one", 'sql("CREATE TABLE t (id INTEGER)")'))
    (tmp_path / "application.yaml").write_text("db:\n  url: sqlite:///shop.db\n")
    return tmp_path


@pytest.mark.parametrize(("call", "fact"), CALLS.values(), ids=CALLS)
def test_another_database_is_refused(shop: Path, call: str, fact: str) -> None:
    """Otherwise the configured database would be upgraded, instead of the one of a test."""
    (shop / "program.py").write_text(PROGRAM.format(call))

    ran = run(sys.executable, "program.py", cwd=shop, traceback=True)

    assert ran.code != EXIT_DONE
    assert fact in ran.err
    assert "s3cret" not in ran.err
    assert not (shop / "shop.db").exists()


def test_plain_alembic_refuses_another_database_too(shop: Path) -> None:
    ini = shop / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nsqlalchemy.url = sqlite:///tests.db\n"))

    upgraded = run(sys.executable, "-m", "alembic", "upgrade", "head", cwd=shop)

    assert upgraded.code == EXIT_USAGE
    assert "error db.E210: alembic.ini cannot be used: sqlalchemy.url names sqlite:///tests.db" in upgraded.err
    assert not list(shop.glob("*.db"))


@pytest.mark.parametrize("url", SAME)
def test_the_same_database_is_no_other_one(shop: Path, url: str) -> None:
    (shop / "program.py").write_text(PROGRAM.format(f'config.set_main_option("sqlalchemy.url", "{url}")'))

    ran = run(sys.executable, "program.py", cwd=shop)

    assert ran.code == EXIT_DONE, ran.err
    assert (shop / "shop.db").exists()
