"""The proof of a history as pytest tests, and databases for other tests: `from antarest.migration.testing import *`.

In a test file this gives a test for each revision, engine and property, from one proof, and these fixtures:

    migrated_database   the URL of a database at head, on each engine in turn
    database_at         `database_at("0146b79f723c")` returns the URL of one at that revision, with rows
    empty_database      the URL of an empty one, on each engine in turn

Each test has databases of its own, cloned and not migrated again. `MIGRATION_PROJECT` in the test file names the
`alembic.ini`, seen from the folder of pytest's configuration; without it that folder's own is meant.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.history import HEAD
from antarest.migration.rows import fill
from antarest.migration.scratch import EngineName, PostgresServer, postgres_server, scratch_database

__all__ = [
    "Templates",
    "database_at",
    "empty_database",
    "engine_name",
    "migrated_database",
    "migration_templates",
    "postgres",
    "pytest_generate_tests",
    "test_both_engines_have_the_same_schema",
    "test_the_downgrade_runs",
    "test_the_history_is_sound",
    "test_the_models_are_what_the_migrations_make",
    "test_the_rows_come_back",
    "test_the_schema_comes_back",
    "test_the_upgrade_runs",
    "verification",
]

_ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")
_ELSEWHERE = ("V301", "V302", "V305", "V4", "V104", "V5", "V601", "V701", "V702")  # what the other tests look at
_PROJECT = "MIGRATION_PROJECT"  # in a test file, the alembic.ini that it is about

Templates = Callable[[EngineName, str, bool], str]


# ---- databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; see `antarest.migration.scratch` for where it comes from."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=_ENGINES)
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def empty_database(engine_name: EngineName, postgres: PostgresServer) -> Iterator[URL]:
    """An empty database, on each engine in turn."""
    with scratch_database(engine_name, postgres) as url:
        yield url


@pytest.fixture
def migrated_database(
    engine_name: EngineName, postgres: PostgresServer, migration_templates: Templates
) -> Iterator[URL]:
    """A database at head, on each engine in turn, without rows but those of the migrations."""
    with scratch_database(engine_name, postgres, migration_templates(engine_name, HEAD, False)) as url:
        yield url


@pytest.fixture
def database_at(
    engine_name: EngineName, postgres: PostgresServer, migration_templates: Templates
) -> Iterator[Callable[[str], URL]]:
    """Databases at a revision, with rows in every table: `database_at("0146b79f723c")`, on each engine in turn."""
    with ExitStack() as stack:

        def build(revision: str) -> URL:
            template = migration_templates(engine_name, revision, True)
            return stack.enter_context(scratch_database(engine_name, postgres, template))

        yield build


@pytest.fixture(scope="session")
def migration_templates(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Templates]:
    """The databases that others are cloned from, each migrated when it is first asked for."""
    # Most tests do without Alembic.
    from antarest.migration.connection import moving
    from antarest.migration.verify.steps import run_all

    target = _target(_ini(request.config, None))
    with ExitStack() as stack:

        @cache
        def template(engine: EngineName, revision: str, with_rows: bool) -> str:
            url = stack.enter_context(scratch_database(engine, postgres))
            history = target.history
            heads = history.heads if revision == HEAD else (history.resolve(revision),)
            with moving(url) as connection:
                run_all(connection, target, "heads" if revision == HEAD else heads[0])
                if with_rows:
                    applied = history.applied(heads)
                    values = target.values_at(id_ for id_ in history.order if id_ in applied)
                    with connection.begin():
                        fill(connection, values=values, exclude=[target.version_table])
            return str(url.database)

        yield template


# ---- the proof


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each revision, and for each engine."""
    names = metafunc.fixturenames
    if "verification" not in names:
        return
    if "revision" in names:
        history = _target(_ini(metafunc.config, metafunc.module)).history
        metafunc.parametrize("revision", history.order, ids=[history[id_].path.stem for id_ in history.order])
    if "engine" in names:
        metafunc.parametrize("engine", _ENGINES)


@pytest.fixture(scope="module")
def verification(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The proof of the whole history on both engines, made once for all workers of pytest-xdist."""
    from antarest.migration.verify import Verification, prove_history

    ini = _ini(request.config, request.module)

    def prove() -> Verification:
        return prove_history(_target(ini), Verification(_ENGINES), server=postgres)

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return prove()
    name = f"verification-{run}-{zlib.crc32(str(ini).encode()):x}"
    return _once(tmp_path_factory.getbasetemp().parent / name, prove)


def test_the_upgrade_runs(verification: Any, revision: str, engine: EngineName) -> None:
    """From the revision before, on empty tables and with rows."""
    _assert_none(verification, revision, engine, "V301", "V302", "V305")


def test_the_downgrade_runs(verification: Any, revision: str, engine: EngineName) -> None:
    """With and without rows."""
    _assert_none(verification, revision, engine, "V401", "V402")


def test_the_schema_comes_back(verification: Any, revision: str, engine: EngineName) -> None:
    """After up and down, and nothing is left over."""
    _assert_none(verification, revision, engine, "V403", "V404", "V405", "V104", "V506")


def test_the_rows_come_back(verification: Any, revision: str, engine: EngineName) -> None:
    """What is not declared as lost is there after the way there and back."""
    _assert_none(verification, revision, engine, "V501", "V502", "V503", "V504", "V505", "V507", "V508")


def test_both_engines_have_the_same_schema(verification: Any, revision: str) -> None:
    """At each revision."""
    _assert_none(verification, revision, "", "V601")


def test_the_models_are_what_the_migrations_make(verification: Any, engine: EngineName) -> None:
    """At head."""
    _assert_none(verification, "", engine, "V701", "V702")


def test_the_history_is_sound(verification: Any) -> None:
    """The graph, the files, and the whole of it in one run."""
    assert verification.not_proved == []
    assert [each for each in verification.errors if not each.id.startswith(_ELSEWHERE)] == []


def _assert_none(verification: Any, revision: str, engine: str, *ids: str) -> None:
    here = [each for each in verification.errors if (each.revision, each.engine) == (revision, engine)]
    found = [f"{each.id} {each.kind.title}: {each.found}" for each in here if each.id.startswith(ids)]
    assert found == []
    missing = [why for id_, where, why in verification.not_proved if id_ == revision and where == (engine or where)]
    assert missing == []


def _ini(config: pytest.Config, module: Any) -> Path:
    return Path(config.rootpath, getattr(module, _PROJECT, "alembic.ini"))


@cache
def _target(ini: Path) -> Any:
    from antarest.migration.verify.foreign import target_of

    target = target_of(str(ini), None, None, None)
    target.import_paths()
    return target


def _once(file: Path, make: Callable[[], Any]) -> Any:
    """What one process of several has made, for all of them."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(make()))
        return pickle.loads(file.read_bytes())  # noqa: S301 - written above, in a folder of this user's own
