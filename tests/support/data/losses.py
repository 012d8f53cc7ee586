"""Small revisions and their losses, which the guard measures in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL

from antarest.migration.database.connection import moving
from antarest.migration.errors.revision import Direction, Revision
from antarest.migration.losses.guard import LossGuard
from antarest.migration.run.revision_operations import revision_operations
from antarest.migration.scratch.databases import EngineName

TABLES = """
CREATE TABLE study (id INTEGER PRIMARY KEY, name VARCHAR(50) DEFAULT '?' NOT NULL, path VARCHAR(50));
CREATE TABLE study_tag (study_id INTEGER REFERENCES study ON DELETE CASCADE, label VARCHAR(50));
CREATE TABLE task (id INTEGER PRIMARY KEY, study_id INTEGER REFERENCES study ON DELETE SET NULL);
CREATE TABLE "order" (id INTEGER PRIMARY KEY, "group" VARCHAR(50));
CREATE TABLE "Odd Name.x" (id INTEGER PRIMARY KEY, "geo.lat" VARCHAR(50));
CREATE TABLE "5""0%" (id INTEGER);
CREATE TABLE empty (id INTEGER PRIMARY KEY, note VARCHAR(50));
INSERT INTO study VALUES (1, 'a', '/a'), (2, 'b', '/b'), (3, 'c', NULL);
INSERT INTO study_tag VALUES (1, 'x'), (1, 'y'), (2, 'x'), (3, 'z');
INSERT INTO task VALUES (1, 1), (2, 2), (3, NULL);
INSERT INTO "order" VALUES (1, 'g'), (2, NULL);
INSERT INTO "Odd Name.x" VALUES (1, '1'), (2, NULL);
INSERT INTO "5""0%" VALUES (1)
"""

Step = str | Callable[[Operations], Any]
BOTH: tuple[EngineName, ...] = ("sqlite", "postgresql")
SQLITE: tuple[EngineName, ...] = ("sqlite",)
POSTGRESQL: tuple[EngineName, ...] = ("postgresql",)


@dataclass(frozen=True)
class Case:
    """A revision, the statements before it, and the expected losses."""

    claim: str
    steps: tuple[Step, ...]
    loses: Mapping[str, int | None]
    before: tuple[str, ...]
    moves: Mapping[str, str] = field(default_factory=dict)


def case(
    claim: str,
    *steps: Step,
    loses: Mapping[str, int | None] | None = None,
    on: tuple[EngineName, ...] = BOTH,
    before: tuple[str, ...] = (),
    moves: Mapping[str, str] | None = None,
) -> list[Any]:
    built = Case(claim, steps, loses or {}, before, moves or {})
    return [pytest.param(engine, built, id=f"{engine}: {claim}") for engine in on]


def cases(*groups: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("engine", "case"), [param for group in groups for param in group])


def losses(url: URL, case: Case, *, direction: Direction = "upgrade") -> dict[str, int | None]:
    """Run the case in a transaction that is rolled back, and return the losses that the guard found."""
    revision = Revision("r1", (), case.claim, Path(), moves=case.moves)
    with moving(url) as connection, connection.begin() as transaction:
        for statement in case.before:
            connection.exec_driver_sql(statement)
        guard = LossGuard(connection)
        guard.start()
        guard.begin(revision, direction)
        with revision_operations(MigrationContext.configure(connection)) as op:
            for step in case.steps:
                if isinstance(step, str):
                    connection.exec_driver_sql(step)
                else:
                    step(op)
        guard.end(revision, direction)
        guard.finish()
        transaction.rollback()
    assert len({loss.item for loss in guard.losses}) == len(guard.losses), "a loss is named once"
    return {loss.item: loss.count for loss in guard.losses}


def raw(*statements: Any) -> Callable[[Operations], None]:
    """Run statements on a cursor of the driver."""

    def step(op: Operations) -> None:
        cursor = op.get_bind().connection.cursor()
        for statement in statements:
            cursor.execute(statement)

    return step


def driver(op: Operations) -> Any:
    """Return the driver's connection."""
    return op.get_bind().connection.dbapi_connection


def batch(*calls: Callable[[Any], Any], table: str = "study") -> Callable[[Operations], None]:
    """Alter a table in a batch: SQLite rebuilds it."""

    def step(op: Operations) -> None:
        with op.batch_alter_table(table) as altered:
            for call in calls:
                call(altered)

    return step
