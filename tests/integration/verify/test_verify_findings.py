"""`inv db.verify` finds exactly the fault of each history with one fault, and nothing in the other histories."""

from __future__ import annotations

import re
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
from antarest.migration.verify.proving.steps import RevisionStep
from tests.support.projects.verify import (
    CLEAN,
    EVERYWHERE,
    EXPECTED,
    FOREIGN,
    HISTORIES,
    NOTES,
    OTHERS,
    USUAL,
    WITHOUT_HISTORY,
    A,
    ini_of,
    prove,
    prove_foreign,
    prove_here,
)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prove without other processes, and with a search path that each history can extend."""
    monkeypatch.setattr(processes, "prove", prove_here)
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.mark.parametrize("history", EXPECTED)
def test_a_fault_is_found_where_it_is(history: str, postgres: PostgresServer) -> None:
    found = prove(history, postgres)

    told = [each for each in found.findings if each.id not in USUAL]
    assert {(each.id, each.revision, each.engine) for each in told} == EXPECTED[history], told
    assert {each.severity for each in told} == {"note" if history in NOTES else "error"}


@pytest.mark.parametrize("history", FOREIGN)
def test_the_history_of_another_project_has_exactly_its_faults(history: str, postgres: PostgresServer) -> None:
    """Other projects do not follow our conventions. This must not cause false errors, or end the proof."""
    asked = FOREIGN[history]

    found = prove_foreign(history, postgres)

    told = {
        severity: {(each.id, each.revision, each.engine) for each in found.findings if each.severity == severity}
        for severity in ("error", "note")
    }
    assert told["error"] == asked.errors, found.findings
    usual = EVERYWHERE - {id_ for id_, _, _ in asked.notes}
    assert {each for each in told["note"] if each[0] not in usual} == asked.notes, found.findings
    assert {(revision, engine) for revision, engine, _ in found.not_proved} == asked.gaps, found.not_proved
    assert not [proof.tracebacks for proof in found.proofs.values() if proof.tracebacks]


@pytest.mark.parametrize("history", CLEAN)
def test_nothing_is_found_in_a_history_without_a_fault(history: str, postgres: PostgresServer) -> None:
    found = prove(history, postgres)

    assert [each for each in found.findings if each.id not in USUAL] == []
    assert found.not_proved == []
    assert found.not_tried == []
    assert found.is_complete
    assert len(found.revisions) == len(list((HISTORIES / history).rglob("*0_*.py")))


def test_a_value_that_makes_a_revision_fail_is_named_with_its_row(postgres: PostgresServer) -> None:
    found = prove_foreign("awkward_dates", postgres)

    told = [each.found for each in found.of("r2", "postgresql") if each.id == "V509"]
    error = "OverflowError: date value out of range"
    assert re.fullmatch(rf"V302: {error} \(t.at is 9999-12-31 23:59:59.999999 in the row id=\d\)", told[0])
    assert re.fullmatch(rf"V402: {error} \(t.at is 0001-01-01 00:00:00 in the row id=\d\)", told[1])


def test_an_error_that_a_revision_has_caught_is_named(postgres: PostgresServer) -> None:
    """PostgreSQL then refuses the next statement with another error, which says nothing about the cause."""
    told = [each.found for each in prove_foreign("error_caught", postgres).of("r2", "postgresql") if each.id == "V302"]

    assert told == ['column "name" of relation "t" contains null values']


def test_what_follows_a_revision_that_fails_is_proved_from_the_state_that_it_means(postgres: PostgresServer) -> None:
    found = prove("cast_on_sqlite", postgres)

    assert found.not_proved == [("", "sqlite", "the whole history in one run: a revision does not run")]
    assert found.proofs["c00000000000", "sqlite"].schema == found.proofs["b20000000000", "sqlite"].schema


def test_every_kind_of_finding_has_a_history() -> None:
    shown = {id_ for findings in EXPECTED.values() for id_, _, _ in findings}
    shown |= {id_ for each in FOREIGN.values() for id_, _, _ in each.errors | each.notes}

    assert shown == KINDS.keys() - WITHOUT_HISTORY
    assert {path.name for path in Path(HISTORIES).iterdir()} == {*EXPECTED, *CLEAN}
    assert {path.name for path in OTHERS.iterdir()} == {*FOREIGN}


def test_dates_are_read_where_the_database_writes_them_otherwise(postgres_database: URL) -> None:
    """The driver sets its own style of dates when it connects, and each step has its own session."""
    with create_engine(postgres_database, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {postgres_database.database} SET datestyle = 'SQL, DMY'")
    target = target_of(str(ini_of("clean_move")), None, None, None)

    with moving(postgres_database) as connection:
        RevisionStep(A, "upgrade").run(connection, target)
        found = connection.exec_driver_sql("SELECT timestamp '2026-11-05 01:02:03'").scalar()
    assert found == datetime(2026, 11, 5, 1, 2, 3)  # noqa: DTZ001 - naive, as the column has it
