"""The short form of `make test-chaos`, and proofs that it would notice damage."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from antarest.migration.scratch.databases import EngineName, PostgresServer
from tests.chaos import program
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.histories.known import OWN, PASSAGES, Passage
from tests.chaos.lab import Lab
from tests.chaos.tools import PlainAlembic, Tool
from tests.chaos.trial import Outcome, Trial

UPGRADE = PASSAGES[0]
FAULT = {fault.name: fault for fault in FAULTS}
SHORT = {"kill-statement": 4, "kill-random": 2, "starters-8": 1, "threads-4": 1, "writer": 2}


@contextmanager
def laboratory(tool: Tool, engine: EngineName, server: PostgresServer | None, *only: Passage) -> Iterator[Lab]:
    """The lab in which our own history runs, in both directions or only one."""
    ways = only or [passage for passage in PASSAGES if passage.history is OWN]
    with tempfile.TemporaryDirectory() as folder, Lab(tool, engine, server, Path(folder), ways) as lab:
        yield lab


def test_nothing_is_lost_and_nothing_is_left_half_way(engine_name: EngineName, postgres: PostgresServer) -> None:
    with laboratory(program.OURS, engine_name, postgres) as lab:
        lines = [program.measure(FAULT[name], lab, trials=trials) for name, trials in SHORT.items()]

    assert [note for line in lines for note in line.outcome.notes] == []
    assert [line.fault for line in lines if line.outcome.trials < SHORT[line.fault]] == []
    assert all(line.outcome.is_clean for line in lines)


# ---- it sees what it looks for

DAMAGES = {
    "a row is gone": ("DELETE FROM matrix_dataset_group WHERE dataset_id IS NOT NULL", "rows_lost"),
    "a value has changed": ("UPDATE study SET name = 'x'", "rows_lost"),
    "a table is left behind": ("CREATE TABLE _alembic_tmp_study (id INTEGER)", "unusable"),
    "a table is made twice": ("CREATE TABLE tag (label VARCHAR)", "unusable"),
    "a revision is recorded without its work": (
        f"UPDATE alembic_version SET version_num = '{UPGRADE.path[5]}'",
        "unusable",
    ),
    "a revision is recorded that nobody has": ("UPDATE alembic_version SET version_num = 'c0ffee'", "unusable"),
}
"""Statements that damage a database, and the counts that they must give."""


@pytest.fixture(scope="module")
def sqlite_lab() -> Iterator[Lab]:
    with laboratory(program.OURS, "sqlite", None) as lab:
        yield lab


def judged(lab: Lab, *statements: str) -> Outcome:
    """Run these statements on a database at the start of an upgrade, and return the counts."""
    with lab.subject(UPGRADE) as subject:
        with create_engine(subject.url, poolclass=NullPool).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        trial = Trial(lab, subject)
        trial.count()
        trial.judge_database()
        return trial.complete()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_counted(sqlite_lab: Lab, damage: str) -> None:
    statement, expected = DAMAGES[damage]

    faults = judged(sqlite_lab, statement).faults

    assert faults["half_way"]
    assert faults[expected]


def test_no_damage_is_counted_where_none_is(sqlite_lab: Lab) -> None:
    assert judged(sqlite_lab) == Outcome(trials=1)


def test_plain_alembic_is_seen_to_leave_an_sqlite_database_between_two_revisions() -> None:
    with laboratory(PlainAlembic(), "sqlite", None, UPGRADE) as lab:
        outcome = program.measure(FAULT["kill-statement"], lab, trials=4).outcome

    assert outcome.half_way
    assert outcome.unusable


# ---- the program


def test_the_program_fails_when_something_is_not_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def of(outcome: Outcome) -> Fault:
        trials: list[Callable[[], Outcome]] = [lambda: outcome]
        return Fault("a-fault", lambda _lab, _trials, _random: iter(trials))

    monkeypatch.setattr(program, "FAULTS", [of(Outcome(trials=1))])
    assert program.main(["--engine=sqlite"]) == 0
    assert "all of ours is zero" in capsys.readouterr().out

    for kind in Outcome().faults:
        monkeypatch.setattr(program, "FAULTS", [of(Outcome(trials=1, notes=("what it was",), **{kind: 1}))])
        assert program.main(["--engine=sqlite"]) == 1
        shown = capsys.readouterr().out
        assert "1 line of ours not zero" in shown
        assert "a-fault, sqlite, antarest: what it was" in shown
        assert f"a-fault, sqlite: {kind.replace('_', ' ')} 1" in shown
        assert 'make test-chaos ARGS="--fault=a-fault --engine=sqlite --seed=0 --part=1"' in shown

    monkeypatch.setattr(program, "FAULTS", [of(Outcome())])
    assert program.main(["--engine=sqlite"]) == 1


def test_what_the_peer_does_is_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def trials(lab: Lab, *_: object) -> Iterator[Callable[[], Outcome]]:
        yield lambda: Outcome(trials=1, half_way=int(lab.tool.name == "alembic"))

    monkeypatch.setattr(program, "FAULTS", [Fault("a-fault", trials)])

    assert program.main(["--engine=sqlite", "--peer=alembic"]) == 0
    assert [line.split()[:5] for line in capsys.readouterr().out.splitlines()[2:4]] == [
        ["a-fault", "sqlite", "antarest", "1", "0"],
        ["a-fault", "sqlite", "alembic", "1", "1"],
    ]
