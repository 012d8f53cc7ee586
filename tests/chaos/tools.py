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
        name: the name of the tool in the table.
    """

    name: str

    def install(self, history: History, folder: Path) -> None:
        """Make a project of a history."""

    def configure(self, project: Path, folder: Path, url: URL, **db: Any) -> None:
        """Write the file that names the database into a folder; `db` are settings that only our own tool has."""

    def command(self, project: Path, folder: Path, passage: Passage, *, to: str, number: int) -> Command:
        """The command that moves a configured database.

        Args:
            project: the folder of the project with the history.
            folder: the folder with the configuration.
            passage: the passage, whose direction is used.
            to: the revision to go to.
            number: the number of the command line, if there are several for the same work.
        """

    def threads(self, project: Path, folder: Path) -> Command:
        """The command of a process in which four threads upgrade a configured database."""

    def migrated(self, said: str) -> bool:
        """Return whether a run says that it moved the database."""

    def is_clear(self, code: int, said: str) -> bool:
        """Return whether a run that failed has a clear error."""


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
        """Return one of three command lines. It agrees to the losses that the revisions declare."""
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
        """Return the command. Each thread calls the function that an application calls at its start."""
        return Command(("python", "-m", "tests.chaos.threads", "antarest"), project, self._environment(folder))

    def migrated(self, said: str) -> bool:
        """Our commands print what was done, and Alembic's logger prints each revision."""
        return any(word in said for word in ("upgraded:", "rolled back:", "Running upgrade", "Running downgrade"))

    def is_clear(self, code: int, said: str) -> bool:
        """The error has our form and one of our exit codes, and there is no traceback."""
        errors = sum(line.startswith("error ") for line in said.splitlines())
        return errors == 1 and "Traceback" not in said and code in (EXIT_FAILED, EXIT_UNREACHABLE, EXIT_LOCKED)

    def _environment(self, folder: Path) -> dict[str, str]:
        return {"ANTAREST_CONF": str(folder / "application.yaml")}


class PlainAlembic:
    """Alembic as `alembic init` leaves it: the `env.py` of its template, in which only the URL is filled in."""

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
        """Return the only command line for this passage."""
        return Command(("alembic", "-c", str(folder / "alembic.ini"), passage.direction, to), folder)

    def threads(self, project: Path, folder: Path) -> Command:  # noqa: ARG002 - see Tool
        """Each thread calls `alembic.command.upgrade`."""
        return Command(("python", "-m", "tests.chaos.threads", "alembic"), folder)

    def migrated(self, said: str) -> bool:
        """Alembic's logger prints each revision."""
        return "Running " in said

    def is_clear(self, code: int, said: str) -> bool:  # noqa: ARG002 - see Tool
        """There is an error text, and no traceback."""
        return bool(said.strip()) and "Traceback" not in said
