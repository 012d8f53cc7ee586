"""Scratch databases at a revision of a project, and facts about its revisions that are learned on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..database.catalog import Tables, read_catalog
from ..database.connection import moving
from ..database.driver_connections import Watcher, set_watcher
from ..losses.tracking import open_tracker
from ..losses.tracking.base import ChangeTracker, NotAllowed
from ..project.project import Project
from .cache import ScratchCache
from .databases import scratch_database
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


def tables_of_history(project: Project) -> set[str]:
    """Find every table that some revision of the history has, also if a later revision drops or renames it."""
    heads, exclude = project.history.heads, project.workflow_tables
    cache = ScratchCache(project, _order(project, heads))
    if (cached := cache.tables()) is not None:
        return set(cached)
    tables: set[str] = set()
    with scratch_database("sqlite") as url, moving(url) as connection:
        ScratchRunner.of(project).upgrade(
            connection, heads, lambda _revision: tables.update(read_catalog(connection, exclude=exclude))
        )
    cache.store_tables(sorted(tables))
    return tables


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

    def before(self, statement: str) -> None:
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
