"""Refuses databases that are not empty and record no revision. An upgrade from base would fail on their tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from .. import backup
from ..database.catalog import read_catalog
from ..database.connection import looking, read_current
from ..database.record import recorded_elsewhere
from ..errors.base import AntarestError
from ..errors.facts.refusal import Unrecorded
from ..errors.settings.urls import redact_url
from ..errors.text import shorten
from ..project.project import Project
from ..run.request import RunOutcome, RunRequest
from ..run.segments import refuse_overlap
from ..scratch.states import TableStates, table_states

# Tables that a revision makes, as its text names them.
_MAKES = re.compile(
    r"\bcreate_table\(\s*[\"'](?P<called>\w+)[\"']"
    r"|\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?[\"'`\\]*(?P<written>\w+)",
    re.IGNORECASE,
)


def before_change(request: RunRequest, outcome: RunOutcome, connection: Connection) -> Path | None:
    """Refuse a run from base on a database that is not empty. Otherwise back up the database with `backup`.

    It uses the connection of the run, because a pooler may have no second one, and others may wait for this one.

    Raises:
        Unrecorded: the database has tables of the history, or its revision is recorded elsewhere.
    """
    if not outcome.before and not request.prepare and not request.from_base:
        refuse_start(request.project, connection, (), from_base=False)
    return backup.before_change(request)


def refuse_start(project: Project, connection: Connection, current: tuple[str, ...], *, from_base: bool) -> None:
    """Refuse an upgrade of a database whose revision is not known.

    Args:
        project: the project.
        connection: a connection to the database.
        current: the revisions that the database records.
        from_base: whether the upgrade may start at base although the database is not empty.

    Raises:
        RowsOverlap, Unrecorded: the revision is not known.
    """
    refuse_overlap(project.history, current, redact_url(connection.engine.url))
    if not current and not from_base:
        _refuse_unrecorded(project, connection)


def _refuse_unrecorded(project: Project, connection: Connection) -> None:
    """Refuse an upgrade from base if the database has tables of the history, or records its revision elsewhere.

    Raises:
        Unrecorded: the database has such tables or records.
    """
    elsewhere = recorded_elsewhere(connection, project.version_table, project.history)
    present = read_catalog(connection, exclude=project.workflow_tables)
    if not elsewhere and not _names_any(project, present):
        return  # The database is empty, or none of its tables is of the history.
    states = TableStates()
    with suppress(AntarestError):  # Then the texts of the revisions have to do.
        states = table_states(project)
    ours = sorted(present.keys() & (states.made | set(_named(project))))
    if not ours and not elsewhere:
        return
    if read_current(connection, project.version_table):
        return  # Another run has upgraded it in the meantime.
    fits = states.fitting(present) if ours else []
    raise Unrecorded(redact_url(connection.engine.url), ours, fits, elsewhere, project.version_table.name)


def note_left_over(request: RunRequest) -> None:
    """Report the tables that the downgrades of a committed run have left, since the next upgrade would fail on them."""
    project = request.project
    with suppress(AntarestError), looking(request.db) as connection:
        current = read_current(connection, project.version_table)
        present = read_catalog(connection, exclude=project.workflow_tables)
        if len(current) <= 1 and (tables := table_states(project).left_over(present, next(iter(current), None))):
            request.listener.note(f"left behind: {shorten(tables)}, which no downgrade has dropped")


def _names_any(project: Project, tables: Iterable[str]) -> bool:
    """Return whether the text of a revision contains the name of one of these tables."""
    names = {name.rpartition(".")[2].lower() for name in tables}
    return bool(names) and any(not names.isdisjoint(re.findall(r"\w+", text.lower())) for text in _texts(project))


def _texts(project: Project) -> Iterator[str]:
    return (project.history[id_].path.read_text(encoding="utf-8", errors="replace") for id_ in project.history.order)


def _named(project: Project) -> Iterator[str]:
    for content in _texts(project):
        yield from (found["called"] or found["written"] for found in _MAKES.finditer(content))
