"""`inv db.verify` finds exactly the fault of each history that has one, and nothing in the others."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine

from antarest.migration.database.connection import moving
from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.verify import processes
from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.findings.kinds import KINDS
from antarest.migration.verify.proving.steps import Step
from tests.support_verify import CLEAN, EXPECTED, HISTORIES, NOTES, WITHOUT_HISTORY, A, ini_of, prove, prove_here


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without processes, and with a search path that each history may add to."""
    monkeypatch.setattr(processes, "prove", prove_here)
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.mark.parametrize("history", EXPECTED)
def test_a_fault_is_found_where_it_is(history: str, postgres: PostgresServer) -> None:
    found = prove(history, postgres)

    assert {(each.id, each.revision, each.engine) for each in found.findings} == EXPECTED[history], found.findings
    assert {each.severity for each in found.findings} == {"note" if history in NOTES else "error"}


@pytest.mark.parametrize("history", CLEAN)
def test_nothing_is_found_in_a_history_without_a_fault(history: str, postgres: PostgresServer) -> None:
    found = prove(history, postgres)

    assert found.findings == []
    assert found.not_proved == []
    assert found.is_complete
    assert len(found.revisions) == len(list((HISTORIES / history).rglob("*0_*.py")))


def test_what_follows_a_revision_that_fails_is_not_proved_and_the_rest_is(postgres: PostgresServer) -> None:
    found = prove("cast_on_sqlite", postgres)

    assert found.not_proved == [
        ("c00000000000", "sqlite", "it follows b10000000000, which does not run"),
        ("", "sqlite", "the whole history in one run: a revision does not run"),
    ]
    assert found.proofs["b20000000000", "sqlite"].schema
    assert found.proofs["c00000000000", "postgresql"].schema


def test_every_kind_of_finding_has_a_history() -> None:
    shown = {id_ for findings in EXPECTED.values() for id_, _, _ in findings}

    assert shown == KINDS.keys() - WITHOUT_HISTORY
    assert {path.name for path in Path(HISTORIES).iterdir()} == {*EXPECTED, *CLEAN}


def test_dates_are_read_where_the_database_writes_them_otherwise(postgres_database: URL) -> None:
    """The driver asks for its own style when it connects, and a step begins a session of its own."""
    with create_engine(postgres_database, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {postgres_database.database} SET datestyle = 'SQL, DMY'")
    target = target_of(str(ini_of("clean_move")), None, None, None)

    with moving(postgres_database) as connection:
        Step(A, "upgrade").run(connection, target)
        found = connection.exec_driver_sql("SELECT timestamp '2026-11-05 01:02:03'").scalar()
    assert found == datetime(2026, 11, 5, 1, 2, 3)  # noqa: DTZ001 - naive, as the column has it
