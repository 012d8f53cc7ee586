"""Scratch databases at head load the snapshot too, and `db.verify` proves that it makes what the revisions make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection

from antarest.migration.branches import snapshots
from antarest.migration.commands.boundary import CommandContext
from antarest.migration.commands.verbs.revisions import revision
from antarest.migration.database.connection import looking, moving
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.scratch import servers
from antarest.migration.scratch.comparison import bench, connected_at_head
from antarest.migration.scratch.databases import (
    KIND_VARIABLE,
    PostgresServer,
    ServerKind,
    scratch_database,
    start_server,
)
from antarest.migration.scratch.migrated import downgrade_effects, scratch_at
from antarest.migration.testing.pytest_run import target_at
from antarest.migration.testing.templates import Template
from antarest.migration.verify import Verification, processes, prove_history
from antarest.migration.verify.env_reader import target_of
from tests.support.projects.checkouts import run
from tests.support.projects.histories import Script, write_project, write_script
from tests.support.projects.snapshots import LATER, TABLE, Snapshotted
from tests.support.projects.verify import prove_here

pytestmark = pytest.mark.usefixtures("scratch_here")

MARK = "CREATE TABLE loaded (id INTEGER)"
MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
ONE_MORE = 'sa.Table("u", metadata, sa.Column("id", sa.Integer, primary_key=True))\n'
BOTH_WAYS = Script(
    "table",
    'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True)); sql("INSERT INTO t DEFAULT VALUES")',
    'op.drop_table("t")',
    lossy={"downgrade": {"t": "created by it"}},
)


def modelled(folder: Path, url: URL, module: str = "snapshot_shop", models: str = MODELS) -> Snapshotted:
    """A project with models and a snapshot."""
    database = Snapshotted(url, write_project(folder / "p", BOTH_WAYS))
    with database.project.ini.open("a") as ini:
        ini.write(
            f"prepend_sys_path = %(here)s\n[antarest]\nengines = {database.engine}\nmetadata = {module}:metadata\n"
        )
    (database.project.root / f"{module}.py").write_text(models)
    snapshots.write(database.again.project, database.engine)
    return database.again


def marked(folder: Path, url: URL) -> Snapshotted:
    """A project with models, and a snapshot that makes a table which no revision makes."""
    database = modelled(folder, url)
    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, MARK)))
    return database


def tables(connection: Connection) -> set[str]:
    return set(connection.dialect.get_table_names(connection))


@contextmanager
def compared(database: Snapshotted, _server: PostgresServer) -> Iterator[Connection]:
    """Return the database of db.check and db.revision."""
    with bench(database.project, DbConfig(database.url)) as found:
        found.compare()
        with moving(found.at_head[database.engine]) as connection:
            yield connection


@contextmanager
def of_alembic(database: Snapshotted, _server: PostgresServer) -> Iterator[Connection]:
    """Return the database of plain `alembic check`."""
    with connected_at_head(database.project, DbConfig(database.url)) as connection:
        yield connection


@contextmanager
def of_tests(database: Snapshotted, server: PostgresServer) -> Iterator[Connection]:
    """Return the database of a test."""
    target_at.cache_clear()
    with scratch_database(database.engine, server) as url:
        Template(target_at(database.project.ini), "head").build(url)
        with moving(url) as connection:
            yield connection


@pytest.mark.parametrize("use", [compared, of_alembic, of_tests])
def test_a_scratch_database_at_head_loads_it(
    tmp_path: Path,
    empty_database: URL,
    postgres: PostgresServer,
    use: Callable[[Snapshotted, PostgresServer], AbstractContextManager[Connection]],
) -> None:
    """Revisions that the snapshot lacks run after it. In doubt, all revisions run."""
    database = marked(tmp_path, empty_database)
    with use(database, postgres) as connection:
        assert tables(connection) == {"alembic_version", "loaded", "t"}

    write_script(database.versions, LATER, "table")
    with use(database.again, postgres) as connection:
        assert tables(connection) == {"alembic_version", "later", "loaded", "t"}

    database.edit_revision()
    with use(database.again, postgres) as connection:
        assert tables(connection) == {"alembic_version", "later", "t"}


def test_a_plan_at_head_loads_it(tmp_path: Path, empty_database: URL) -> None:
    database = Snapshotted.create(tmp_path, empty_database, TABLE, replace(LATER, downgrade='op.drop_table("loaded")'))
    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, MARK)))

    with looking(database.url) as connection:
        (effect,) = downgrade_effects(database.project, connection, ["later"], ["later"])

    assert effect.dropped == ["loaded"]


def test_the_cache_never_has_a_database_that_was_loaded(tmp_path: Path, sqlite_database: URL) -> None:
    """Otherwise a wrong snapshot would still have an effect after it was corrected."""
    database = marked(tmp_path, sqlite_database)
    run("git", "init", "--quiet", cwd=database.project.root)
    write_script(database.versions, LATER, "table")
    head = ["later"]
    with scratch_at(database.again.project, head) as connection:
        assert "loaded" in tables(connection)

    database.file.unlink()

    with scratch_at(database.again.project, head) as connection:
        assert "loaded" not in tables(connection)


def test_a_template_of_tests_is_another_one_with_another_snapshot(tmp_path: Path, sqlite_database: URL) -> None:
    database = marked(tmp_path, sqlite_database)
    target_at.cache_clear()
    template = Template(target_at(database.project.ini), "head")
    before = template.key("run")

    database.file.unlink()

    assert template.key("run") != before


# ---- db.verify


def verified(database: Snapshotted, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Verification:
    """Return the proof of the project on the engine of the database."""
    monkeypatch.setattr(processes, "prove", prove_here)
    target = target_of(str(database.project.ini), None, None, None)
    return prove_history(target, Verification((database.engine,)), server=server)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("INSERT INTO t VALUES (7)", "they differ in the rows of t"),
        ("CREATE INDEX ix ON t (id)", "they differ in table t, the names of the objects"),
        ("INSERT INTO missing VALUES (1)", "its statements do not run: "),
    ],
)
def test_a_snapshot_that_makes_another_database_is_found(
    tmp_path: Path,
    empty_database: URL,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    found: str,
) -> None:
    database = modelled(tmp_path, empty_database)
    before = verified(database, postgres, monkeypatch)
    assert not [each for each in before.findings if each.severity == "error"]
    assert not before.not_tried

    database.change(lambda snapshot: replace(snapshot, statements=(*snapshot.statements, statement)))

    errors = [each for each in verified(database, postgres, monkeypatch).findings if each.severity == "error"]
    assert [(each.id, each.revision, each.engine) for each in errors] == [("V309", "", database.engine)]
    assert errors[0].found.startswith(found)


def test_a_snapshot_that_nobody_loads_is_not_proved(
    tmp_path: Path, sqlite_database: URL, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = modelled(tmp_path, sqlite_database)
    database.edit_revision()

    found = verified(database, postgres, monkeypatch)

    assert ("", "sqlite", "the snapshot: revision table has changed since it was written") in found.not_tried


# ---- the server


def test_one_server_is_enough_for_a_revision_and_its_snapshot(
    tmp_path: Path, postgres_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migrations and the models are compared on this server."""
    database = modelled(tmp_path, postgres_database, "bigger_shop", MODELS + ONE_MORE)
    before = database.file.read_bytes()
    (database.project.root / "alembic" / "script.py.mako").write_text(TEMPLATE)
    monkeypatch.chdir(database.project.root)
    monkeypatch.setenv(KIND_VARIABLE, "embedded")
    started: list[ServerKind] = []
    start = start_server

    def noted(kind: ServerKind, *more: object) -> PostgresServer:
        started.append(kind)
        return start(kind, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(servers, "start_server", noted)
    assert revision(CommandContext(None, str(database.project.ini)), message="add u") == EXIT_DONE

    assert started == ["embedded"]
    project = Project.load(database.project.ini)
    assert len(project.history) == 2
    assert database.file.read_bytes() != before


TEMPLATE = '''\
"""${message}"""
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


def test_shared_servers_end_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KIND_VARIABLE, "embedded")
    urls = []
    with servers.sharing_servers():
        for _ in range(2):
            with servers.scratch_servers() as found:
                urls.append(found.run(lambda server: server.url))
    assert urls[0] == urls[1]
    with servers.scratch_servers() as found:
        assert found.run(lambda server: server.url) != urls[0]
