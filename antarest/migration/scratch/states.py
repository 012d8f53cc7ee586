"""The tables and columns after each revision of a history, found on a scratch database of the given engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from ..database.catalog import Catalog, read_catalog
from ..database.waits import Tell
from ..project.project import Project
from .cache import ScratchCache
from .migrated import run_on_scratch
from .runner import ScratchRunner


@dataclass(frozen=True)
class TableStates:
    """The tables of a history, with the names of their columns.

    Attributes:
        after: for each revision, the tables of a database that has run this revision and all earlier revisions.
    """

    after: dict[str, Catalog] = field(default_factory=dict)

    @property
    def made(self) -> frozenset[str]:
        """The names of all tables that exist after at least one revision."""
        return frozenset(name for tables in self.after.values() for name in tables)

    def fitting(self, present: Catalog) -> list[str]:
        """Return the revisions after which a database has exactly these tables and columns.

        Tables that do not belong to the history are ignored.
        """
        ours = {name: columns for name, columns in present.items() if name in self.made}
        return [revision for revision, tables in self.after.items() if tables == ours]

    def left_over(self, present: Catalog, revision: str | None) -> list[str]:
        """Return the tables that the history creates, and that are present but should not exist at this revision.

        Args:
            present: the tables of a database.
            revision: the current revision of this database; None for base.
        """
        expected: Catalog | None = self.after.get(revision) if revision else {}
        return [] if expected is None else sorted((present.keys() & self.made) - expected.keys())


def table_states(project: Project, connection: Connection, note: Tell) -> TableStates:
    """Run the history on a scratch database, and return the tables after each revision.

    A revision on a branch is left out, because the scratch database can have tables of another branch at that time.

    Args:
        project: the Alembic project.
        connection: a connection to the real database. The scratch database is of the same engine.
        note: called with a line before a scratch database is made on the server of the real database.

    Raises:
        NoPostgres: no PostgreSQL is available.
        ScratchRunFailed: a revision fails on the scratch database.
    """
    cache, key = ScratchCache(project, project.history.order), f"tables {connection.dialect.name}"
    if (known := cache.facts(key)) is not None:
        return TableStates({id_: {name: frozenset(columns) for name, columns in known[id_].items()} for id_ in known})
    after = run_on_scratch(project, connection, _tables_after, note)
    cache.store_facts(key, {id_: {name: sorted(after[id_][name]) for name in after[id_]} for id_ in after})
    return TableStates(after)


def _tables_after(project: Project, connection: Connection) -> dict[str, Catalog]:
    history, after, done = project.history, dict[str, Catalog](), set[str]()

    def note(revision: str) -> None:
        done.add(revision)
        if history.applied([revision]) == done:
            after[revision] = read_catalog(connection, exclude=project.workflow_tables)

    ScratchRunner.of(project).upgrade(connection, history.heads, note)
    return after
