"""Refuses databases that are not empty and record no revision. An upgrade from base would fail on existing tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from .. import backup
from ..database.catalog import read_catalog
from ..database.connection import looking, read_current
from ..database.record import recorded_elsewhere
from ..database.waits import Tell
from ..errors.base import AntarestError
from ..errors.facts.refusal import Unrecorded
from ..errors.facts.run import ScratchRunFailed
from ..errors.revision import Revision
from ..errors.settings.urls import redact_url
from ..errors.text import shorten
from ..project.project import Project
from ..run.request import RunOutcome, RunRequest
from ..run.segments import refuse_overlap
from ..scratch.migrated import revision_texts
from ..scratch.states import TableStates, table_states

# Matches the names of tables that the text of a revision creates.
_MAKES = re.compile(
    r"\bcreate_table\(\s*[\"'](?P<called>\w+)[\"']"
    r"|\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?[\"'`\\]*(?P<written>\w+)",
    re.IGNORECASE,
)

_MAY_MAKE = re.compile(r"create_table|CREATE\s+(?:UNLOGGED\s+)?TABLE|create_all|rename|\.create\(", re.IGNORECASE)


def before_change(request: RunRequest, outcome: RunOutcome, connection: Connection) -> Path | None:
    """Refuse a run from base on a database that is not empty. Otherwise back up the database, if that is necessary.

    This uses the connection of the run. A second connection might not be available, or might wait for the run.

    Raises:
        Unrecorded: the database has tables of the history, or its revision is recorded elsewhere.
    """
    if not outcome.before and not request.prepare and not request.from_base:
        refuse_start(request.project, connection, (), from_base=False, note=request.listener.note)
    return backup.before_change(request)


def refuse_start(
    project: Project,
    connection: Connection,
    current: tuple[str, ...],
    *,
    from_base: bool,
    note: Tell,
) -> None:
    """Refuse an upgrade of a database whose revision is not known.

    Args:
        project: the Alembic project.
        connection: a connection to the database.
        current: the revisions that the database records.
        from_base: whether the upgrade is allowed to start at base although the database is not empty.
        note: called with a line before a scratch database is made on the server of the database.

    Raises:
        RowsOverlap, Unrecorded: the revision is not known.
    """
    refuse_overlap(project.history, current, redact_url(connection.engine.url))
    if not current and not from_base:
        _refuse_unrecorded(project, connection, note)


def _refuse_unrecorded(project: Project, connection: Connection, note: Tell) -> None:
    """Refuse an upgrade from base if the database has tables of the history, or records its revision elsewhere.

    Raises:
        Unrecorded: the database has such tables or records.
    """
    elsewhere = recorded_elsewhere(connection, project.version_table, project.history)
    present = read_catalog(connection, exclude=project.workflow_tables)
    mentioned = _mentioned(project, present)
    if not elsewhere and not mentioned:
        return  # The database is empty, or none of its tables is of the history.
    states, made = TableStates(), {name for text in revision_texts(project) for name in _made(text)}
    try:
        states = table_states(project, connection, note)
    except ScratchRunFailed:  # The history may need tables that it does not create.
        made |= mentioned
    except AntarestError:
        pass  # Only the texts of the revisions are used.
    ours = sorted(present.keys() & (states.made | made))
    if not ours and not elsewhere:
        return
    if read_current(connection, project.version_table):
        return  # In the meantime, another run has upgraded the database.
    fits = states.fitting(present) if ours else []
    raise Unrecorded(redact_url(connection.engine.url), ours, fits, elsewhere, project.version_table.name)


def note_left_over(request: RunRequest, undone: Iterable[Revision]) -> None:
    """Report the tables that the downgrades of a committed run have left, since the next upgrade would fail on them.

    Args:
        request: the request of the run.
        undone: the revisions that the run has undone.
    """
    project, texts = request.project, [each.text for each in undone]
    with suppress(AntarestError), looking(request.db) as connection:
        current = read_current(connection, project.version_table)
        present = read_catalog(connection, exclude=project.workflow_tables)
        if len(current) > 1 or not any(_may_have_made(text, present) for text in texts):
            return
        states = table_states(project, connection, request.listener.note)
        if tables := states.left_over(present, next(iter(current), None)):
            request.listener.note(f"left behind: {shorten(tables)}, which no downgrade has dropped")


def _may_have_made(text: str, present: Iterable[str]) -> bool:
    """Return whether a revision with this text may create one of these tables, or a table whose name is unknown."""
    made = _made(text)
    return not made.isdisjoint(name.rpartition(".")[2] for name in present) or len(_MAY_MAKE.findall(text)) > len(made)


def _made(text: str) -> set[str]:
    return {found["called"] or found["written"] for found in _MAKES.finditer(text)}


def _mentioned(project: Project, tables: Collection[str]) -> set[str]:
    """Return the tables whose names occur in the texts of the revisions."""
    if not tables:
        return set()  # The database is empty, as usual, so no file needs to be read.
    words = {word for text in revision_texts(project) for word in re.findall(r"\w+", text.lower())}
    return {name for name in tables if name.rpartition(".")[2].lower() in words}
