"""How a history is run: by the commands of this project, or by Alembic with the `env.py` of its own template."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

import yaml
from alembic import command
from alembic.config import Config
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_FAILED, EXIT_LOCKED, EXIT_UNREACHABLE
from tests.chaos.histories.known import History, Passage
from tests.chaos.processes import Command
from tests.support.projects.checkouts import ROOT


class Tool(Protocol):
    """A program that runs revisions.

    Attributes:
        name: its name in the table.
    """

    name: str

    def install(self, history: History, folder: Path) -> None:
        """Make a project of a history."""

    def configure(self, project: Path, folder: Path, url: URL, **db: Any) -> None:
        """Write what names the database into a folder; `db` are settings that only we have."""

    def command(self, project: Path, folder: Path, passage: Passage, *, to: str, number: int) -> Command:
        """The command that moves a configured database.

        Args:
            project: where the history was installed.
            folder: where the database was configured.
            passage: whether it goes up or down.
            to: the revision to go to.
            number: which of the ways to say it.
        """

    def threads(self, project: Path, folder: Path) -> Command:
        """The command of a process in which four threads upgrade a configured database."""

    def migrated(self, said: str) -> bool:
        """Whether a run says that it moved the database."""

    def is_clear(self, code: int, said: str) -> bool:
        """Whether a run that failed said so as it should."""


class Ours:
    """This project: `inv db.*`, `python -m antarest.migration`, and `alembic` with our `env.py`, in turn."""

    name = "antarest"

    def install(self, history: History, folder: Path) -> None:
        """Write the history, and our tasks beside it."""
        history.write(folder)
        shutil.copy(ROOT / "tasks.py", folder)

    def configure(self, project: Path, folder: Path, url: URL, **db: Any) -> None:  # noqa: ARG002 - see Tool
        """Write application.yaml."""
        section = {"url": url.render_as_string(hide_password=False), **db}
        (folder / "application.yaml").write_text(yaml.safe_dump({"db": section}), encoding="utf-8")

    def command(self, project: Path, folder: Path, passage: Passage, *, to: str, number: int) -> Command:
        """One of three command lines; a loss that the revisions declare is agreed to."""
        ours, agreed, plain = "upgrade", [], []
        if passage.direction == "downgrade":
            ours, agreed, plain = "rollback", ["--yes", "--allow-data-loss"], ["-x", "allow-data-loss"]
        ways = (
            ("alembic", *plain, passage.direction, to),
            ("inv", f"db.{ours}", f"--to={to}", *agreed),
            ("python", "-m", "antarest.migration", ours, f"--to={to}", *agreed),
        )
        return Command(ways[number % len(ways)], project, self._environment(folder))

    def threads(self, project: Path, folder: Path) -> Command:
        """Each thread calls what an application calls at its start."""
        return Command(("python", "-m", "tests.chaos.threads", "antarest"), project, self._environment(folder))

    def migrated(self, said: str) -> bool:
        """Ours say what was done, and Alembic's logger says each revision."""
        return any(word in said for word in ("upgraded:", "rolled back:", "Running upgrade", "Running downgrade"))

    def is_clear(self, code: int, said: str) -> bool:
        """An error in our shape, without a traceback, and with one of our exit codes."""
        errors = sum(line.startswith("error ") for line in said.splitlines())
        return errors == 1 and "Traceback" not in said and code in (EXIT_FAILED, EXIT_UNREACHABLE, EXIT_LOCKED)

    def _environment(self, folder: Path) -> dict[str, str]:
        return {"ANTAREST_CONF": str(folder / "application.yaml")}


class PlainAlembic:
    """Alembic as `alembic init` leaves it: the `env.py` of its template, with nothing but the URL filled in."""

    name = "alembic"

    def install(self, history: History, folder: Path) -> None:
        """Let Alembic write a project from its template, and give it the revisions."""
        ours = folder.with_name(f"{folder.name}-of-ours")
        history.write(ours)
        folder.mkdir(parents=True)
        with redirect_stdout(io.StringIO()):
            command.init(Config(folder / "alembic.ini"), str(folder / "alembic"))
        shutil.copytree(ours / "alembic" / "versions", folder / "alembic" / "versions", dirs_exist_ok=True)

    def configure(self, project: Path, folder: Path, url: URL, **db: Any) -> None:  # noqa: ARG002 - see Tool
        """Write alembic.ini."""
        text = (project / "alembic.ini").read_text(encoding="utf-8").replace("%(here)s", str(project))
        shown = url.render_as_string(hide_password=False).replace("%", "%%")
        text = text.replace("driver://user:pass@localhost/dbname", shown)
        (folder / "alembic.ini").write_text(text, encoding="utf-8")

    def command(self, project: Path, folder: Path, passage: Passage, *, to: str, number: int) -> Command:  # noqa: ARG002
        """There is one way to say it."""
        return Command(("alembic", "-c", str(folder / "alembic.ini"), passage.direction, to), folder)

    def threads(self, project: Path, folder: Path) -> Command:  # noqa: ARG002 - see Tool
        """Each thread calls `alembic.command.upgrade`."""
        return Command(("python", "-m", "tests.chaos.threads", "alembic"), folder)

    def migrated(self, said: str) -> bool:
        """Its logger says each revision."""
        return "Running " in said

    def is_clear(self, code: int, said: str) -> bool:  # noqa: ARG002 - see Tool
        """Words, and no traceback."""
        return bool(said.strip()) and "Traceback" not in said
