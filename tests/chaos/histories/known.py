"""The histories that are run here, and the databases that their runs begin with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from antarest.migration.errors.revision import HEAD, Direction
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.chaos.histories import heavy, written
from tests.support.data.database import HISTORY, Database
from tests.support.projects import histories as projects
from tests.support.projects.checkouts import ROOT


@dataclass(frozen=True)
class History:
    """A history, and how much of it is run.

    Attributes:
        name: as reports call it.
        revisions: from the one that an upgrade begins with, and a rollback ends with, to its head.
        write: writes its project into a folder.
        fill: puts rows into the tables of a database.
        is_filled_once: whether a rollback begins with the rows that an upgrade arrived with; else each table is filled.
    """

    name: str
    revisions: tuple[str, ...]
    write: Callable[[Path], object]
    fill: Callable[[URL, Project], object]
    is_filled_once: bool = False


@dataclass(frozen=True)
class Passage:
    """One run of a history, up or down."""

    history: History
    direction: Direction

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"{self.direction} of the {self.history.name} history"

    @property
    def path(self) -> tuple[str, ...]:
        """The revisions that it comes by, with the one that it begins with."""
        revisions = self.history.revisions
        return revisions if self.direction == "upgrade" else revisions[::-1]

    @property
    def start(self) -> str:
        """The revision that it begins with."""
        return self.path[0]

    @property
    def target(self) -> str:
        """The revision that it ends with."""
        return self.path[-1]

    def prepare(self, url: URL, project: Project) -> None:
        """Make an empty database one to begin with."""
        workflow = MigrationWorkflow(project, DbConfig(url))
        if self.direction == "upgrade" or self.history.is_filled_once:
            workflow.upgrade(self.history.revisions[0])
            self.history.fill(url, project)
        if self.direction == "downgrade":
            workflow.upgrade(HEAD)
        if self.direction == "downgrade" and not self.history.is_filled_once:
            self.history.fill(url, project)


def _write_own(folder: Path) -> None:
    # A copy, and not the checkout: nothing there can be changed, whatever happens to a command.
    folder.mkdir(parents=True)
    for name in ("alembic.ini", "alembic"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)


# From here on nearly every table is there to be filled, and the moves of data are still to come.
_FILLED = HISTORY.order.index("38ce5d9f027a")

OWN = History("own", HISTORY.order[_FILLED:], _write_own, lambda url, _project: Database(url).fill())
HEAVY = History(
    "heavy",
    tuple(script.id for script in heavy.scripts()),
    lambda folder: projects.write_project(folder, *heavy.scripts()),
    lambda url, project: projects.Database(url, project).execute(*heavy.FILL),
    is_filled_once=True,
)
WRITTEN = History(
    "written",
    tuple(script.id for script in written.SCRIPTS),
    lambda folder: projects.write_project(folder, *written.SCRIPTS),
    lambda url, project: projects.Database(url, project).execute(*written.FILL),
    is_filled_once=True,
)
PASSAGES = [Passage(history, direction) for history in (OWN, HEAVY) for direction in ("upgrade", "downgrade")]
