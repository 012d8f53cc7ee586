"""Writes revisions as SQL for PostgreSQL, which a DBA can read and run. Alembic needs no database for this."""

from __future__ import annotations

from alembic import command
from sqlalchemy import make_url

from ..errors.base import AntarestError
from ..errors.facts.branches import NotAsSql
from ..errors.facts.loss import Irreversible
from ..errors.revision import BASE, Direction, Revision
from ..errors.settings.db_config import DbConfig
from ..project.env_options import logging_left_alone
from ..project.project import Project
from ..project.revision_files import importing
from ..run.request import REQUEST, RunRequest

_NOWHERE = DbConfig(make_url("postgresql+psycopg2://"))


def upgrade_sql(project: Project, start: str, end: str) -> list[str]:
    """Return the statements that upgrade from one revision to another. Comments name the losses.

    Raises:
        NotAsSql: a revision reads from the database.
    """
    return _write(project, _between(project, start, end), "upgrade", f"{start}:{end}")


def downgrade_sql(project: Project, start: str, end: str) -> list[str]:
    """Return the statements that downgrade from one revision to another. Comments name the losses.

    Raises:
        Irreversible: a revision has no downgrade.
        NotAsSql: a revision reads from the database.
    """
    undone = _between(project, end, start)[::-1]
    for position, revision in enumerate(undone):
        if revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
    return _write(project, undone, "downgrade", f"{start}:{end}")


def _between(project: Project, below: str, above: str) -> list[Revision]:
    history = project.history
    return [history[id_] for id_ in history.pending(() if below == BASE else (below,), above)] if below != above else []


class _Statements(list[str]):
    """A stream that collects the output of Alembic, which writes one statement or comment at a time."""

    def write(self, text: str) -> None:
        """Add a statement or comment."""
        self.append(text)

    def flush(self) -> None:
        """Do nothing, because there is no buffer."""


def _write(project: Project, revisions: list[Revision], direction: Direction, between: str) -> list[str]:
    if not revisions:
        return []
    statements = _Statements(
        f"-- {revision.id} loses {item}: {' '.join(reason.split())}\n"
        for revision in revisions
        for item, reason in revision.lossy.get(direction, {}).items()
    )
    config = project.alembic_config(**{REQUEST: RunRequest(project, _NOWHERE)})
    config.output_buffer = statements  # type: ignore[assignment]  # Alembic only writes to it
    with importing(project.versions), logging_left_alone():
        try:
            (command.upgrade if direction == "upgrade" else command.downgrade)(config, between, sql=True)
        except AntarestError:
            raise
        except (AttributeError, TypeError, ValueError) as error:  # There is no connection, so a query has no result.
            running = next((line for line in reversed(statements) if line.startswith("-- Running ")), between)
            raise NotAsSql(running.split("->")[-1].split()[0], f"{type(error).__name__}: {error}") from error
    return list(statements)
