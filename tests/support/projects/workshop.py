"""A folder with one of the histories in `tests/histories` and its database, where a test runs commands."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.commands import table
from antarest.migration.errors.base import EXIT_FAILED, NOTHING_CHANGED
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.schema.reflection import reflect
from antarest.migration.verify.rows.snapshots import snapshot
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.checks.refusals import Refusal, parse, refusal
from tests.support.projects.checkouts import ROOT, Result, run

COUNTRY = "a00000000000"  # the first revision of each history
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
_OTHERS = ("backups", "__pycache__")


@dataclass(frozen=True)
class Workshop:
    """A copy of a history, with our tasks and a configuration file beside it.

    Attributes:
        folder: the folder of the copy.
        url: the database to watch; None if there is none.
    """

    folder: Path
    url: URL | None = None

    @classmethod
    def create(cls, parent: Path, history: str = "merge", url: URL | None = None, **db: object) -> Workshop:
        """Copy a history, and configure a database, with further settings of the section db."""
        folder = parent / history
        shutil.copytree(ROOT / "tests" / "histories" / history, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tasks.py", folder)
        workshop = cls(folder, url)
        if url is not None:
            section = {"url": url.render_as_string(hide_password=False), **db}
            workshop.configure(yaml.safe_dump({"db": section}))
        return workshop

    @property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on the database."""
        assert self.url
        return MigrationWorkflow(Project.load(self.folder / "alembic.ini"), DbConfig(self.url))

    def configure(self, content: str) -> None:
        """Write the configuration file of the folder."""
        (self.folder / "application.yaml").write_text(content, encoding="utf-8")

    def watching(self, url: URL | None) -> Workshop:
        """Return the same folder with another database to watch."""
        return Workshop(self.folder, url)

    def execute(self, *statements: str) -> None:
        """Run statements on its database, and commit."""
        assert self.url
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def at_country(self) -> Workshop:
        """Put the database at the first revision, with a row, without Alembic: it may not read the history at all."""
        self.execute(
            "CREATE TABLE country (id INTEGER PRIMARY KEY, name VARCHAR)",
            "INSERT INTO country VALUES (1, 'France')",
            "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{COUNTRY}')",
        )
        return self

    def ours(self, verb: str, flags: str = "") -> str:
        """Return a command of ours: with Invoke for SQLite, and without it for PostgreSQL."""
        assert self.url
        start = "inv db." if self.url.get_backend_name() == "sqlite" else "python -m antarest.migration "
        return f"{start}{verb} {flags}"

    def run(self, command: str, **env: str) -> Result:
        """Run a command in the folder."""
        return run(*shlex.split(command), cwd=self.folder, env={**ENVIRONMENT, **env})

    def refused(self, command: str, code: str, exit_code: int = EXIT_FAILED, **env: str) -> Refusal:
        """Run a command that must be refused with this error, without changing anything."""
        before = self.state()
        refused = refusal(self.run(command, **env), code, exit_code)
        assert refused.state.startswith(NOTHING_CHANGED)
        assert self.state() == before
        return refused

    def refused_here(
        self, capsys: pytest.CaptureFixture[str], verb: str, exit_code: int = EXIT_FAILED, **options: Any
    ) -> Refusal:
        """Like `refused`, but in this process, which saves the half second that a new process needs to start."""
        before = self.state()
        config, project = self.folder / "application.yaml", self.folder / "alembic.ini"
        capsys.readouterr()
        code = table.run(verb, config=str(config), project=str(project), **options)
        refused = parse(capsys.readouterr().err)
        assert code == exit_code
        assert refused.state.startswith(NOTHING_CHANGED)
        assert self.state() == before
        return refused

    def state(self) -> object:
        """Return every file in the folder but backups and compiled files, with the contents of the database."""
        if self.url is None:
            return _files(self.folder)
        if self.url.get_backend_name() == "sqlite":
            return _files(self.folder), _files(Path(str(self.url.database)).parent)
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return _files(self.folder), reflect(connection, exclude=()), snapshot(connection, exclude=())


def _files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name not in _OTHERS)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
