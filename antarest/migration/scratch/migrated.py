"""Scratch databases at a revision of a project, and facts about its revisions that are learned on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from ..database.catalog import Tables
from ..database.connection import moving
from ..database.driver_connections import Attempt, Watcher, set_watcher
from ..errors.facts.run import ScratchRunFailed
from ..losses.tracking import open_tracker
from ..losses.tracking.base import ChangeTracker, NotAllowed
from ..project.project import Project
from ..schema.objects import ObjectKey, read_objects
from .cache import ScratchCache
from .databases import EngineName, NoPostgres, PostgresServer, postgres_server, scratch_database
from .runner import ScratchRunner


@contextmanager
def scratch_at(project: Project, revisions: Collection[str]) -> Iterator[Connection]:
    """Open a connection, without a transaction, to a scratch SQLite database at these revisions.

    Revisions that have run before come from the cache. Others run, and the cache keeps the result.
    """
    order = _order(project, revisions)
    cache = ScratchCache(project, order)
    with scratch_database("sqlite") as url:
        file = Path(str(url.database))
        if cache.copy_to(file) < len(order):
            with moving(url) as connection:
                ScratchRunner.of(project).upgrade(connection, revisions)
            cache.store(file)
        with moving(url) as connection:
            yield connection


def objects_of_history(project: Project, url: URL) -> set[ObjectKey]:
    """Find every object that some revision of the history has, also if a later revision drops or renames it.

    For a PostgreSQL database the revisions run on a scratch PostgreSQL. Where none is available, or where the history
    cannot run on it, they run on a new database on the server of `url`.

    Args:
        project: the project.
        url: the database that the objects are for.

    Raises:
        NoPostgres, ScratchRunFailed: the history cannot be run anywhere.
    """
    engine: EngineName = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
    cache = ScratchCache(project, _order(project, project.history.heads))
    if (cached := cache.objects(engine)) is not None:
        return {ObjectKey(*each) for each in cached}
    if engine == "sqlite":
        made = _objects_made(project, engine, None)
    else:
        try:
            with postgres_server() as server:
                made = _objects_made(project, engine, server)
        except (NoPostgres, ScratchRunFailed) as error:
            try:
                made = _objects_made(project, engine, PostgresServer(url, "url", ""))
            except DBAPIError:  # This role may not create a database.
                raise error from None
    cache.store_objects(engine, sorted(made))
    return made


def _objects_made(project: Project, engine: EngineName, server: PostgresServer | None) -> set[ObjectKey]:
    made: set[ObjectKey] = set()
    with scratch_database(engine, server) as url, moving(url) as connection:
        ScratchRunner.of(project).upgrade(
            connection,
            project.history.heads,
            lambda _revision: made.update(each.key for each in read_objects(connection)),
        )
    return made - {ObjectKey("table", name) for name in project.workflow_tables}


def _order(project: Project, revisions: Collection[str]) -> Sequence[str]:
    return project.history.in_order(project.history.applied(map(project.history.resolve, revisions)))


@dataclass(frozen=True)
class DowngradeEffect:
    """The effect of a downgrade on the tables of a scratch database.

    Attributes:
        revision: the revision whose downgrade ran.
        dropped: the tables and columns ("table", "table.column") that are gone.
        renamed: the new names of tables and columns by their old names.
    """

    revision: str
    dropped: list[str]
    renamed: dict[str, str]


def downgrade_effects(project: Project, current: Collection[str], undone: Sequence[str]) -> list[DowngradeEffect]:
    """Find the effect of the downgrade of each of these revisions, in this order.

    The downgrades run on an empty scratch SQLite database. No live table is locked, and nothing is guessed.
    """
    result: list[DowngradeEffect] = []
    with scratch_at(project, current) as connection:
        tracker = open_tracker(connection, exclude=project.workflow_tables)
        tracker.look()
        connection.rollback()
        runner = ScratchRunner.of(project)

        def steps(_context: object) -> Iterator[Any]:
            for id_ in undone:
                before = tracker.tables
                yield runner.step(id_, "downgrade")
                tracker.look()
                result.append(_effect(id_, before, tracker))

        set_watcher(connection, _TrackerWatcher(tracker))  # A rename differs from a drop only in its statement.
        runner.run(connection, steps)
        set_watcher(connection, None)
    return result


class _TrackerWatcher(Watcher):
    """Passes each statement to a tracker, and allows all of them."""

    def __init__(self, tracker: ChangeTracker) -> None:
        self._tracker = tracker

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - it only looks
        with suppress(NotAllowed):
            self._tracker.before(statement)

    def after(self, statement: str) -> None:
        with suppress(NotAllowed):
            self._tracker.after(statement)


def _effect(revision: str, before: Tables, tracker: ChangeTracker) -> DowngradeEffect:
    """Compare the tables. A table keeps its identity, or its name if it was rebuilt."""
    alive = {table.identity: table for table in tracker.tables.values()}
    dropped, renamed = [], {}
    for name, table in sorted(before.items()):
        now = alive.get(table.identity) or tracker.tables.get(name)
        if now is None:
            dropped.append(name)
            continue
        if now.name != name:
            renamed[name] = now.name
        names = {tracker.origins[identity].column: column for column, identity in now.columns.items()}
        is_rebuilt = now.identity != table.identity
        for column, identity in sorted(table.columns.items()):
            found = names.get(tracker.origins[identity].column)
            if found is None and is_rebuilt and now.columns.get(column) in names:
                found = column  # No statement was understood to fill it. It was filled by its name.
            if found is None:
                dropped.append(f"{name}.{column}")
            elif found != column:
                renamed[f"{name}.{column}"] = f"{now.name}.{found}"
    return DowngradeEffect(revision, sorted(dropped, key=lambda item: ("." in item, item)), renamed)
