"""Revisions as SQL, for a DBA: written by Alembic without a database, for PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from alembic import command
from sqlalchemy import make_url

from ..errors.base import AntarestError
from ..errors.facts.branches import NotAsSql
from ..errors.facts.loss import Irreversible
from ..errors.revision import BASE, Direction, Revision
from ..errors.settings.db_config import DbConfig
from ..project.project import Project
from ..project.revision_files import importing
from ..run.move import ATTRIBUTE, Move

_NOWHERE = DbConfig(make_url("postgresql+psycopg2://"))


def upgrade_sql(project: Project, start: str, end: str) -> list[str]:
    """The statements that upgrade from one revision to another, with what they lose as comments.

    Raises:
        NotAsSql: a revision looks at the database.
    """
    if start == end:
        return []
    passed = _between(project, start, end)
    return [*_losses(passed, "upgrade"), *_write(project, f"{start}:{end}", command.upgrade)]


def downgrade_sql(project: Project, start: str, end: str) -> list[str]:
    """The statements that go back from one revision to another, with what they lose as comments.

    Raises:
        Irreversible: a revision cannot be undone.
        NotAsSql: a revision looks at the database.
    """
    if start == end:
        return []
    passed = _between(project, end, start)[::-1]
    for position, revision in enumerate(passed):
        if revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, is_current=position == 0)
    return [*_losses(passed, "downgrade"), *_write(project, f"{start}:{end}", command.downgrade)]


def _between(project: Project, below: str, above: str) -> list[Revision]:
    history = project.history
    return [history[id_] for id_ in history.pending(() if below == BASE else (below,), above)]


def _losses(revisions: list[Revision], direction: Direction) -> Iterator[str]:
    for revision in revisions:
        for item, reason in revision.lossy.get(direction, {}).items():
            yield f"-- {revision.id} loses {item}: {' '.join(reason.split())}\n"


class _Statements(list[str]):
    """Where Alembic writes: one statement, or comment, at a time."""

    def write(self, text: str) -> None:
        """Take what is written."""
        self.append(text)

    def flush(self) -> None:
        """Nothing is kept back."""


def _write(project: Project, span: str, call: Callable[..., Any]) -> list[str]:
    statements, move = _Statements(), Move(project, _NOWHERE)
    config = project.alembic_config(**{ATTRIBUTE: move})
    config.output_buffer = statements  # type: ignore[assignment]  # it is written to, and nothing else
    with importing(project.versions):
        try:
            call(config, span, sql=True)
        except AntarestError:
            raise
        except (AttributeError, TypeError, ValueError) as error:  # There is no connection, and no result of a query.
            running = next((line for line in reversed(statements) if line.startswith("-- Running ")), span)
            raise NotAsSql(running.split("->")[-1].split()[0], f"{type(error).__name__}: {error}") from error
    return list(statements)
