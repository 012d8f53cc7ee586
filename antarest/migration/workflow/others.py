"""Finds other projects to which a database can belong. Running a wrong project would add its tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors.base import AntarestError
from ..errors.facts.project import OtherProject
from ..errors.settings.location import ROOT
from ..project.project import Project
from ..project.settings import INI


def refuse_others(project: Project, others: Sequence[Path], current: Sequence[str], database: str) -> None:
    """Refuse a database that may belong to another project.

    Args:
        project: the project that the command has found.
        others: for each other project around this one, the path of its `alembic.ini`.
        current: the current revisions of the database.
        database: the URL of the database, redacted.

    Raises:
        OtherProject: another project has the revision of the database, and this project lacks it; or the database is
            empty, and it is not clear for which project the database is.
    """
    if other := other_project(project, others, current):
        unknown = project.history.unknown(current)[0]
        fact = f"the database is at revision {unknown}, which the project lacks, and another project has"
        raise OtherProject(fact, project.ini, other, database)
    if others and not current:
        fact = "the database is empty, and it is not clear which of two projects it is for"
        raise OtherProject(fact, project.ini, others[0], database)


def other_project(project: Project, others: Sequence[Path], current: Sequence[str]) -> Path | None:
    """Return the `alembic.ini` of another project that has the revisions that `project` lacks; None if there is none.

    The project of this package counts as another project too.
    """
    unknown = project.history.unknown(current)
    for path in dict.fromkeys((*others, ROOT / INI)) if unknown else ():
        with suppress(AntarestError):  # A project that cannot be read is skipped.
            if path != project.ini and not Project.load(path).history.unknown(unknown):
                return path
    return None
