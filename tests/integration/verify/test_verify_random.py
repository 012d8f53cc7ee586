"""The proof of the proof: random histories without a fault are clean, and each kind of fault is found.

`make test-random ARGS=--examples=10` tries many more, and prints the table of docs/verify.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from antarest.migration.scratch.databases import EngineName, PostgresServer
from antarest.migration.verify import Verification
from antarest.migration.verify.findings.finding import Finding
from tests.random_histories.history import History, Step, histories, id_of, source
from tests.random_histories.mutations import MUTATIONS, Mutation, mutated
from tests.random_histories.schema import Schema
from tests.random_histories.trial import is_caught, prove
from tests.support.projects.checkouts import ROOT
from tests.support.projects.verify import BOTH, LINTS

# Every run has the same histories. None is shrunk, because this takes longer than reading the history.
_SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)


def _trials() -> Iterator[tuple[Mutation, tuple[EngineName, ...]]]:
    """Return the trials: all kinds of faults on SQLite, but only some on PostgreSQL, which takes ten times as long."""
    for number, mutation in enumerate(MUTATIONS):
        if mutation.ids == {"V601"} or number % 5 == 0:
            yield mutation, BOTH
        else:
            yield mutation, ("sqlite",) if "sqlite" in mutation.engines else ("postgresql",)


@given(histories(most=4))
@settings(_SETTINGS, max_examples=3)
def test_nothing_is_found_in_a_random_history_without_a_fault(postgres: PostgresServer, history: History) -> None:
    found = prove(history, postgres)

    told = [each for each in found.findings if each.id not in LINTS]
    assert (told, found.not_proved) == ([], []), source(history)
    assert len(found.revisions) == len(history)


@pytest.mark.parametrize(
    ("mutation", "engines"), [*_trials()], ids=lambda each: each.name if isinstance(each, Mutation) else " ".join(each)
)
@given(data=st.data())
@settings(_SETTINGS, max_examples=1)
def test_a_fault_in_a_random_history_is_found(
    postgres: PostgresServer, mutation: Mutation, engines: tuple[EngineName, ...], data: st.DataObject
) -> None:
    history = data.draw(mutated(mutation))

    found = prove(history, postgres, only=[id_of(len(history) - 1)], on=engines)

    assert is_caught(mutation, history, found), (source(history), found.findings)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], False),
        ([Finding.of("V404", "", id_of(0), engine) for engine in BOTH], False),  # at another revision
        ([Finding.of("V403", "", id_of(1), engine) for engine in BOTH], False),  # something else
        ([Finding.of("V404", "", id_of(1), "sqlite")], False),  # on one engine of two
        ([Finding.of("V404", "", id_of(1), engine, severity="note") for engine in BOTH], False),
        ([Finding.of("V404", "", id_of(1), engine) for engine in BOTH], True),
    ],
)
def test_a_fault_is_found_only_where_it_is(found: list[Finding], expected: bool) -> None:
    mutation = MUTATIONS[0]
    step = Step.of([], Schema())

    assert mutation.ids == {"V404"}
    assert is_caught(mutation, (step, step), Verification(BOTH, findings=found)) is expected


def test_the_page_names_every_kind_of_fault() -> None:
    page = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|`]+) \| ((?:V\d{3},? ?)+) \| \d+ \| \d+ \|$", page, re.MULTILINE))

    assert rows == {each.name: ", ".join(sorted(each.ids)) for each in MUTATIONS}
