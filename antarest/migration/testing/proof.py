"""The proof of a history as pytest tests, one for each revision, engine and property."""

from __future__ import annotations

import fcntl
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..scratch.databases import EngineName, PostgresServer
from .fixtures import ENGINES
from .pytest_run import folder_of_run, ini_for, run_id, target_at

__all__ = [
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

# The other tests report these.
_ELSEWHERE = ("V301", "V302", "V305", "V306", "V308", "V310", "V4", "V104", "V5", "V601", "V701", "V702")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate a test for each revision, and for each engine."""
    names = metafunc.fixturenames
    if "verification" not in names:
        return
    if "revision" in names:
        history = target_at(ini_for(metafunc.config, metafunc.module)).history
        metafunc.parametrize("revision", history.order, ids=[history[id_].path.stem for id_ in history.order])
    if "engine" in names:
        metafunc.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def verification(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The proof of the whole history on both engines. All workers of pytest-xdist share this proof."""
    from ..verify import Verification, prove_history

    ini = ini_for(request.config, request.module)
    name = f"verification-{run_id(request.config)}-{zlib.crc32(str(ini).encode()):x}"
    return _once(
        folder_of_run(request.config, tmp_path_factory) / name,
        lambda: prove_history(target_at(ini), Verification(ENGINES), server=postgres),
    )


def test_the_upgrade_runs(verification: Any, revision: str, engine: EngineName) -> None:
    """The upgrade runs on empty tables and with rows."""
    _assert_none(verification, revision, engine, "V301", "V302", "V305", "V306", "V308", "V310")


def test_the_downgrade_runs(verification: Any, revision: str, engine: EngineName) -> None:
    """The downgrade runs on empty tables and with rows."""
    _assert_none(verification, revision, engine, "V401", "V402")


def test_the_schema_comes_back(verification: Any, revision: str, engine: EngineName) -> None:
    """The downgrade restores the schema, and leaves nothing behind."""
    _assert_none(verification, revision, engine, "V403", "V404", "V405", "V407", "V104", "V506")


def test_the_rows_come_back(verification: Any, revision: str, engine: EngineName) -> None:
    """After the upgrade and the downgrade, the tables have the same rows as before, except for declared losses."""
    _assert_none(verification, revision, engine, "V501", "V502", "V503", "V504", "V505", "V507", "V508", "V511", "V512")


def test_both_engines_have_the_same_schema(verification: Any, revision: str) -> None:
    """At each revision, both engines have the same schema."""
    _assert_none(verification, revision, "", "V601")


def test_the_models_are_what_the_migrations_make(verification: Any, engine: EngineName) -> None:
    """At head, the models equal the schema that the migrations create."""
    _assert_none(verification, "", engine, "V701", "V702")


def test_the_history_is_sound(verification: Any) -> None:
    """There are no findings about the graph, the files, and the run of the whole history."""
    assert verification.not_proved == []
    assert [each for each in verification.errors if not each.id.startswith(_ELSEWHERE)] == []


def _assert_none(verification: Any, revision: str, engine: str, *ids: str) -> None:
    here = [each for each in verification.errors if (each.revision, each.engine) == (revision, engine)]
    found = [f"{each.id} {each.kind.title}: {each.found}" for each in here if each.id.startswith(ids)]
    assert found == []
    missing = [why for id_, where, why in verification.not_proved if id_ == revision and where == (engine or where)]
    assert missing == []


def _once(file: Path, make: Callable[[], Any]) -> Any:
    """Return a result that the first of several processes computes, and that the other processes read from a file."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(make()))
        return pickle.loads(file.read_bytes())  # noqa: S301 - written above, in a folder of this user
