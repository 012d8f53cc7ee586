"""A project whose models are a text, and the commands that write and check the revisions of the project."""

from __future__ import annotations

import importlib
import sys
from importlib.util import cache_from_source
from pathlib import Path

from sqlalchemy import URL

from antarest.migration.branches import checks
from antarest.migration.branches.writing import Written, write_revision
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from tests.support.projects.checkouts import ROOT
from tests.support.projects.histories import Script, write_project, write_script

SQLITE = DbConfig(URL.create("sqlite", database="nowhere.db"))
HEADER = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
metadata = sa.MetaData()
"""


class Author:
    """A project whose models are a text."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.module = folder, name
        write_project(folder)
        template = (ROOT / "alembic" / "script.py.mako").read_text()
        (folder / "alembic" / "script.py.mako").write_text(template)
        self.settings()

    def settings(self, *lines: str) -> None:
        """Write the section `[antarest]`."""
        ini = self.folder / "alembic.ini"
        text = ini.read_text().partition("[antarest]")[0].partition("prepend")[0]
        section = "\n".join([f"metadata = {self.module}:metadata", *lines])
        head, _, tail = text.partition("path_separator = os\n")
        ini.write_text(f"{head}path_separator = os\n{tail}\n[antarest]\n{section}\n")

    def write(self, *scripts: Script) -> None:
        """Write revisions by hand, one after the other."""
        down: str | None = None
        for script in scripts:
            write_script(self.project.versions[0], script, down)
            down = script.id

    @property
    def project(self) -> Project:
        """The project, with its present files."""
        return Project.load(self.folder / "alembic.ini")

    def models(self, text: str) -> None:
        """Change the models."""
        file = self.folder / f"{self.module}.py"
        file.write_text(HEADER + text)
        Path(cache_from_source(file)).unlink(missing_ok=True)  # Python compares only second and size.
        sys.modules.pop(self.module, None)
        importlib.invalidate_caches()

    def revise(self, db: DbConfig = SQLITE) -> Written:
        """Write a revision from the models."""
        return write_revision(self.project, "change", db=db)

    def findings(self, db: DbConfig = SQLITE) -> list[str]:
        """Return the findings of db.check."""
        return [each.fact for made in checks.check(self.project, None, db) for each in made.failures]

    def not_checked(self, db: DbConfig = SQLITE) -> dict[str, str]:
        """Return what db.check names as not checked, with the reasons."""
        return {each.claim: each.skipped for each in checks.check(self.project, None, db) if each.skipped}
