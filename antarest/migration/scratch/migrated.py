"""Scratch databases at a revision, the objects that a history creates, and the effects of downgrades on tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.catalog import Tables
from ..database.connection import looking, moving
from ..database.driver_connections import Attempt, Watcher, set_watcher
from ..database.record import make_schema_of
from ..database.waits import Tell, say_nothing
from ..errors.base import AntarestError
from ..errors.settings.db_config import DbConfig
from ..losses.tracking import open_tracker
from ..losses.tracking.base import ChangeTracker, ElsewhereUsed, NotAllowed
from ..project.project import Project
from ..schema.objects import ObjectKey, read_objects
from ..snapshot.file import Doubt
from ..snapshot.loading import find, refuse_database
from .cache import ScratchCache
from .databases import scratch_database
from .runner import ScratchRunner
from .servers import Asked, ScratchServer, read_asked, scratch_servers

Result = TypeVar("Result")

_FINDS_EFFECTS = ("scratch/migrated", "scratch/servers", "losses/tracking/*")
"""The modules, besides those that run revisions, that determine the effect of a downgrade as the cache stores it."""


@contextmanager
def scratch_at(project: Project, revisions: Collection[str]) -> Iterator[Connection]:
    """Open a connection, without a transaction, to a scratch SQLite database at these revisions.

    If the project has a usable snapshot, the database loads it. Otherwise a database from the cache is copied. If the
    cache has no such database, the revisions run, and the cache stores the result.
    """
    order = _order(project, revisions)
    cache = ScratchCache(project, order)
    with scratch_database("sqlite") as url:
        file = Path(str(url.database))
        with moving(url) as connection:
            loaded = loaded_revisions(project, connection, revisions)
        if (loaded or cache.copy_to(file)) < len(order):
            with moving(url) as connection:
                ScratchRunner.of(project).upgrade(connection, revisions)
            if not loaded:  # The name of a cached file does not depend on the snapshot.
                cache.store(file)
        with moving(url) as connection:
            yield connection


def upgrade_scratch(project: Project, connection: Connection, revisions: Collection[str]) -> None:
    """Upgrade an empty scratch database to these revisions. If possible, load the project's snapshot first.

    Args:
        project: the Alembic project.
        connection: a connection to the scratch database, without a transaction.
        revisions: the target revisions.

    Raises:
        ScratchRunFailed: a revision failed. Its transaction was rolled back.
    """
    if loaded_revisions(project, connection, revisions) < len(_order(project, revisions)):
        ScratchRunner.of(project).upgrade(connection, revisions)


def loaded_revisions(project: Project, connection: Connection, revisions: Collection[str]) -> int:
    """Load the snapshot as `load_snapshot` does, but return 0 if the snapshot cannot be used."""
    with suppress(Doubt, DBAPIError, NotAllowed):
        return load_snapshot(project, connection, revisions)
    return 0


def load_snapshot(project: Project, connection: Connection, revisions: Collection[str]) -> int:
    """Load the snapshot into an empty scratch database. After an error, the database is as before.

    Args:
        project: the Alembic project.
        connection: a connection to the scratch database, without a transaction.
        revisions: the revisions at which the database will be used.

    Returns:
        The number of revisions that need not run any more; 0 if the project has no snapshot.

    Raises:
        Doubt: the snapshot cannot be used.
        DBAPIError, NotAllowed: a statement of the snapshot fails, or the server refuses it.
    """
    found = find(project, connection.dialect.name, map(project.history.resolve, revisions))
    if found is None:
        return 0
    with connection.begin():
        refuse_database(found.snapshot, connection, project.workflow_tables)
        found.load(MigrationContext.configure(connection, opts=project.scratch_options()))
    return len(found.contents)


def objects_of_history(project: Project, connection: Connection, note: Tell = say_nothing) -> set[ObjectKey]:
    """Return every object that exists at some revision of the history, even if a later revision drops or renames it.

    Args:
        project: the Alembic project.
        connection: a connection to the real database. The revisions run on a scratch database of the same engine.
        note: called with a line before a scratch database is made on the server of the real database.

    Raises:
        NoPostgres, ScratchRunFailed: the history cannot be run anywhere.
    """
    cache, key = ScratchCache(project, _order(project, project.history.heads)), f"objects {connection.dialect.name}"
    if (known := cache.facts(key)) is not None:
        return {ObjectKey(*each) for each in known}
    made = run_on_scratch(project, connection, _objects_made, note)
    cache.store_facts(key, sorted(made))
    return made


def run_on_scratch(
    project: Project, connection: Connection, run: Callable[[Project, Connection], Result], note: Tell
) -> Result:
    """Run a function on an empty scratch database of the same engine as the real database, and return its result.

    Args:
        project: the Alembic project.
        connection: a connection to the real database, which shows what a scratch database needs.
        run: the function. It gets the project and a connection to the scratch database, without a transaction.
        note: called with a line before a scratch database is made on the server of the real database.

    Raises:
        NoPostgres: no PostgreSQL is available.
        ScratchRunFailed: a revision fails on the scratch database.
    """
    if connection.dialect.name == "sqlite":
        with scratch_database("sqlite") as url, moving(url) as scratch:
            return run(project, scratch)

    def on_server(server: ScratchServer) -> Result:
        with server.database() as scratch:
            return run(project, scratch)

    asked = read_asked(DbConfig(connection.engine.url), connection)
    with scratch_servers(asked, revision_texts(project), note) as servers:
        return servers.run(on_server)


def _objects_made(project: Project, connection: Connection) -> set[ObjectKey]:
    made: set[ObjectKey] = set()
    make_schema_of(project.version_table, connection)
    others = {each.key for each in read_objects(connection)}  # It can have extensions and schemas already.
    connection.rollback()
    ScratchRunner.of(project).upgrade(
        connection,
        project.history.heads,
        lambda _revision: made.update(each.key for each in read_objects(connection)),
    )
    return made - others - {ObjectKey("table", name) for name in project.workflow_tables}


def _order(project: Project, revisions: Collection[str]) -> Sequence[str]:
    return project.history.in_order(project.history.applied(map(project.history.resolve, revisions)))


@dataclass(frozen=True)
class DowngradeEffect:
    """The effect of a downgrade on the tables of a scratch database.

    Attributes:
        revision: the revision whose downgrade ran.
        dropped: the tables and columns ("table", "table.column") that are gone.
        renamed: a mapping from the old names of tables and columns to their new names.
    """

    revision: str
    dropped: list[str]
    renamed: dict[str, str]


def downgrade_effects(
    project: Project,
    connection: Connection,
    current: Collection[str],
    undone: Sequence[str],
    note: Tell = say_nothing,
) -> list[DowngradeEffect]:
    """Return the effect of the downgrade of each of these revisions, in this order.

    The downgrades run on an empty scratch database of the same engine, so no table of the real database is locked.

    Args:
        project: the project of the revisions.
        connection: a connection to the real database, which shows what a scratch database needs.
        current: the current revisions of the real database.
        undone: the revisions to undo.
        note: called with a line before a scratch database is made on the server of the real database.

    Raises:
        NoPostgres: there is no PostgreSQL on which the revisions can run.
        ScratchRunFailed: a revision fails on a scratch database.
    """
    if connection.dialect.name == "sqlite":
        with scratch_at(project, current) as scratch:
            return _effects(project, scratch, undone)
    asked = read_asked(DbConfig(connection.engine.url), connection)
    cache = ScratchCache(project, _order(project, current), _FINDS_EFFECTS)
    key = f"effects {asked.version} {asked.schemas} {asked.extensions} {undone}"
    if (known := cache.facts(key)) is not None:
        return [DowngradeEffect(**each) for each in known]

    def run(server: ScratchServer) -> list[DowngradeEffect]:
        with server.database() as scratch:
            upgrade_scratch(project, scratch, current)
            return _effects(project, scratch, undone, server.guard)

    with scratch_servers(asked, revision_texts(project), note) as servers:
        found = servers.run(run)
    cache.store_facts(key, [asdict(each) for each in found])
    return found


def _asked_of(db: DbConfig | None) -> Asked | None:
    """Return the properties of the configured database; None if it is not PostgreSQL, or cannot be reached."""
    if db is None or db.migration_url.get_backend_name() != "postgresql":
        return None
    try:
        with looking(db) as connection:
            return read_asked(db, connection)
    except AntarestError:
        return None


def asked_or_expected(project: Project, db: DbConfig | None) -> Asked:
    """Return the properties of the configured PostgreSQL database.

    If the database cannot be reached, expect only the schemas of the project's models and of its version table.
    """
    models = project.metadata().tables.values() if project.has_metadata else ()
    schemas = {project.version_table.schema, *(table.schema for table in models)}
    return _asked_of(db) or Asked(None, 0, False, (), (), tuple(sorted(filter(None, schemas))))


def revision_texts(project: Project) -> list[str]:
    """Return the texts of all revision files of a project."""
    return [project.history[id_].text for id_ in project.history.order]


def _effects(
    project: Project, connection: Connection, undone: Sequence[str], guard: Watcher | None = None
) -> list[DowngradeEffect]:
    """Undo revisions on a scratch database, and return their effects. `guard` can refuse each statement."""
    result: list[DowngradeEffect] = []
    tracker = open_tracker(connection, exclude=project.workflow_tables)
    tracker.look()
    connection.rollback()
    runner = ScratchRunner.of(project)

    def steps(downgrades: Iterable[Any]) -> Iterator[Any]:
        for step in downgrades:
            before = tracker.tables
            yield step
            tracker.look()
            result.append(_effect(step.revision.revision, before, tracker))

    set_watcher(connection, _TrackerWatcher(tracker, guard))  # A rename differs from a drop only in its statement.
    runner.downgrade(connection, undone, steps)
    set_watcher(connection, guard)
    return result


class _TrackerWatcher(Watcher):
    """A watcher that passes each statement to a tracker, and to a guard that may refuse the statement."""

    def __init__(self, tracker: ChangeTracker, guard: Watcher | None) -> None:
        self._tracker = tracker
        self._guard = guard

    def before(self, statement: str, attempt: Attempt | None = None) -> None:
        if self._guard:
            self._guard.before(statement, attempt)
        try:
            self._tracker.before(statement)
        except ElsewhereUsed:
            raise
        except NotAllowed:
            pass

    def after(self, statement: str) -> None:
        with suppress(NotAllowed):
            self._tracker.after(statement)


def _effect(revision: str, before: Tables, tracker: ChangeTracker) -> DowngradeEffect:
    """Return the effect of a downgrade on the tables.

    A table is recognised by its identity, or by its name if it was rebuilt.
    """
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
                found = column  # No known statement fills it, so the old column of this name was copied.
            if found is None:
                dropped.append(f"{name}.{column}")
            elif found != column:
                renamed[f"{name}.{column}"] = f"{now.name}.{found}"
    return DowngradeEffect(revision, sorted(dropped, key=lambda item: ("." in item, item)), renamed)
