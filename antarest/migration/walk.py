"""Runs revisions on a scratch database, without `env.py`: to see what they do, never to move one that is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from antarest.migration.catalog import Catalog, read_catalog
from antarest.migration.connection import moving
from antarest.migration.project import Project
from antarest.migration.scratch import scratch_database


@contextmanager
def scratch_at(project: Project, revisions: Collection[str]) -> Iterator[Connection]:
    """Open a connection, without a transaction, to a scratch SQLite database at these revisions."""
    with scratch_database("sqlite") as url, moving(url) as connection:
        upgrade(connection, project, revisions)
        yield connection


def upgrade(
    connection: Connection,
    project: Project,
    revisions: Collection[str],
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Upgrade a scratch database to these revisions, and commit."""
    script = ScriptDirectory.from_config(project.alembic_config())
    for revision in revisions:
        _run(connection, project, script, partial(script._upgrade_revs, revision), on_step)  # noqa: SLF001 - as `command`


def downgrade(connection: Connection, project: Project, to: str, on_step: Callable[[str], None] | None = None) -> None:
    """Downgrade a scratch database to this revision, and commit."""
    script = ScriptDirectory.from_config(project.alembic_config())
    _run(connection, project, script, partial(script._downgrade_revs, to), on_step)  # noqa: SLF001 - as `command`


def dropped_by_downgrade(project: Project, current: Collection[str], to: str) -> list[tuple[str, list[str]]]:
    """Each revision on the way down, with the tables and columns ("table", "table.column") that its downgrade drops.

    It is found by doing it, on an empty scratch SQLite database: no live table is locked, and nothing is guessed.
    """
    result: list[tuple[str, list[str]]] = []
    with scratch_at(project, current) as connection:
        exclude = [project.version_table]
        before = read_catalog(connection, exclude=exclude)
        connection.rollback()

        def note(revision: str) -> None:
            nonlocal before
            after = read_catalog(connection, exclude=exclude)
            result.append((revision, _gone(before, after)))
            before = after

        downgrade(connection, project, to, note)
    return result


def tables_of_history(project: Project) -> set[str]:
    """Every table that some revision of the history has, also those that a later one drops or renames."""
    tables: set[str] = set()
    exclude = [project.version_table]
    with scratch_database("sqlite") as url, moving(url) as connection:
        upgrade(
            connection,
            project,
            project.history.heads,
            lambda _revision: tables.update(read_catalog(connection, exclude=exclude)),
        )
    return tables


def _gone(before: Catalog, after: Catalog) -> list[str]:
    tables = [table for table in before if table not in after]
    columns = [f"{table}.{column}" for table in before if table in after for column in before[table] - after[table]]
    return sorted(tables) + sorted(columns)


def _run(
    connection: Connection,
    project: Project,
    script: ScriptDirectory,
    steps_of: Callable[[Any], Iterable[Any]],
    on_step: Callable[[str], None] | None,
) -> None:
    def steps(current: Any, _context: Any) -> Iterator[Any]:
        for step in steps_of(current):
            yield step
            if on_step:
                on_step(step.revision.revision)

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "script": script, "as_sql": False, **project.alembic_options()}
    )
    with Operations.context(context), context.begin_transaction():
        context.run_migrations()
