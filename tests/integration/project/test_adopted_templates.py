"""A project from each template of Alembic is adopted with `docs/adopting.md`, on the engine that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE
from tests.support.projects.checkouts import ROOT, Result, run

PAGE = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")
MODELS = """\
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""
APP = """\
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from models import Base

db = SQLAlchemy(model_class=Base)

def create_app():
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///never.db"
    db.init_app(app)
    Migrate(app, db)
    return app
"""


def block(name: str) -> str:
    """Return the content of a file that the page shows."""
    found = re.search(rf"<!-- file: \.\./shop/{re.escape(name)} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


def adopt(folder: Path, template: str) -> None:
    """Create a project from a template, with models, and follow the page."""
    (folder / "models.py").write_text(MODELS)
    env = folder / "migrations" / "env.py"
    if template == "flask":
        (folder / "app.py").write_text(APP)
        made = run("flask", "db", "init", cwd=folder)
        ini = folder / "migrations" / "alembic.ini"
        ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nprepend_sys_path = %(here)s/..\n"))
        env.write_text(block("flask_env.py"))
    else:
        made = run("alembic", "init", "--template", template, "migrations", cwd=folder)
        kept = env.read_text().partition("def run_migrations_offline")[0]
        assert "fileConfig(" in kept
        env.write_text(f"{kept}\n{block('migrations/env.py')}")
    assert made.code == EXIT_DONE, made.err


@pytest.mark.parametrize(
    ("template", "engine"),
    [
        ("generic", "sqlite"),
        ("async", "postgresql"),
        ("pyproject", "sqlite"),
        ("pyproject_async", "postgresql"),
        ("flask", "sqlite"),
    ],
)
@pytest.mark.usefixtures("postgres")
def test_a_project_of_a_template_is_adopted(
    template: str, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url: URL = request.getfixturevalue(f"{'postgres' if engine == 'postgresql' else 'sqlite'}_database")
    adopt(tmp_path, template)
    config = tmp_path / "application.yaml"
    config.write_text(f"db:\n  url: {url.render_as_string(hide_password=False)}\n")
    (tmp_path / "src").mkdir()

    def db(*words: str) -> Result:
        done = run(
            "antarest-db", *words, cwd=tmp_path / "src", env={"ANTAREST_CONF": str(tmp_path / "application.yaml")}
        )
        assert (done.code, done.err) == (EXIT_DONE, ""), done.out
        return done

    db("revision", "--message=customers")
    assert "customer" in next((tmp_path / "migrations" / "versions").glob("*.py")).read_text()
    upgraded = db("upgrade")
    assert f"project        {tmp_path}" in upgraded.out
    assert "models equal to the migrations" in db("check").out
    assert "drops table customer (empty)" in db("rollback", "--dry-run").out
    db("rollback", "--yes")
    db("upgrade")
    assert "(head)" in db("status").out


def test_the_page_names_each_template() -> None:
    for name in ("generic", "async", "pyproject", "pyproject_async", "multidb"):
        assert f"`{name}`" in PAGE
