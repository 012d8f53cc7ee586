"""A database under test: migrate it, insert rows, and read its schema and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, NullPool, text

from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.revision import BASE, HEAD
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.schema.inventory import Inventory
from antarest.migration.schema.reflection import reflect
from antarest.migration.verify.rows.filler import fill
from antarest.migration.verify.rows.snapshots import RowSnapshot, snapshot
from antarest.migration.workflow.plan import RollbackPlan
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.rows import values_at
from tests.support.projects.checkouts import ROOT

PROJECT = Project.load(ROOT / "alembic.ini")
HISTORY = PROJECT.history


@dataclass(frozen=True)
class Database:
    """A database with the project's own history."""

    url: URL

    @property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on this database."""
        return MigrationWorkflow(PROJECT, DbConfig(url=self.url))

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Connect as the application does, with foreign keys, and commit at the end of the block."""
        with create_db_engine(self.url, poolclass=NullPool).begin() as connection:
            yield connection

    def execute(self, *statements: str, **parameters: object) -> None:
        """Run SQL statements, and commit."""
        with self.connected() as connection:
            for statement in statements:
                connection.execute(text(statement), parameters)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of an SQL query."""
        with self.connected() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def upgrade(self, to: str = HEAD) -> None:
        """Upgrade the database."""
        if to != BASE:
            self.workflow.upgrade(to)

    def downgrade(self, to: str) -> None:
        """Downgrade the database and agree to all losses. This makes no plan, which would take longer than the run."""
        plan = RollbackPlan(self.workflow.current(), to, ())
        self.workflow.rollback(plan, Agreement(everything=True))

    def fill(self) -> RowSnapshot:
        """Put rows into every table, and return them."""
        applied = HISTORY.applied(self.workflow.current())
        with self.connected() as connection:
            added = fill(connection, values=values_at(id_ for id_ in HISTORY.order if id_ in applied))
        assert all(added.values()), added
        return self.rows()

    def rows(self) -> RowSnapshot:
        """Return all rows."""
        with self.connected() as connection:
            return snapshot(connection)

    def schema(self) -> Inventory:
        """Return the schema."""
        with self.connected() as connection:
            return reflect(connection)

    def sequences(self) -> dict[str, int]:
        """Return the last value of each sequence; SQLite has none."""
        if self.url.get_backend_name() == "sqlite":
            return {}
        return dict(self.query("SELECT sequencename, last_value FROM pg_sequences"))
