"""Runs revisions on a scratch database, without `env.py`: to see what they do, never to move one that is used."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.catalog import Tables, read_catalog
from ..database.connection import moving
from ..database.watched_connection import Watcher, set_watcher
from ..errors.base import AntarestError
from ..errors.facts.run import ScratchRunFailed
from ..errors.settings.urls import ENGINES
from ..losses.tracking import open_tracker
from ..losses.tracking.base import ChangeTracker, NotAllowed
from ..project.project import Project
from ..project.revision_files import importing
from ..run.revision_operations import revision_operations
from ..run.segments import let_blocks_pass
from .cache import Shelf
from .databases import scratch_database


@contextmanager
def scratch_at(project: Project, revisions: Collection[str]) -> Iterator[Connection]:
    """Open a connection, without a transaction, to a scratch SQLite database at these revisions.

    What has run them before is taken from the shelf; what is new runs, and is kept there.
    """
    order = _order(project, revisions)
    shelf = Shelf(project, order)
    with scratch_database("sqlite") as url:
        file = Path(str(url.database))
        if shelf.take(file) < len(order):
            with moving(url) as connection:
                upgrade(connection, project, revisions)
            shelf.keep(file)
        with moving(url) as connection:
            yield connection


def _order(project: Project, revisions: Collection[str]) -> Sequence[str]:
    return project.history.in_order(project.history.applied(map(project.history.resolve, revisions)))


def upgrade(
    connection: Connection,
    project: Project,
    revisions: Collection[str],
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Upgrade a scratch database to these revisions, and commit."""
    script = _scripts(project)
    for revision in revisions:
        _run(connection, project, script, partial(script._upgrade_revs, revision), on_step)  # noqa: SLF001 - as `command`


def undo(
    connection: Connection,
    project: Project,
    revisions: Sequence[str],
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Downgrade these revisions on a scratch database, in this order, and commit."""
    script = _scripts(project)

    def steps(_current: object) -> Iterator[Any]:
        for id_ in revisions:
            yield MigrationStep.downgrade_from_script(script.revision_map, script.get_revision(id_))

    _run(connection, project, script, steps, on_step)


def _scripts(project: Project) -> ScriptDirectory:
    """Alembic's view of the revision files, all of them imported."""
    script = ScriptDirectory.from_config(project.alembic_config())
    with importing(project.versions):
        _ = script.get_heads()
    return script


@dataclass(frozen=True)
class Walked:
    """What a downgrade did to the tables of a scratch database.

    Attributes:
        revision: whose downgrade it was.
        dropped: the tables and columns ("table", "table.column") that are gone.
        renamed: the new name of those that have another one now; a column that a rebuild renames is gone.
    """

    revision: str
    dropped: list[str]
    renamed: dict[str, str]


def walk_down(project: Project, current: Collection[str], undone: Sequence[str]) -> list[Walked]:
    """Find what the downgrade of each of these revisions does to the tables, in this order.

    It is found by doing it, on an empty scratch SQLite database: no live table is locked, and nothing is guessed.
    """
    result: list[Walked] = []
    with scratch_at(project, current) as connection:
        tracker = open_tracker(connection, exclude=project.own_tables)
        tracker.look()
        before = tracker.tables
        connection.rollback()

        def note(revision: str) -> None:
            nonlocal before
            tracker.look()
            result.append(_compare(revision, before, tracker.tables))
            before = tracker.tables

        set_watcher(connection, _Follower(tracker))  # Only who sees each statement knows a rename from a drop.
        undo(connection, project, undone, note)
        set_watcher(connection, None)
    return result


class _Follower(Watcher):
    """Lets a tracker follow the statements, and the transaction take its course."""

    def __init__(self, tracker: ChangeTracker) -> None:
        self._tracker = tracker

    def before(self, statement: str) -> None:
        with suppress(NotAllowed):
            self._tracker.before(statement)

    def after(self, statement: str) -> None:
        with suppress(NotAllowed):
            self._tracker.after(statement)


def tables_of_history(project: Project) -> set[str]:
    """Every table that some revision of the history has, also those that a later one drops or renames."""
    shelf = Shelf(project, _order(project, project.history.heads))
    if (noted := shelf.recall()) is not None:
        return set(noted)
    tables: set[str] = set()
    exclude = project.own_tables
    with scratch_database("sqlite") as url, moving(url) as connection:
        upgrade(
            connection,
            project,
            project.history.heads,
            lambda _revision: tables.update(read_catalog(connection, exclude=exclude)),
        )
    shelf.note(sorted(tables))
    return tables


def _compare(revision: str, before: Tables, after: Tables) -> Walked:
    """What became of the tables, which keep their identity, and of those that were rebuilt, which keep their name."""
    alive = {table.identity: table for table in after.values()}
    dropped, renamed = [], {}
    for name, table in sorted(before.items()):
        now = alive.get(table.identity) or after.get(name)
        if now is None:
            dropped.append(name)
            continue
        if now.name != name:
            renamed[name] = now.name
        names = {identity: column for column, identity in now.columns.items()}
        is_same = now.identity == table.identity
        for column, identity in sorted(table.columns.items()):
            found = names.get(identity) if is_same else column if column in now.columns else None
            if found is None:
                dropped.append(f"{name}.{column}")
            elif found != column:
                renamed[f"{name}.{column}"] = f"{now.name}.{found}"
    return Walked(revision, sorted(dropped, key=lambda item: ("." in item, item)), renamed)


def _run(
    connection: Connection,
    project: Project,
    script: ScriptDirectory,
    steps_of: Callable[[Any], Iterable[Any]],
    on_step: Callable[[str], None] | None,
) -> None:
    running: list[tuple[str, str]] = []

    def steps(current: Any, _context: Any) -> Iterator[Any]:
        for step in steps_of(current):
            running[:] = [(step.revision.revision, "upgrade" if step.is_upgrade else "downgrade")]
            yield step
            if on_step:
                on_step(step.revision.revision)
        running.clear()

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "script": script, "as_sql": False, **project.alembic_options()}
    )
    if connection.dialect.name == "sqlite":
        let_blocks_pass(context)
    try:
        with _silence(), revision_operations(context), context.begin_transaction():
            context.run_migrations()
    except Exception as error:
        if not running or isinstance(error, AntarestError):
            raise
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise ScratchRunFailed(*running[0], reason, ENGINES[connection.dialect.name]) from error


@contextmanager
def _silence() -> Iterator[None]:
    """What revisions print or warn of when they run on a scratch database is not about anybody's database."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
